"""A moment of a source: exactly its frames, wherever it starts, and the context that a network needs."""

from __future__ import annotations

from collections import deque
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from small_clips import picture, write_clip

from restill.errors import RestillError
from restill.video import EncodeSettings, read_frames, transcode
from restill.video.decode import VideoSource, open_source
from restill.video.moment import Moment, MomentSource, parse_moment


def clip_of(path: Path, frames: int = 100) -> Path:
    """A clip with a key frame each second, B-frames, and uneven times where the format has times."""
    unit = Fraction(1, 25) if path.suffix == ".avi" else Fraction(1, 1000)
    codec = {".avi": "mpeg4", ".webm": "libvpx-vp9"}.get(path.suffix, "libx264")
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=25, options={"g": "25", "preset": "veryfast", "cpu-used": "8"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.time_base = video.codec_context.time_base = unit
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number, 64, 48), format="rgb24")
            frame.pts, frame.time_base = number if path.suffix == ".avi" else 40 * number + number % 7, unit
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def shown(frames):
    return [(frame.tobytes(), ticket.pts) for frame, ticket in frames]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi", ".webm"])
def test_seeking_gives_the_same_frames(tmp_path, suffix):
    clip = clip_of(tmp_path / f"in{suffix}")
    with closing(VideoSource(clip)) as source:
        every = shown(source.frames())
    for number in (0, 1, 50, 70, 99):
        time = every[number][1]
        with closing(VideoSource(clip)) as source:
            found = shown(source.frames_from(time))
        assert found[0][1] <= time
        assert found == every[-len(found) :]
        if number == 99:
            assert len(found) < len(every)  # it did seek


def test_a_moment_has_the_frames_of_its_time(tmp_path):
    clip = clip_of(tmp_path / "in.mp4")
    with closing(VideoSource(clip)) as source:
        every = [(frame, ticket.pts * source.info.time_base) for frame, ticket in source.frames()]
    with closing(open_source(clip, moment=Moment(2.5, 1.2))) as source:
        assert isinstance(source, MomentSource)
        found = [(frame, ticket.pts * source.info.time_base) for frame, ticket in source.frames()]
        assert abs(len(found) - (source.info.frames or 0)) <= 2
    expected = [(frame, time) for frame, time in every if 2.5 <= time < 3.7]
    assert all((a == b).all() for (a, _), (b, _) in zip(expected, found, strict=True))
    assert [time for _, time in found] == [time - expected[0][1] for _, time in expected]


def median(frames):
    """A process that reads one frame ahead and one behind."""
    ring = deque(maxlen=3)
    for frame in frames:
        ring.extend([frame] if ring else [frame, frame])
        if len(ring) == 3:
            yield np.median(ring, axis=0).astype(np.uint8)
    ring.append(ring[-1])
    yield np.median(ring, axis=0).astype(np.uint8)


@pytest.mark.parametrize("start", [0, 1.0, 3.6])
def test_the_frames_around_a_moment_are_context(tmp_path, start):
    clip = clip_of(tmp_path / "in.mp4")
    whole = list(median(read_frames(clip)))
    with closing(VideoSource(clip)) as source:
        times = [float((ticket.pts - source.start) * source.info.time_base) for _, ticket in source.frames()]
    with closing(open_source(clip, moment=Moment(start, 0.5))) as source:
        source.context = (1, 1)
        transcode(source, tmp_path / "out.mkv", source.within(median), EncodeSettings(codec="ffv1"))
    expected = [frame for frame, time in zip(whole, times, strict=True) if start <= time < start + 0.5]
    found = list(read_frames(tmp_path / "out.mkv"))
    assert len(found) == len(expected) > 5
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(expected, found, strict=True)) < 2  # of the color


def test_a_moment_is_stored_upright(tmp_path):
    clip = write_clip(tmp_path / "in.mp4", matrix=(0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30))
    with closing(open_source(clip, moment=Moment(0.1, 0.2))) as source:
        transcode(source, tmp_path / "out.mkv", lambda frames: frames, EncodeSettings(codec="ffv1"))
    with closing(open_source(tmp_path / "out.mkv")) as source:
        assert (source.info.rotation, source.info.height, source.info.width) == (0, 64, 48)
    assert np.abs(list(read_frames(clip))[3].astype(int) - next(read_frames(tmp_path / "out.mkv"))).mean() < 2


def test_a_moment_of_a_folder(tmp_path):
    transcode(clip_of(tmp_path / "in.mp4", 60), tmp_path / "frames", lambda frames: frames)
    every = list(read_frames(tmp_path / "frames"))
    with closing(open_source(tmp_path / "frames", moment=Moment(1, 0.4))) as source:
        source.context = (1, 1)
        found = [frame for frame, _ in source.frames()]
    assert all((a == b).all() for a, b in zip(every[25:35], found, strict=True))


@pytest.mark.parametrize("text", ["3@1:23", "1:23", "3s", "3s@", "s@1", "3s@-1", "-3s@1", "3s@a", "", "0s@1"])
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(RestillError, match=r"moment"):
        parse_moment(text)


def test_a_moment_outside_is_refused(tmp_path):
    clip = clip_of(tmp_path / "in.mp4", 30)
    with pytest.raises(RestillError, match=r"the moment 3s@1:23\.0 is not in '.*in\.mp4', which has 1\.\d seconds"):
        open_source(clip, moment=parse_moment("3s@1:23"))
    transcode(clip, tmp_path / "frames", lambda frames: frames)
    with pytest.raises(RestillError, match="is one picture; only clips have moments"):
        open_source(tmp_path / "frames" / "000001.png", moment=Moment(0, 1))
