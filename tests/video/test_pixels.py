"""Outputs play: what pixel format, codec and size an output has by default, and what a user may ask for instead."""

from __future__ import annotations

import warnings
from pathlib import Path

import av
import numpy as np
import pytest
from small_clips import picture, write_clip

from restill.errors import RestillError
from restill.video import EncodeSettings, probe, read_frames, transcode
from restill.video.pictures import write_picture

# what browsers, phones and QuickTime decode
PLAYED = {("h264", "yuv420p"), *((codec, f"yuv420p{end}") for codec in ("hevc", "vp9", "av1") for end in ("", "10le"))}
SOURCES = {
    "rgb": (".mov", "qtrle", "rgb24"),
    "ffv1-rgb": (".mkv", "ffv1", "bgr0"),
    "mjpeg-422": (".avi", "mjpeg", "yuvj422p"),
    "prores-422-10": (".mov", "prores_ks", "yuv422p10le"),
    "ffv1-444-12": (".mkv", "ffv1", "yuv444p12le"),
    "h264-10": (".mp4", "libx264", "yuv420p10le"),
    "h264-8": (".mp4", "libx264", "yuv420p"),
    "hevc-10": (".mkv", "libx265", "yuv420p10le"),
    "ffv1-16": (".mkv", "ffv1", "yuv420p16le"),
    "gray": (".mkv", "ffv1", "gray"),
}


def run(src: Path, out: Path, **settings) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        transcode(src, out, lambda frames: frames, EncodeSettings(**settings))
    return [str(warning.message) for warning in caught]


def folder(path: Path, width: int = 32, height: int = 24, dtype: type = np.uint8) -> Path:
    path.mkdir()
    for number in range(2):
        write_picture(path / f"{number}.png", picture(number, width, height, dtype))
    return path


@pytest.mark.parametrize("name", [*SOURCES, "folder", "folder-16"])
def test_what_players_decode_is_the_default(tmp_path, name):
    if name.startswith("folder"):
        src = folder(tmp_path / "in", dtype=np.uint16 if name.endswith("16") else np.uint8)
    else:
        suffix, codec, form = SOURCES[name]
        src = write_clip(tmp_path / f"in{suffix}", codec=codec, pix_fmt=form, pts=range(3))
    before = probe(src)
    for suffix in (".mp4", ".m4v", ".mov", ".webm"):
        out = tmp_path / f"out{suffix}"
        notes = run(src, out)
        after = probe(out)
        assert (after.codec_family, after.pix_fmt.replace("yuvj", "yuv")) in PLAYED, suffix
        if before.is_rgb:
            assert after.pix_fmt == "yuv420p"
        else:
            assert after.bit_depth == min(before.bit_depth, 10)
        coarser = after.chroma < before.chroma or after.bit_depth < before.bit_depth
        assert any("which players decode; --pixel-format yuv4" in note for note in notes) == coarser


def test_hevc_has_the_tag_that_apple_asks_for(tmp_path):
    src = write_clip(tmp_path / "in.mp4", pix_fmt="yuv420p10le", pts=range(2))
    for suffix in (".mp4", ".mov"):
        run(src, tmp_path / f"out{suffix}")
        with av.open(str(tmp_path / f"out{suffix}")) as container:
            assert container.streams.video[0].codec_context.codec_tag == "hvc1"


def test_what_plays_a_source_plays_its_result(tmp_path):
    """The source's own codec keeps its color: who can play the one can play the other."""
    for codec, form in (("libx264", "yuv422p"), ("libx264", "yuv444p"), ("libx265", "yuv422p10le")):
        src = write_clip(tmp_path / f"{form}.mp4", codec=codec, pix_fmt=form, pts=range(2))
        assert run(src, tmp_path / f"out-{form}.mp4") == []
        assert probe(tmp_path / f"out-{form}.mp4").pix_fmt == form


def test_matroska_keeps_all(tmp_path):
    assert run(folder(tmp_path / "in"), tmp_path / "out.mkv") == []
    assert probe(tmp_path / "out.mkv").pix_fmt == "yuv444p"


@pytest.mark.parametrize("size", [(33, 24), (32, 25), (33, 25), (1, 1)])
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_an_odd_size_is_filled_up_by_one(tmp_path, size, suffix):
    width, height = size
    src, out = folder(tmp_path / "in", *size), tmp_path / f"out{suffix}"
    notes = run(src, out)
    even = width + width % 2, height + height % 2
    assert (probe(out).width, probe(out).height) == even
    assert any(f"becomes {even[0]}x{even[1]}, not {width}x{height}" in note for note in notes)
    for before, after in zip(read_frames(src), read_frames(out), strict=True):
        filled = np.pad(before, ((0, even[1] - height), (0, even[0] - width), (0, 0)), mode="edge")
        assert np.abs(filled.astype(float) - after).mean() < 8  # the color at half the resolution


@pytest.mark.parametrize("suffix", [".mkv", ".webm"])
def test_an_odd_size_stays_where_the_codec_can_keep_it(tmp_path, suffix):
    run(folder(tmp_path / "in", 33, 25), tmp_path / f"out{suffix}")
    assert (probe(tmp_path / f"out{suffix}").width, probe(tmp_path / f"out{suffix}").height) == (33, 25)


@pytest.mark.parametrize(
    ("form", "codec"), [("yuv420p", "h264"), ("yuv444p", "h264"), ("yuv420p10le", "hevc"), ("yuv444p12le", "hevc")]
)
def test_a_pixel_format_that_is_asked_for(tmp_path, form, codec):
    notes = run(folder(tmp_path / "in", 33, 25), tmp_path / "out.mp4", pixel_format=form)
    after = probe(tmp_path / "out.mp4")
    assert (after.codec_family, after.pix_fmt) == (codec, form)
    assert any("do not play" in note for note in notes) == ((codec, form) not in PLAYED)


def test_wrong_pixel_formats_are_refused(tmp_path):
    src = folder(tmp_path / "in")
    with pytest.raises(RestillError, match=r"pixel format 'rgb24' is unknown; the formats are yuv420p, .*yuv444p10le"):
        EncodeSettings(pixel_format="rgb24")
    with pytest.raises(RestillError, match=r"prores has no yuv420p; choose --codec from h264, hevc"):
        run(src, tmp_path / "out.mov", codec="prores", pixel_format="yuv420p")
    with pytest.raises(RestillError, match=r"no codec of a \.webm file holds yuv444p16le; write a \.mkv"):
        run(src, tmp_path / "out.webm", pixel_format="yuv444p16le")


@pytest.mark.parametrize("name", ["out.foo", "clip v1.5", "out.gif", "out.txt", "out.ts"])
def test_a_name_that_says_no_container_is_refused_at_once(tmp_path, name):
    info = probe(write_clip(tmp_path / "in.mp4", pts=range(2)))
    with pytest.raises(RestillError, match=r"must end in \.mp4, \.m4v, \.mov, \.mkv, \.webm"):
        EncodeSettings().choose_codec(tmp_path / name, info)
