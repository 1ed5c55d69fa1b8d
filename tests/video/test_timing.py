"""The times of packets and frames: clocks that start again, run over, jump, slip or are not there."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from small_clips import packets, picture, times, write_clip

from restill.video import probe, read_frames, transcode
from restill.video.timing import JUMP, SLIP, FrameTimes, Timeline, Track

FRAME = Fraction(1, 25)
QUICK = (Phase.explicit, Phase.generate)  # it takes long to make an example smaller
VIDEO, SOUND = 0, 1
BASES = {VIDEO: Fraction(1, 90000), SOUND: Fraction(1, 90000)}


@dataclass
class Packet:
    """What a demuxer gives: seconds in the file, and those on the true clock, which runs through the part."""

    index: int
    dts: Fraction
    duration: Fraction
    part: int


def a_part(number: int, clock: Fraction, length: Fraction, tail: Fraction, lag: Fraction) -> list[Packet]:
    """A part of a recording: 25 frames a second, and sound that ends by ``tail`` later and lies behind in the file."""
    frames = [(n * FRAME, Packet(VIDEO, clock + n * FRAME, FRAME, number)) for n in range(int(length / FRAME))]
    step = Fraction(1024, 44100)  # no whole number of ticks
    sound = [
        (n * step + lag, Packet(SOUND, clock + n * step, step, number)) for n in range(int((length + tail) / step))
    ]
    return [packet for _, packet in sorted(frames + sound, key=lambda one: one[0])]


def placed(parts: list[list[Packet]], **kwargs: object) -> list[tuple[Packet, Fraction]]:
    """Each packet with its time in the output, seconds."""
    line = Timeline(
        {
            VIDEO: Track(BASES[VIDEO], "video", is_picture=True, step=FRAME),
            SOUND: Track(BASES[SOUND], "audio"),
        },
        **kwargs,  # type: ignore[arg-type]
    )
    found = []
    for packet in (packet for part in parts for packet in part):
        base = BASES[packet.index]
        ticks = round(packet.dts / base)
        pts, dts = line.times(line.tracks[packet.index], ticks, ticks, round(packet.duration / base))
        assert pts == dts is not None
        found.append((packet, dts * base))
    return found


seconds = st.fractions(Fraction(3, 2), 3, max_denominator=10)
tails = st.fractions(-Fraction(1, 2), Fraction(1, 2), max_denominator=100)
lags = st.fractions(-Fraction(3, 10), Fraction(3, 10), max_denominator=10)


@settings(max_examples=30, deadline=None, phases=QUICK)
@example(wanted=[(Fraction(0), Fraction(2), Fraction(-3, 50), Fraction(-1, 5))] * 2, may_jump=True, mixed=2)
@example(wanted=[(Fraction(0), Fraction(2), Fraction(2, 5), Fraction(1, 5))] * 2, may_jump=False, mixed=0)
@example(wanted=[(Fraction(0), Fraction(2), Fraction(0), Fraction(1, 5))] * 2, may_jump=True, mixed=2)
@given(
    wanted=st.lists(
        st.tuples(st.fractions(0, 95000, max_denominator=100), seconds, tails, lags), min_size=2, max_size=4
    ),
    may_jump=st.booleans(),
    mixed=st.integers(0, 3),
)
def test_parts_with_clocks_of_their_own_follow_each_other(wanted, may_jump, mixed):
    """The length is the sum of the parts, no frames overlap, and sound and picture stay together."""
    parts, clocks, end = [], [], None
    for number, (clock, length, tail, lag) in enumerate(wanted):
        if end is not None and (clock > end if not may_jump else -1 < clock - end <= JUMP + 1):
            clock = Fraction(0)  # not a clock that anyone could tell was set anew
        parts.append(a_part(number, clock, length, tail, lag))
        clocks.append(clock)
        end = clock + length + max(tail, Fraction(0))
    for before, after in pairwise(parts):
        if before[-1].index != after[0].index:  # a demuxer may give the end of one stream late
            late = min(mixed, len(before) - 1 - max(n for n, p in enumerate(before) if p.index == after[0].index))
            after[1:1], before[len(before) - late :] = before[len(before) - late :], []
    found = placed(parts, start=min(packet.dts for packet in parts[0][:9]), may_jump=may_jump)
    shown = [time for packet, time in found if packet.index == VIDEO]
    assert min(after - before for before, after in pairwise(shown)) >= FRAME / 2
    heard = [time for packet, time in found if packet.index == SOUND]
    assert min(after - before for before, after in pairwise(heard)) >= -SLIP
    lengths = [length + max(tail, Fraction(0)) for _, length, tail, _ in wanted]
    slack = FRAME * len(parts)
    assert sum(length for _, length, *_ in wanted) - slack <= shown[-1] + FRAME <= sum(lengths) + slack
    for number, (clock, part) in enumerate(zip(clocks, parts, strict=True)):
        later = {id(packet) for packet in part if packet.dts >= clock + Fraction(4, 5)}
        shifts = [time - packet.dts for packet, time in found if packet.part == number and id(packet) in later]
        assert max(shifts) - min(shifts) <= sum(BASES.values()), "sound and picture do not stay together"


@settings(max_examples=20, deadline=None, phases=QUICK)
@given(seconds, lags, st.integers(20, 60), st.fractions(-90, -Fraction(1, 5), max_denominator=10))
def test_one_time_that_is_too_early_moves_nothing_after_it(length, lag, where, by):
    part = a_part(0, Fraction(100), length, Fraction(0), lag)
    right = placed([part], start=Fraction(100))
    part[where].dts += by
    wrong = placed([part], start=Fraction(100))
    assert [time for _, time in wrong[:where]] == [time for _, time in right[:where]]
    assert [time for _, time in wrong[where + 1 :]] == [time for _, time in right[where + 1 :]]
    assert abs(wrong[where][1] - right[where][1]) <= Fraction(1, 10)


@pytest.mark.parametrize("may_jump", [False, True])
@pytest.mark.parametrize("by", [Fraction(5), Fraction(3600)])
def test_a_clock_that_is_set_forward(may_jump, by):
    """It is a pause, but in formats whose clock means nothing beyond ten seconds."""
    parts = [a_part(0, Fraction(0), Fraction(3), Fraction(0), Fraction(0))]
    parts.append(a_part(1, 3 + by, Fraction(3), Fraction(0), Fraction(0)))
    shown = [time for packet, time in placed(parts, may_jump=may_jump) if packet.index == VIDEO]
    gap = max(after - before for before, after in pairwise(shown))
    assert abs(gap - FRAME - (0 if may_jump and by > JUMP else by)) <= FRAME


def test_sound_that_pauses_for_long_is_no_jump():
    part = a_part(0, Fraction(0), Fraction(60), Fraction(0), Fraction(0))
    part = [packet for packet in part if packet.index == VIDEO or not 5 < packet.dts < 45]
    assert all(abs(time - packet.dts) < BASES[VIDEO] for packet, time in placed([part], may_jump=True))


def test_packets_without_times_follow_the_one_before():
    track = Track(Fraction(1, 1000), "audio")
    line = Timeline({0: track}, start=Fraction(1))
    assert [line.times(track, *given, 40) for given in ((1000, 1000), (None, None), (None, None), (1120, 1120))] == [
        (0, 0),
        (None, 40),
        (None, 80),
        (120, 120),
    ]


def test_frames_whose_times_are_in_the_order_of_decoding_take_those_of_decoding():
    frames = FrameTimes(10)
    given = [(0, 20), (30, 30), (20, 40), (40, 50), (10, 60), (60, 70), (50, 80), (70, None), (80, None)]
    assert [frames.time(pts, dts, 10) for pts, dts in given] == [0, 30, 40, 50, 60, 70, 80, 90, 100]


def test_two_frames_at_one_time_are_shown_half_a_frame_apart():
    frames = FrameTimes(10)
    assert [frames.time(time, time, 10) for time in (0, 10, 10, 30)] == [0, 10, 15, 30]


def test_frames_without_times_of_presentation():
    frames = FrameTimes(3)
    assert [frames.time(None, dts, 0) for dts in (None, None, 7, 10, None)] == [0, 3, 7, 10, 13]
    assert [frames.time(None, None, 2) for _ in range(3)] == [16, 18, 20]  # a frame may say how long it is shown


@given(st.lists(st.tuples(st.none() | st.integers(0, 99), st.none() | st.integers(0, 99)), max_size=40))
def test_frames_never_overlap(given):
    frames = FrameTimes(4)
    shown = [frames.time(pts, dts, 4) for pts, dts in given]
    assert all(after > before for before, after in pairwise(shown))


def same(frames):
    """A process that changes nothing."""
    return frames


def a_recording(path: Path, length: int = 50, options: dict[str, str] | None = None, late: float = 0.0) -> Path:
    """A recording with sound, which begins ``late`` (seconds): frames of a second in one group of pictures."""
    codec, sound = ("mpeg2video", "mp2") if path.suffix in (".mpg", ".vob") else ("libx264", "aac")
    with av.open(str(path), "w", container_options=options or {}) as container:
        video = container.add_stream(codec, rate=25, options={"bf": "2", "g": "25"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream(sound, rate=48000)
        heard, step = round(late * 48000), 1152 if sound == "mp2" else 1024
        for number in range(length):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture(number, 64, 48), format="rgb24")))
            while heard < (number + 1) * 1920:
                wave = np.sin(np.arange(heard, heard + step) / 20)
                form = "s16" if sound == "mp2" else "fltp"
                values = (wave[None].repeat(2, 0)).astype(np.float32)
                if form == "s16":
                    values = (values.T.reshape(1, -1) * 9000).astype(np.int16)
                chunk = av.AudioFrame.from_ndarray(np.ascontiguousarray(values), format=form, layout="stereo")
                chunk.sample_rate, chunk.pts, chunk.time_base = 48000, heard, Fraction(1, 48000)
                container.mux(audio.encode(chunk))
                heard += step
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


def gaps(shown: list[Fraction]) -> list[float]:
    """The distances of frames."""
    return [float(after - before) for before, after in pairwise(shown)]


def offset(path: Path) -> float:
    """By how much the last packet of sound is later than the last frame."""
    return float(packets(path, "audio")[-1][0] - times(path)[-1])


def joined(path: Path, one: Path) -> Path:
    """A recording twice, as ``cat`` joins it; FLV without its header the second time."""
    data = one.read_bytes()
    path.write_bytes(data + (data[13:] if path.suffix == ".flv" else data))
    return path


@pytest.mark.parametrize("suffix", [".ts", ".mpg", ".flv"])
@pytest.mark.parametrize("to", [".mkv", ".mp4"])
def test_joined_recordings_are_as_long_as_their_parts(tmp_path, suffix, to):
    one = a_recording(tmp_path / f"one{suffix}")
    src = joined(tmp_path / f"two{suffix}", one)
    out, single = tmp_path / f"out{to}", tmp_path / f"single{to}"
    assert transcode(src, out, same).frames == 100
    transcode(one, single, same)
    shown = times(out)
    assert shown[0] == times(single)[0]
    assert float(shown[-1] - shown[0] + FRAME) == pytest.approx(4, abs=0.041)
    assert 0.02 <= min(gaps(shown)) <= max(gaps(shown)) <= 0.081
    assert offset(out) == pytest.approx(offset(single), abs=0.002)
    assert [data for *_, data in packets(out, "audio")] == 2 * [data for *_, data in packets(single, "audio")]
    with av.open(str(out)) as container:
        assert len(container.streams) == 2
    assert sum(1 for _ in read_frames(src)) == 100


@pytest.mark.parametrize("to", [".mkv", ".mp4"])
def test_a_clock_that_runs_over_soon_after_the_start(tmp_path, to):
    plain = a_recording(tmp_path / "plain.ts")
    src = a_recording(tmp_path / "in.ts", options={"output_ts_offset": "95441.5"})  # 2 ** 33 / 90000 is 95443.7
    outs = [tmp_path / f"{path.stem}-out{to}" for path in (plain, src)]
    for path, out in zip((plain, src), outs, strict=True):
        transcode(path, out, same)
    assert times(outs[0]) == times(outs[1])
    assert 0 <= times(outs[1])[0] < FRAME * 2
    assert packets(outs[0], "audio") == packets(outs[1], "audio")


@pytest.mark.parametrize("to", [".mkv", ".mp4"])
def test_a_picture_that_begins_before_zero(tmp_path, to):
    src = tmp_path / "in.mkv"
    with av.open(str(src), "w", container_options={"avoid_negative_ts": "disabled"}) as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(picture(number, 64, 48), format="rgb24")
            frame.pts, frame.time_base = number - 5, FRAME
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    assert times(src)[0] < 0, "the clip is not what it should be"
    transcode(src, tmp_path / f"out{to}", same)
    assert times(tmp_path / f"out{to}") == [number * FRAME for number in range(10)]


@pytest.mark.parametrize(("codec", "reordered", "held"), [("libx264", "2", 2), ("libx264", "0", 0), ("mpeg4", "2", 1)])
def test_avi_stores_only_when_frames_are_decoded(tmp_path, codec, reordered, held):
    """The times are those of ffmpeg: later by the frames that are held for their order."""
    src = tmp_path / "in.avi"
    with av.open(str(src), "w") as container:
        video = container.add_stream(codec, rate=25, options={"bf": reordered})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in range(30):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture(number, 64, 48), format="rgb24")))
        container.mux(video.encode(None))
    transcode(src, tmp_path / "out.mkv", same)
    assert times(tmp_path / "out.mkv") == [(number + held) * FRAME for number in range(30)]


def test_raw_dv_has_a_rate(tmp_path):
    src = tmp_path / "in.dv"
    write_clip(src, codec="dvvideo", width=720, height=576, pts=range(3))
    assert probe(src).fps == 25
    transcode(src, tmp_path / "out.mp4", same)
    assert gaps(times(tmp_path / "out.mp4")) == pytest.approx([0.04] * 2)


def cut(src: Path, dst: Path, first: int) -> Path:
    """A transport stream without what comes before a packet of the picture."""
    with av.open(str(src)) as container:
        (where,) = [packet.pos for n, packet in enumerate(container.demux(video=0)) if n == first]
    dst.write_bytes(src.read_bytes()[where // 188 * 188 :])
    return dst


def test_a_first_key_frame_that_comes_late(tmp_path):
    whole = tmp_path / "whole.ts"
    with av.open(str(whole), "w") as container:
        video = container.add_stream("libx264", rate=5, options={"g": "60", "sc_threshold": "0", "bf": "0"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in range(70):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture(number, 64, 48), format="rgb24")))
        container.mux(video.encode(None))
    src = cut(whole, tmp_path / "late.ts", 3)
    assert (probe(src).width, probe(src).height) == (64, 48)
    assert transcode(src, tmp_path / "out.mkv", same).frames == 10


@pytest.mark.parametrize("suffix", [".ts", ".mpg", ".flv", ".mkv", ".mp4"])
def test_sound_that_begins_late_stays_late(tmp_path, suffix):
    late = 8 if suffix in (".ts", ".mpg") else 1  # seconds; later than FFmpeg looks by itself
    src = a_recording(tmp_path / f"in{suffix}", length=25 * late + 20, late=late)
    transcode(src, tmp_path / "out.mkv", same)
    began = packets(tmp_path / "out.mkv", "audio")[0][0] - times(tmp_path / "out.mkv")[0]
    assert float(began) == pytest.approx(late, abs=0.06)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg command, to compare with, is not installed")
@pytest.mark.parametrize("name", ["joined.ts", "joined.mpg", "over.ts", "late.ts", "late.mpg", "late.mp4", "order.avi"])
def test_times_are_those_of_the_ffmpeg_command(tmp_path, name):
    """Length, gaps, and the offset of sound from picture, within a frame."""
    src, suffix = tmp_path / name, Path(name).suffix
    if name.startswith("joined"):
        joined(src, a_recording(tmp_path / f"one{suffix}"))
    elif name.startswith("over"):
        a_recording(src, options={"output_ts_offset": "95441.5"})
    elif name.startswith("late"):
        a_recording(src, length=75, late=2)
    else:
        write_clip(src, pts=range(30), audio="libmp3lame")
    ours, theirs = tmp_path / "ours.mkv", tmp_path / "theirs.mkv"
    transcode(src, ours, same)
    command = ["ffmpeg", "-v", "fatal", "-i", src, "-fps_mode", "passthrough", "-c:v", "mpeg4", "-c:a", "copy", theirs]
    subprocess.run(command, check=True)
    mine, wanted = times(ours), times(theirs)
    assert len(mine) == len(wanted)
    assert float(mine[-1] - mine[0]) == pytest.approx(float(wanted[-1] - wanted[0]), abs=0.041)
    assert min(gaps(mine)) >= min(0.02, min(gaps(wanted)))
    assert max(gaps(mine)) <= max(gaps(wanted)) + 0.041
    assert offset(ours) == pytest.approx(offset(theirs), abs=0.041)
    sound = [packets(path, "audio")[0][0] - shown[0] for path, shown in ((ours, mine), (theirs, wanted))]
    assert float(sound[0]) == pytest.approx(float(sound[1]), abs=0.041)
