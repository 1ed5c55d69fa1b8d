"""The matrix: containers, codecs, pixel formats, tags, sizes and times, each through a network that changes nothing."""

from __future__ import annotations

import itertools
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from small_clips import QUARTER_TURN, packets, picture, times, write_clip

from restill.video import EncodeSettings, probe, read_frames, transcode
from restill.video.color import ColorTags

LEAST = 42.0  # dB, RGB, each frame: of a picture that is encoded once more at a high quality
HALF_TURN = (-65536, 0, 0, 0, -65536, 0, 0, 0, 1073741824)
THREE_QUARTERS = (0, -65536, 0, 65536, 0, 0, 0, 0, 1073741824)
BEST = {"libx264": "h264", "libx265": "hevc", "prores_ks": "prores", "libvpx-vp9": "vp9"}

# source suffix, codec, pixel format, output suffix
FORMATS = [
    *((suffix, "libx264", form, suffix) for suffix in (".mp4", ".mkv", ".mov") for form in ("yuv420p", "yuv444p")),
    *((".mkv", "libx264", form, ".mkv") for form in ("yuv422p", "yuv420p10le", "yuv422p10le", "gray", "nv12")),
    *((suffix, "libx265", form, suffix) for suffix in (".mp4", ".mkv") for form in ("yuv420p", "yuv420p10le")),
    *((suffix, "libvpx-vp9", form, suffix) for suffix in (".webm", ".mkv") for form in ("yuv420p", "yuv444p")),
    (".webm", "libsvtav1", "yuv420p", ".webm"),
    (".mp4", "libsvtav1", "yuv420p10le", ".mp4"),
    (".mov", "prores_ks", "yuv422p10le", ".mov"),
    (".mkv", "prores_ks", "yuv444p10le", ".mkv"),
    (".avi", "mjpeg", "yuvj420p", ".mkv"),
    (".avi", "mjpeg", "yuvj422p", ".mp4"),
    (".mkv", "mjpeg", "yuvj444p", ".mkv"),
    *((".mkv", "ffv1", form, ".mkv") for form in ("yuv420p", "yuv422p", "yuv444p", "bgr0", "gray", "yuv420p10le")),
    (".avi", "ffv1", "yuv420p", ".mkv"),
    (".ts", "libx264", "yuv420p", ".mkv"),
    (".ts", "libx265", "yuv420p", ".mp4"),
    (".gif", "gif", "gray", ".mp4"),
    (".avi", "mpeg4", "yuv420p", ".mp4"),
    (".avi", "huffyuv", "yuv422p", ".mkv"),
    (".mov", "qtrle", "rgb24", ".mov"),
]
SIZES = [(1, 1), (2, 2), (1, 40), (40, 1), (3, 5), (17, 33), (63, 47), (64, 48), (130, 70)]
MATRICES = {"bt601": (6, 6, 6), "bt709": (1, 1, 1), "bt2020": (9, 9, 14)}


def through(src: Path, suffix: str, **settings: Any) -> Path:
    """A source through a network that changes nothing, at a high quality where the codec has one."""
    out = src.with_name(f"out{suffix}")
    chosen = EncodeSettings(crf=6, **settings)
    try:
        chosen.choose_codec(out, probe(src))
    except Exception:  # a codec without a scale
        chosen = EncodeSettings(**settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transcode(src, out, lambda frames: frames, chosen)
    return out


def worst_psnr(src: Path, out: Path) -> float:
    """Of the frame that differs most, dB of RGB."""
    errors = [
        float(np.mean((before / np.iinfo(before.dtype).max - after / np.iinfo(after.dtype).max) ** 2))
        for before, after in zip(read_frames(src), read_frames(out), strict=True)
    ]
    return -10 * float(np.log10(max(max(errors), 1e-12)))


@pytest.mark.parametrize(("suffix", "codec", "form", "to"), FORMATS)
def test_formats(tmp_path, suffix, codec, form, to):
    src = write_clip(tmp_path / f"in{suffix}", codec=codec, pix_fmt=form, pts=range(6))
    out = through(src, to)
    assert worst_psnr(src, out) >= LEAST
    began = times(src)[0] if suffix == ".ts" else 0  # its clock begins anywhere
    assert [round(float(t), 3) for t in times(out)] == [round(float(t - began), 3) for t in times(src)]
    assert probe(out).bit_depth >= min(10, probe(src).bit_depth)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("to", [".mkv", ".mp4", ".webm"])
def test_sizes(tmp_path, size, to):
    width, height = size
    src = write_clip(tmp_path / "in.mov", codec="qtrle", pix_fmt="rgb24", width=width, height=height, pts=range(3))
    out = through(src, to, pixel_format="yuv444p")
    assert (probe(out).width, probe(out).height) == size
    assert len(times(out)) == 3
    assert worst_psnr(src, out) >= 38.0  # a picture of few pixels may be all edge


@pytest.mark.slow
def test_a_large_frame(tmp_path):
    src = write_clip(tmp_path / "in.mkv", width=4096, height=2304, pts=range(2))
    out = through(src, ".mkv")
    assert (probe(out).width, probe(out).height) == (4096, 2304)
    assert worst_psnr(src, out) >= LEAST


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_tags(tmp_path, name, full, suffix):
    primaries, matrix, transfer = MATRICES[name][0], MATRICES[name][1], MATRICES[name][2]
    tags = {"colorspace": matrix, "color_range": 2 if full else 1, "color_primaries": primaries, "color_trc": transfer}
    src = write_clip(tmp_path / f"in{suffix}", tags=tags, pts=range(4))
    out = through(src, suffix)
    assert probe(out).color == probe(src).color == ColorTags(matrix, 2 if full else 1, primaries, transfer)
    assert worst_psnr(src, out) >= LEAST


@pytest.mark.parametrize("matrix", [None, QUARTER_TURN, HALF_TURN, THREE_QUARTERS], ids=["0", "90", "180", "270"])
@pytest.mark.parametrize("aspect", [None, Fraction(4, 3)], ids=str)
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_turns_and_pixel_aspect(tmp_path, matrix, aspect, suffix):
    src = write_clip(tmp_path / f"in{suffix}", matrix=matrix, aspect=aspect, pts=range(4))
    out = through(src, suffix)
    before, after = probe(src), probe(out)
    assert (after.rotation, after.sample_aspect) == (before.rotation, before.sample_aspect)
    assert (after.width, after.height) == (before.width, before.height)
    assert worst_psnr(src, out) >= LEAST


TIMES = {
    "even": (range(12), Fraction(1, 25)),
    "ntsc": (range(0, 12 * 1001, 1001), Fraction(1, 30000)),
    "uneven": ([0, 40, 95, 100, 300, 333, 1000, 1001, 1500], Fraction(1, 1000)),
    "late": (range(5000, 5480, 40), Fraction(1, 1000)),
    "one": ([0], Fraction(1, 25)),
}


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "libx264"), (".mkv", "libx264"), (".mov", "libx265")])
def test_times_and_sound(tmp_path, name, suffix, codec):
    pts, base = TIMES[name]
    src = write_clip(tmp_path / f"in{suffix}", codec=codec, pts=pts, time_base=base, audio="aac")
    out = through(src, suffix)
    assert times(out) == times(src)
    if suffix != ".mkv":  # there, times are milliseconds, and a length may be rounded to one more or less
        assert packets(out, "audio") == packets(src, "audio")
    assert [p[2] for p in packets(out, "audio")] == [p[2] for p in packets(src, "audio")]
    assert worst_psnr(src, out) >= LEAST


def test_an_edit_list_that_skips_frames(tmp_path):
    """An MP4 may say that its first frames are not to be shown; what comes out is what is shown, when it is shown."""
    src = write_clip(tmp_path / "in.mp4", pts=range(20), time_base=Fraction(1, 25))
    cut = tmp_path / "cut.mp4"
    with av.open(str(src)) as source, av.open(str(cut), "w", container_options={"movflags": "+faststart"}) as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.pts -= 5 * 512
                packet.dts -= 5 * 512
                packet.stream = stream
                container.mux(packet)
    out = through(cut, ".mp4")
    assert times(out) == times(cut)
    assert len(times(cut)) > 0
    assert worst_psnr(cut, out) >= LEAST


def test_alpha_is_named(tmp_path):
    src = write_clip(tmp_path / "in.mov", codec="qtrle", pix_fmt="argb", pts=range(3))
    with pytest.warns(UserWarning, match="transparency is left out"):
        transcode(src, tmp_path / "out.mkv", lambda frames: frames)
    assert worst_psnr(src, tmp_path / "out.mkv") > 35


def test_interlaced_is_named(tmp_path):
    src = tmp_path / "in.mkv"
    with av.open(str(src), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"x264-params": "interlaced=1:tff=1"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(6):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number, 64, 64), format="rgb24")))
        container.mux(stream.encode(None))
    with pytest.warns(UserWarning, match="interlaced; its two fields are treated as one"):
        transcode(src, tmp_path / "out.mkv", lambda frames: frames)


def test_a_folder_of_frames(tmp_path):
    for kind, deep in itertools.product((".png", ".tif", ".bmp", ".jpg"), (False, True)):
        if deep and kind in (".bmp", ".jpg"):
            continue
        folder = tmp_path / f"in{kind[1:]}{deep}"
        folder.mkdir()
        from restill.video.pictures import write_picture

        for number in range(3):
            frame = picture(number, 33, 17, np.uint16 if deep else np.uint8)
            write_picture(folder / f"{number}{kind}", frame)
        transcode(folder, tmp_path / f"out{kind[1:]}{deep}", lambda frames: frames)
        pairs = zip(read_frames(folder), read_frames(tmp_path / f"out{kind[1:]}{deep}"), strict=True)
        assert all(np.array_equal(before, after) for before, after in pairs)
