"""Everything of a file is kept, one frame out for each frame in, at the same time."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from small_clips import QUARTER_TURN, packets, picture, times

from restill.errors import RestillError
from restill.video import EncodeSettings, probe, read_frames, transcode
from restill.video.pipeline import Process

MS = Fraction(1, 1000)
UNEVEN = [0, 40, 95, 100, 300, 333, 1000, 1001, 1500, 1777]
CHAPTERS = [
    {"id": 1, "start": 0, "end": 500, "time_base": MS, "metadata": {"title": "One"}},
    {"id": 2, "start": 500, "end": 1500, "time_base": MS, "metadata": {"title": "Two"}},
]


def same(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    return frames


def ahead(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """As a network with two frames of context after: it reads ahead and catches up at the end."""
    waiting = []
    for frame in frames:
        waiting.append(frame)
        if len(waiting) > 2:
            yield waiting.pop(0)
    yield from waiting


def go(src: Path, suffix: str | None = None, process: Process = ahead, **settings) -> Path:
    out = src.with_name(f"out-{src.stem}{suffix or src.suffix}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        summary = transcode(src, out, process, EncodeSettings(**settings))
    assert summary.frames == len(times(src)) == len(times(out))
    assert list(src.parent.glob(".*partial*")) == []
    return out


def difference(src: Path, out: Path) -> float:
    """The largest mean difference of a frame, in grey levels of 255."""
    worst = 0.0
    for before, after in zip(read_frames(src), read_frames(out), strict=True):
        assert before.shape == after.shape
        assert before.dtype == after.dtype
        grey = 1 if before.dtype == np.uint8 else 257
        worst = max(worst, float(np.abs(before.astype(float) - after).mean()) / grey)
    return worst


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_sound_chapters_metadata_and_uneven_times_are_kept(clip, suffix):
    tags = {"title": "Rain", "artist": "Someone"}
    src = clip(f"a{suffix}", pts=UNEVEN, time_base=MS, audio="aac", chapters=CHAPTERS, metadata=tags)
    out = go(src)
    before, after = probe(src), probe(out)
    assert times(out) == times(src) == [time * MS for time in UNEVEN]
    assert after.time_base == before.time_base
    assert packets(out, "audio") == packets(src, "audio")
    assert [c["metadata"] for c in after.chapters] == [c["metadata"] for c in before.chapters] != []
    assert [c["start"] * c["time_base"] for c in after.chapters] == [0, Fraction(1, 2)]
    lower = {key.lower(): value for key, value in after.metadata.items()}
    assert tags.items() <= lower.items()
    with av.open(str(src)) as first, av.open(str(out)) as second:
        assert second.streams.audio[0].language == first.streams.audio[0].language
        assert suffix == ".mov" or second.streams.audio[0].language == "deu"
    assert difference(src, out) < 2.5


def test_subtitles_and_attachments_are_kept(clip):
    src = clip("a.mkv", subtitle="subrip", attachment=b"not really a font")
    out = go(src)
    assert packets(out, "subtitle") == packets(src, "subtitle")
    assert [data for _, _, data in packets(out, "subtitle")] == [b"one", b"two"]
    with av.open(str(out)) as container:
        (font,) = [stream for stream in container.streams if stream.type == "attachment"]
        assert font.data == b"not really a font"
        assert font.name == "font.ttf"
    text = clip("b.mp4", subtitle="mov_text")
    words = [data for _, _, data in packets(go(text), "subtitle") if len(data) > 2]
    assert words == [data for _, _, data in packets(text, "subtitle") if len(data) > 2] != []


def test_a_stream_that_the_container_cannot_hold_is_named(clip, tmp_path):
    src = clip("a.mkv", subtitle="subrip", audio="aac")
    with pytest.warns(UserWarning, match=r"subtitle stream 2 \(srt\) is left out: a mp4 file cannot hold it"):
        transcode(src, tmp_path / "b.mp4", same)
    assert probe(tmp_path / "b.mp4").streams == {"audio": 1}


def test_unknown_tags_of_a_phone_are_kept(clip):
    src = clip("a.mov", metadata={"title": "Rain"})
    with (
        av.open(str(src)) as container,
        av.open(str(src.with_name("b.mov")), "w", container_options={"movflags": "use_metadata_tags"}) as copy,
    ):
        stream = copy.add_stream_from_template(container.streams.video[0], opaque=True)
        copy.metadata.update({"com.apple.quicktime.make": "Acme", "title": "Rain"})
        for packet in container.demux(video=0):
            if packet.size:
                packet.stream = stream
                copy.mux(packet)
    out = go(src.with_name("b.mov"))
    assert probe(out).metadata["com.apple.quicktime.make"] == "Acme"
    assert probe(out).metadata["title"] == "Rain"


@pytest.mark.parametrize(("suffix", "target"), [(".mp4", ".mp4"), (".mkv", ".mkv"), (".mp4", ".mkv"), (".mkv", ".mp4")])
def test_a_late_start_stays_late(clip, suffix, target):
    src = clip(f"a{suffix}", pts=range(50, 60), audio="aac")
    out = go(src, target)
    assert times(out) == times(src)
    assert times(out)[0] == 2


def test_a_start_between_milliseconds_is_exact(clip):
    pts = [1237 + 3003 * n for n in range(8)]
    src = clip("a.mp4", pts=pts, time_base=Fraction(1, 90000))
    assert times(go(src)) == times(src) == [Fraction(time, 90000) for time in pts]


def test_ntsc_times_are_exact(clip):
    src = clip("a.mp4", time_base=Fraction(1001, 30000))
    assert times(go(src)) == times(src)
    assert probe(src.with_name("out-a.mp4")).fps == probe(src).fps


def test_sound_that_starts_before_zero_shifts_nothing_in_matroska(clip):
    src = clip("a.mp4", audio="aac")
    out = go(src, ".mkv")
    assert times(out) == times(src)
    assert [data for _, _, data in packets(out, "audio")] == [data for _, _, data in packets(src, "audio")]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_rotation_is_kept_and_the_network_sees_the_picture_upright(clip, suffix):
    src = clip(f"a{suffix}", matrix=QUARTER_TURN)
    seen = []

    def look(frames):
        for frame in frames:
            seen.append(frame)
            yield frame

    out = go(src, process=look)
    assert probe(src).matrix == probe(out).matrix == QUARTER_TURN
    assert (probe(out).width, probe(out).height, probe(out).rotation) == (48, 64, 90)
    assert seen[0].shape == (64, 48, 3)
    corner = picture(0, 64, 48)[:8, :8].mean()
    assert abs(seen[0][:8, -8:].mean() - corner) < 6  # the upper left corner has gone to the upper right
    assert difference(src, out) < 2.5


def test_a_container_without_rotation_gets_turned_pixels(clip):
    src = clip("a.mp4", matrix=QUARTER_TURN)
    out = go(src, ".webm")
    assert (probe(out).coded_width, probe(out).coded_height, probe(out).rotation) == (48, 64, 0)
    assert difference(src, out) < 2.5


def test_pixel_aspect_is_kept(clip, tmp_path):
    src = clip("a.mp4", aspect=Fraction(4, 3))
    for suffix, codec in ((".mp4", "h264"), (".mkv", "h264"), (".mkv", "hevc"), (".mp4", "vp9")):
        assert probe(go(src, suffix, codec=codec)).sample_aspect == Fraction(4, 3)
        src.with_name(f"out-a{suffix}").unlink()
    with pytest.raises(RestillError, match="cannot keep the input's pixel aspect 4/3"):
        transcode(src, tmp_path / "b.webm", same)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_color_tags_are_kept(clip, suffix):
    hdr = {"colorspace": 9, "color_range": 1, "color_primaries": 9, "color_trc": 16}
    full = {"colorspace": 1, "color_range": 2, "color_primaries": 1, "color_trc": 1}
    for name, tags, pix_fmt in (("hdr", hdr, "yuv420p10le"), ("full", full, "yuv420p")):
        src = clip(f"{name}{suffix}", tags=tags, pix_fmt=pix_fmt)
        out = go(src)
        assert probe(out).color == probe(src).color
        assert (probe(out).color.matrix, probe(out).color.transfer) == (tags["colorspace"], tags["color_trc"])
        assert difference(src, out) < 2.5


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "name", "kept"),
    [
        ("libx264", "yuv420p10le", "a.mp4", "yuv420p10le"),
        ("libx265", "yuv420p10le", "a.mkv", "yuv420p10le"),
        ("libx265", "yuv420p12le", "a.mkv", "yuv420p12le"),
        ("prores_ks", "yuv422p10le", "a.mkv", "yuv422p10le"),
        ("libx264", "yuv422p", "a.mp4", "yuv422p"),
        ("libx264", "yuv444p", "a.mp4", "yuv444p"),
        ("ffv1", "bgr0", "a.mkv", "yuv444p"),
        ("ffv1", "gray", "a.mkv", "yuv420p"),
    ],
)
def test_bits_and_chroma_are_kept(clip, codec, pix_fmt, name, kept):
    src = clip(name, codec=codec, pix_fmt=pix_fmt)
    out = go(src)
    assert probe(out).pix_fmt == kept
    assert probe(out).bit_depth == probe(src).bit_depth
    assert difference(src, out) < 2.5


def test_deep_frames_are_deep(clip):
    src = clip("a.mp4", pix_fmt="yuv420p10le")
    frame = next(iter(read_frames(src)))
    assert frame.dtype == np.uint16
    assert np.abs(frame.astype(float) - picture(0, 64, 48, np.uint16)).mean() < 600  # of 65535
    assert len(np.unique(frame)) > 256


@pytest.mark.parametrize(
    ("codec", "suffix"), [("h264", ".mkv"), ("hevc", ".mkv"), ("vp9", ".webm"), ("av1", ".webm"), ("ffv1", ".mkv")]
)
def test_odd_sizes_stay_odd(clip, codec, suffix):
    src = clip("a.webm", width=641, height=361, codec="libvpx-vp9", pts=range(3))
    out = go(src, suffix if suffix != ".webm" else ".mkv", codec=codec)
    assert (probe(out).coded_width, probe(out).coded_height) == (641, 361)
    assert difference(src, out) < 2.5


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_one_frame(clip, suffix):
    src = clip(f"a{suffix}", pts=[0], codec="libvpx-vp9" if suffix == ".webm" else "libx264")
    assert times(go(src)) == [0]


def test_an_avi_has_its_frames_and_times(clip):
    src = clip("a.avi", codec="mpeg4", pts=range(12))
    assert times(go(src, ".mkv")) == [Fraction(n, 25) for n in range(12)]


@pytest.mark.parametrize("codec", ["hevc", "vp9", "av1", "prores", "ffv1"])
def test_every_codec_keeps_uneven_times(clip, codec):
    src = clip("a.mkv", pts=UNEVEN, time_base=MS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if codec == "prores":  # 10 bits and 4:2:2 are the least it has
            transcode(src, src.with_name("out-a.mkv"), same, EncodeSettings(codec=codec))
        else:
            go(src, codec=codec)
    assert times(src.with_name("out-a.mkv")) == times(src)


def test_a_lossless_codec_gives_back_the_very_picture(clip):
    src = clip("a.mkv", pts=range(4))
    first = av.open(str(src))
    out = av.open(str(go(src, codec="ffv1")))
    with first, out:
        for before, after in zip(first.decode(video=0), out.decode(video=0), strict=True):
            brightness = np.abs(before.to_ndarray()[:48].astype(int) - after.to_ndarray()[:48])
            assert brightness.max() <= 2
            assert brightness.mean() < 0.2


def test_the_size_may_change(clip):
    src = clip("a.mp4", matrix=QUARTER_TURN)
    out = go(src, process=lambda frames: (np.repeat(frame, 2, axis=1) for frame in frames))
    assert (probe(out).width, probe(out).height) == (96, 64)


@pytest.mark.parametrize(
    ("process", "sentence"),
    [
        (lambda frames: (frame for n, frame in enumerate(frames) if n != 3), "the process gave 9 frames for the 10 of"),
        (lambda frames: itertools.islice(frames, 4), "the process gave 4 frames for the 10 of"),
        (lambda frames: (frame for frame in frames for _ in range(2)), "the process gave more than the"),
        (lambda frames: (frame.astype(np.float32) for frame in frames), "the process gave float32"),
    ],
)
def test_a_process_that_loses_adds_or_spoils_frames_is_refused(clip, tmp_path, process, sentence):
    src = clip("a.mp4")
    with pytest.raises(RestillError, match=sentence):
        transcode(src, tmp_path / "b.mp4", process)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.mp4"]


@pytest.mark.parametrize("error", [ZeroDivisionError("no"), KeyboardInterrupt()])
def test_an_error_in_the_process_comes_through_and_nothing_is_left(clip, tmp_path, error):
    src = clip("a.mp4", pts=range(40))

    def fails(frames):
        for number, frame in enumerate(frames):
            if number == 20:
                raise error
            yield frame

    before = src.read_bytes()
    with pytest.raises(type(error)):
        transcode(src, tmp_path / "b.mp4", fails)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.mp4"]
    assert src.read_bytes() == before


def test_a_damaged_file_is_an_error_not_a_shorter_clip(clip, tmp_path):
    src = clip("a.mkv", codec="ffv1", pts=range(40))
    data = bytearray(src.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = b"\0" * 3000
    src.write_bytes(data)
    try:
        count = transcode(src, tmp_path / "b.mkv", same).frames
    except RestillError as error:
        assert "damaged" in str(error)  # noqa: PT017
        assert not (tmp_path / "b.mkv").exists()
    else:
        assert count == len(times(tmp_path / "b.mkv"))


def test_ctrl_c_leaves_nothing(clip, tmp_path):
    src = clip("a.mp4", pts=range(30))
    code = (
        "import itertools, signal, time\nfrom restill.video import transcode\ncount = itertools.count()\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs ignore it
        "def slow(frames):\n    for frame in frames:\n        print('.', flush=True); yield frame\n"
        "        if next(count) == 2:\n            while True: time.sleep(0.01)\n"
        f"transcode({str(src)!r}, {str(tmp_path / 'b.mp4')!r}, slow)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    for _ in range(3):
        child.stdout.readline()
    os.kill(child.pid, signal.SIGINT)
    seen, errors = child.communicate()
    assert not seen, "it went on"
    assert b"KeyboardInterrupt" in errors
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.mp4"]


def test_sound_whose_times_slip_does_not_stop_the_job(clip, tmp_path):
    src = clip("a.mkv", audio="aac")
    slipped = tmp_path / "slipped.mkv"
    with av.open(str(src)) as container, av.open(str(slipped), "w") as copy:
        streams = [copy.add_stream_from_template(stream, opaque=True) for stream in container.streams]
        for packet in container.demux():
            if not packet.size:
                continue
            if packet.stream_index == 1 and 100 < packet.pts < 200:
                packet.pts = packet.dts = 101
            packet.stream = streams[packet.stream_index]
            copy.mux(packet)
    out = go(slipped, ".mp4")
    assert [data for *_, data in packets(out, "audio")] == [data for *_, data in packets(slipped, "audio")]


MEASURE = """
import resource, sys
from restill.video import EncodeSettings, transcode
transcode(sys.argv[1], sys.argv[2], lambda frames: frames, EncodeSettings(preset="ultrafast"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_length(clip, tmp_path):
    # both are longer than all that waits in queues and in the encoder
    peaks = []
    for name, length in (("short.mp4", 150), ("long.mp4", 1500)):
        src = clip(name, pts=range(length), width=160, height=120, audio="aac")
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(src), str(tmp_path / f"out-{name}")], capture_output=True, check=True
        )
        peaks.append(int(done.stdout))
    assert peaks[1] < 1.05 * peaks[0], peaks
