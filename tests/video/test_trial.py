"""A job does not fail at its end: what cannot be written is found before the first frame, or costs one stream."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from rich_clips import COUNT, write_rich
from small_clips import packets, times, write_clip

from restill.errors import RestillError
from restill.video import EncodeSettings, probe, transcode
from restill.video.decode import Source, VideoSource, open_source
from restill.video.encoder import PictureEncoder
from restill.video.journal import ResumableJob, open_journal
from restill.video.mux import Muxer


def run(src: Path | Source, out: Path, *, segments: bool = False, **settings) -> list[str]:
    """Transcode, in segments or not; the notes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if segments:
            with open_journal(out, {}) as journal:
                journal.choose({})
                transcode(src, out, lambda frames: frames, EncodeSettings(**settings), job=ResumableJob(journal, 0, 0))
                journal.remove()
        else:
            transcode(src, out, lambda frames: frames, EncodeSettings(**settings))
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("out", ["out.mov", "out.mp4"])
def test_a_timecode_track_is_kept(tmp_path, out):
    src = write_rich(tmp_path / "in.mov", sound=(("aac", "stereo"),), tags={"timecode": "01:02:03:04"})
    assert run(src, tmp_path / out) == []
    with av.open(str(tmp_path / out)) as container:
        codes = [stream.metadata["timecode"] for stream in container.streams if stream.type == "data"]
    assert codes == ["01:02:03:04"]


def test_a_timecode_that_the_muxer_refuses_costs_only_itself(tmp_path):
    path = write_rich(tmp_path / "in.mkv", tags={"timecode": "01:02:03:04"})
    with closing(open_source(path)) as source:
        source.info = replace(source.info, fps=Fraction(60000))
        (note,) = run(source, tmp_path / "out.mp4")
    assert note == "the timecode is left out: a .mp4 file cannot hold it (fps 60000 is too large)"
    assert len(times(tmp_path / "out.mp4")) == COUNT


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mkv", "flac"), (".mp4", "aac"), (".mov", "pcm_s16le"), (".webm", "opus")]
)
def test_sound_that_a_container_refuses_is_encoded_anew(tmp_path, suffix, codec):
    src = write_rich(tmp_path / "in.avi", video=(("mpeg4", "yuv420p", 64),), sound=(("adpcm_ima_wav", "stereo"),))
    out = tmp_path / f"out{suffix}"
    (note,) = run(src, out)
    assert re.match(r"audio stream 1 \(adpcm_ima_wav\) is re-encoded as \w+: a \w+ file cannot hold it \(.+\)", note)
    with av.open(str(out)) as container:
        stream = container.streams.audio[0]
        samples = np.concatenate([frame.to_ndarray().reshape(-1) for frame in container.decode(stream)])
        assert (stream.codec_context.codec.canonical_name, stream.layout.name) == (codec, "stereo")
    assert np.abs(samples.astype(float)).max() > (0.15 if samples.dtype.kind == "f" else 5000)
    length = sum(duration for _, duration, _ in packets(out, "audio"))
    assert float(length) == pytest.approx(COUNT / 25, abs=0.09)


def damaged_sound(path: Path) -> Path:
    """E-AC-3 that is right for some packets and noise from then on: MP4's muxer reads each packet, and gives up."""
    whole = write_rich(path.with_name("whole.mkv"), sound=(("eac3", "stereo"), ("aac", "mono")))
    with av.open(str(whole)) as source, av.open(str(path), "w") as container:
        copies = [container.add_stream_from_template(stream, opaque=True) for stream in source.streams]
        count = 0
        for packet in source.demux():
            count += packet.stream_index == 1
            copy = av.Packet(bytes(packet) if packet.stream_index != 1 or count <= 6 else b"\0" * packet.size)
            copy.pts, copy.dts, copy.time_base, copy.is_keyframe = packet.pts, packet.dts, packet.time_base, True
            copy.stream = copies[packet.stream_index]
            if packet.size:
                container.mux(copy)
    return path


@pytest.mark.parametrize("segments", [False, True])
def test_a_stream_that_fails_at_the_end_costs_only_itself(tmp_path, segments):
    src, out = damaged_sound(tmp_path / "in.mkv"), tmp_path / "out.mp4"
    (note,) = run(src, out, segments=segments)
    assert note.startswith("audio stream 1 (eac3) is left out: it fails at the end of the file (")
    assert times(out) == times(src)
    assert [data for *_, data in packets(out, "audio")][:1]
    assert probe(out).streams == {"audio": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mkv", "out.mp4", "whole.mkv"]


@pytest.mark.parametrize("segments", [False, True])
def test_an_end_that_fails_without_a_reason_costs_the_other_streams(tmp_path, monkeypatch, segments):
    close = Muxer.close

    def fails(self):
        self.at = None
        if self._copied and isinstance(self._file, str):  # the trial goes well
            raise av.error.ArgumentError(22, "Invalid argument")
        close(self)

    monkeypatch.setattr(Muxer, "close", fails)
    src, out = write_clip(tmp_path / "in.mkv", audio="aac", subtitle="subrip", pts=range(COUNT)), tmp_path / "out.mkv"
    notes = run(src, out, segments=segments)
    assert [note.split(" is left out")[0] for note in notes] == ["subtitle stream 2 (srt)", "audio stream 1 (aac)"]
    assert times(out) == times(src)


def test_a_picture_that_cannot_be_written_is_refused_before_any_work(tmp_path, monkeypatch):
    def fails(self, packet):
        raise av.error.ArgumentError(22, "Invalid argument")

    def process(frames):
        raise AssertionError("a frame was asked for")

    monkeypatch.setattr(Muxer, "write_picture", fails)
    src = write_clip(tmp_path / "in.mkv", pts=range(2))
    with pytest.raises(RestillError, match=r"out\.mkv' cannot be written: Invalid argument"):
        transcode(src, tmp_path / "out.mkv", process)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mkv"]


def test_an_empty_stream_is_named(tmp_path):
    whole = write_clip(tmp_path / "whole.mkv", audio="aac", pts=range(COUNT))
    with av.open(str(whole)) as source, av.open(str(tmp_path / "in.mkv"), "w") as container:
        copies = [container.add_stream_from_template(stream, opaque=True) for stream in source.streams]
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = copies[0]
                container.mux(packet)
    assert run(tmp_path / "in.mkv", tmp_path / "out.mkv") == ["audio stream 1 (aac) is left out: it is empty"]


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "av1"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_frames_have_times_that_muxers_take(tmp_path, codec, count):
    src = write_clip(tmp_path / "in.mkv", pts=range(count))
    run(src, tmp_path / "out.mp4", codec=codec)
    assert times(tmp_path / "out.mp4") == times(src)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_second_picture_without_decoding_times_keeps_its_times(tmp_path, suffix):
    """Matroska has none, so the first packets of a stream with B-frames have none."""
    src = write_rich(tmp_path / "in.mkv", video=(("libx264", "yuv420p", 48), ("libx264", "yuv420p", 64)))
    with av.open(str(src)) as container:
        assert next(container.demux(video=0)).dts is None
    run(src, tmp_path / f"out{suffix}")
    found = []
    for path in (src, tmp_path / f"out{suffix}"):
        with av.open(str(path)) as container:
            found.append([packet.pts * packet.time_base for packet in container.demux(video=0) if packet.size])
    assert found[0] == found[1]
    assert len(found[0]) == COUNT


def test_the_largest_picture_is_restored(tmp_path):
    src = write_rich(tmp_path / "in.mov", video=(("mjpeg", "yuvj420p", 32), ("libx264", "yuv420p", 64)))
    (note,) = run(src, tmp_path / "out.mp4")
    assert note == "video stream 0 (mjpeg, 32x24) is copied as it is; stream 1 is restored"
    assert (probe(src).width, probe(tmp_path / "out.mp4").width) == (64, 64)


def test_a_timecode_that_is_none_is_named(tmp_path):
    src = write_rich(tmp_path / "in.mkv", tags={"timecode": "half past ten"})
    assert run(src, tmp_path / "out.mp4") == ["a .mp4 cannot hold these tags, which are left out: timecode of stream 0"]
    assert run(src, tmp_path / "out.mkv") == []


def test_the_encoder_says_nothing_of_a_source_without_loss(tmp_path):
    source = open_source(write_clip(tmp_path / "in.mp4", pts=range(2)))
    encoder = PictureEncoder(tmp_path / "out.mp4", source, EncodeSettings())
    encoder.stored(np.zeros((48, 64, 3), np.uint8))
    source.close()
    assert encoder.notes == ()


@pytest.mark.skipif(
    not shutil.which("ffmpeg"), reason="needs the ffmpeg command, which writes channels in such an order"
)
def test_channels_in_an_order_of_their_own_are_read(tmp_path):
    """PyAV frees such an order twice; in a process of its own, since that ends it."""
    line = "ffmpeg -loglevel error -f lavfi -i testsrc=s=64x48:r=25:d=1 -f lavfi -i sine=d=1 -c:v mpeg4 -ac 8"
    subprocess.run([*line.split(), "-c:a", "pcm_s24le", str(tmp_path / "in.mov")], check=True)
    code = "import sys; from restill.video import transcode; transcode(sys.argv[1], sys.argv[2], lambda frames: frames)"
    for name in ("out.webm", "out.mov"):
        subprocess.run([sys.executable, "-W", "ignore", "-c", code, "in.mov", name], check=True, cwd=tmp_path)
        assert probe(tmp_path / name).streams == {"audio": 1}


@pytest.mark.parametrize("segments", [False, True])
def test_damage_among_the_other_streams_keeps_the_picture(tmp_path, monkeypatch, segments):
    src = write_rich(tmp_path / "in.mkv", sound=(("aac", "stereo"),))
    whole = VideoSource.other_packets

    def damaged(source: VideoSource) -> Iterator[av.Packet]:
        yield from islice(whole(source), 5)
        raise RestillError(f"'{source.info.path}' is damaged: Invalid data")

    monkeypatch.setattr(VideoSource, "other_packets", damaged)
    notes = run(src, tmp_path / "out.mkv", segments=segments)
    assert notes == [f"'{src}' is damaged: Invalid data; sound and other streams of the output end there"]
    assert len(times(tmp_path / "out.mkv")) == COUNT
