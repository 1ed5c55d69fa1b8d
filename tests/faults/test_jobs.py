"""Interrupted jobs that resume, with real signals in real processes. ``make faults`` runs the long version."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from processes import content, ended, killed, long_clip, traces

from restill import restore
from restill.errors import RestillError
from restill.video import probe, segments, transcode
from restill.video.fingerprint import input_fingerprint
from restill.video.journal import Journal, ResumableJob, journal_folder, open_journal
from restill.video.seeking import read_index
from restill.video.segments import check_segments, read_segment, segment_frames
from restill.video.unfinished import remove_job, unfinished_jobs

SETTINGS = ["--model", "rill-s", "--backend", "onnxruntime", "--threads", "1", "--quiet"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return long_clip(tmp_path_factory.mktemp("clip") / "in.mkv", frames=620)


@pytest.fixture
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "FRAMES", 24)


class Cut(BaseException):
    """Stops a job inside the test process."""


def darker(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """A restoration that uses one frame of context: half of a frame plus a quarter of the one before."""
    before = None
    for frame in frames:
        yield (frame // 2 + (frame if before is None else before) // 4).astype(frame.dtype)
        before = frame


def parts_of(dst: Path) -> list[Path]:
    """The parts that a job has written so far."""
    return sorted(journal_folder(dst).glob("*.part"))


def cut_at(number: int, dst: Path) -> Callable[[], None]:
    """An ``on_frame`` that stops the job after ``number`` frames, once their parts are written."""
    seen, done = 0, len(parts_of(dst))

    def on_frame() -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            while len(parts_of(dst)) < done + number // segments.FRAMES:  # the encoder is a few frames behind
                time.sleep(0.01)
            raise Cut

    return on_frame


def run(src: Path, dst: Path, on_frame: Callable[[], None] | None = None, what: str = "same") -> int:
    """Transcodes with a journal and returns how many frames were done before."""
    with open_journal(dst, {"input": what}) as found:
        done = check_segments(found, probe(src))
        found.choose({"by": "test"})
        index = read_index(src)
        key = index.before(done.frames - 2) if index and done.frames else None
        transcode(src, dst, darker, job=ResumableJob(found, done.frames, 1, key, done.last), on_frame=on_frame)
        found.remove()
    return done.frames


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ""])
@pytest.mark.usefixtures("short_segments")
def test_a_job_that_was_cut_off_gives_what_it_would_have_given(clip, tmp_path, suffix):
    whole, resumed = tmp_path / f"whole{suffix}", tmp_path / f"resumed{suffix}"
    run(clip, whole)
    begun = []
    for frames in (40, 60, 30):
        with pytest.raises(Cut):
            begun.append(run(clip, resumed, cut_at(frames, resumed)))
        assert not resumed.exists()
        assert traces(tmp_path) == [f"resumed{suffix}.restill"]
    done = run(clip, resumed)
    assert done % 24 == 0
    assert 24 <= done < 130
    assert content(resumed) == content(whole)
    if suffix:
        assert content(resumed).times == content(clip).times
    if suffix == ".mkv":  # other containers have other time units for sound
        assert content(resumed).others == content(clip).others
    assert traces(tmp_path) == []


@pytest.mark.usefixtures("short_segments")
def test_a_clock_that_starts_again_makes_no_difference_to_a_job(tmp_path):
    one, src = long_clip(tmp_path / "one.ts", frames=40), tmp_path / "two.ts"
    src.write_bytes(2 * one.read_bytes())
    plain, whole, resumed = (tmp_path / f"{name}.mkv" for name in ("plain", "whole", "resumed"))
    transcode(src, plain, darker)
    run(src, whole)
    with pytest.raises(Cut):
        run(src, resumed, cut_at(60, resumed))
    assert run(src, resumed) >= 24
    assert content(resumed) == content(whole)
    assert (content(whole).times, content(whole).others) == (content(plain).times, content(plain).others)
    assert len(content(whole).times) == 80
    assert content(whole).times[-1] > 75 * 40, "the second part does not follow the first"


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "av1", "prores", "ffv1"])
@pytest.mark.usefixtures("short_segments")
def test_segments_of_every_codec_can_be_joined(tmp_path, codec):
    from restill.video import EncodeSettings

    src = long_clip(tmp_path / "in.mkv", frames=60)
    plain, parts = tmp_path / "plain.mkv", tmp_path / "parts.mkv"
    settings = EncodeSettings(codec=codec, preset="superfast")
    transcode(src, plain, darker, settings)
    with open_journal(parts, {}) as found:
        transcode(src, parts, darker, settings, job=ResumableJob(found, 0, 1))
    assert content(parts).times == content(plain).times == content(src).times
    assert content(parts).others == content(src).others
    if codec == "ffv1":
        assert content(parts) == content(plain)


def test_killed_and_interrupted_processes(clip, tmp_path):
    whole, resumed = tmp_path / "whole.mp4", tmp_path / "resumed.mp4"
    assert ended(["derain", str(clip), "-o", str(whole), *SETTINGS]).returncode == 0
    command = ["derain", str(clip), "-o", str(resumed), *SETTINGS]
    for parts, how in ((1, signal.SIGKILL), (2, signal.SIGINT)):
        killed(command, lambda parts=parts: len(parts_of(resumed)) >= parts, how)
    assert ended([*command, *(["--overwrite"] if resumed.exists() else [])]).returncode == 0
    assert content(resumed) == content(whole)
    assert traces(tmp_path) == []


@pytest.mark.usefixtures("short_segments")
def test_what_changed_begins_anew_and_is_named(clip, tmp_path):
    dst = tmp_path / "out.mkv"
    with pytest.raises(Cut):
        run(clip, dst, cut_at(60, dst))
    with open_journal(dst, {"input": "another"}) as found:
        assert found.restart_reason == "input changed since"
        assert check_segments(found, probe(clip)).frames == 0
    assert traces(tmp_path) == []


@pytest.mark.usefixtures("short_segments")
def test_a_damaged_part_is_made_again(clip, tmp_path):
    dst, whole = tmp_path / "out.mkv", tmp_path / "whole.mkv"
    run(clip, whole)
    for damage in ("flip", "cut", "empty"):
        dst.unlink(missing_ok=True)
        with pytest.raises(Cut):
            run(clip, dst, cut_at(100, dst))
        parts = parts_of(dst)
        assert len(parts) == 4
        data = bytearray(parts[1].read_bytes())
        data[len(data) // 2] ^= 1
        parts[1].write_bytes({"flip": data, "cut": data[:-9], "empty": b""}[damage])
        assert run(clip, dst) == 24
        assert content(dst) == content(whole)


@pytest.mark.usefixtures("short_segments")
def test_only_one_at_a_time(clip, tmp_path):
    dst, inside, go = tmp_path / "out.mkv", threading.Event(), threading.Event()

    def wait() -> None:
        inside.set()
        go.wait()

    first = threading.Thread(target=run, args=(clip, dst, wait))
    first.start()
    assert inside.wait()
    with pytest.raises(RestillError, match="is being made by another restill"):
        run(clip, dst)
    [job] = unfinished_jobs([tmp_path])
    assert job.running
    with pytest.raises(RestillError, match="is being made now"):
        remove_job(job)
    go.set()
    first.join()
    assert content(dst).times == content(clip).times


@pytest.mark.usefixtures("short_segments")
def test_what_is_left_is_listed_and_cleared(clip, tmp_path):
    dst = tmp_path / "deep" / "out.mkv"
    dst.parent.mkdir()
    with pytest.raises(Cut):
        run(clip, dst, cut_at(60, dst))
    (tmp_path / "mine.restill").mkdir()  # a folder that is not Restill's
    [job] = unfinished_jobs([tmp_path])
    assert (job.output, job.parts, job.running) == (dst, 2, False)
    assert job.bytes > 1000
    remove_job(job)
    assert unfinished_jobs([tmp_path]) == []
    assert (tmp_path / "mine.restill").is_dir()


def test_nothing_is_left_where_nothing_was_done(clip, tmp_path):
    with pytest.raises(Cut):
        run(clip, tmp_path / "out.mkv", cut_at(3, tmp_path / "out.mkv"))
    assert traces(tmp_path) == []


def test_a_folder_that_is_in_the_way_stays(clip, tmp_path):
    mine = tmp_path / "out.mkv.restill"
    mine.mkdir()
    (mine / "letter.txt").write_text("dear")
    with pytest.raises(RestillError, match=r"out\.mkv\.restill' is in the way"):
        run(clip, tmp_path / "out.mkv")
    assert (mine / "letter.txt").read_text() == "dear"


@pytest.mark.usefixtures("short_segments")
def test_a_full_disk_keeps_what_is_done(clip, tmp_path, monkeypatch):
    dst, kept = tmp_path / "out.mkv", segments.Writer.write
    written = 0

    def write(self, packet) -> None:
        nonlocal written
        written += 1
        if written > 70:
            raise OSError(28, "No space left on device")
        kept(self, packet)

    monkeypatch.setattr(segments.Writer, "write", write)
    with pytest.raises(
        RestillError, match="No space left on device; the finished part is kept: run the same command again"
    ):
        run(clip, dst)
    monkeypatch.undo()
    monkeypatch.setattr(segments, "FRAMES", 24)
    assert run(clip, dst) == 48
    assert content(dst).times == content(clip).times


@pytest.mark.usefixtures("short_segments")
def test_a_disk_that_is_really_full(clip, tmp_path):
    """Uses a small file system in memory. Without the right to mount one, only the test above runs."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here (it takes root)")
    try:
        dst = disk / "out.mkv"
        with pytest.raises(
            RestillError, match="No space left on device; the finished part is kept: run the same command"
        ):
            run(clip, dst)
        kept = len(list(journal_folder(dst).glob("*.part")))
        assert kept >= 1
        assert not dst.exists()
        subprocess.run(["mount", "-o", "remount,size=9m", disk], check=True)
        assert run(clip, dst) == 24 * kept
        assert content(dst).times == content(clip).times
    finally:
        subprocess.run(["umount", disk], check=True)


def test_the_input_by_another_name_is_the_input(clip, tmp_path):
    src = tmp_path / "in.mkv"
    src.write_bytes(clip.read_bytes())
    (tmp_path / "hard.mkv").hardlink_to(src)
    (tmp_path / "soft.mkv").symlink_to(src)
    for name in ("in.mkv", "hard.mkv", "soft.mkv"):
        with pytest.raises(RestillError, match="is the input itself"):
            transcode(src, tmp_path / name, darker, overwrite=True)
    assert src.read_bytes() == clip.read_bytes()


def test_what_comes_under_the_outputs_name_meanwhile_stays(clip, tmp_path):
    dst = tmp_path / "out.mkv"
    with pytest.raises(RestillError, match="exists already"):
        transcode(clip, dst, darker, on_frame=lambda: dst.write_text("mine"))
    assert dst.read_text() == "mine"


def test_names_as_long_as_they_can_be(clip, tmp_path):
    dst = tmp_path / ("ä" * 125 + "x.mkv")  # 255 bytes
    run(clip, dst)
    assert content(dst).times == content(clip).times
    assert [path.name for path in tmp_path.iterdir()] == [dst.name]


def test_larger_frames_have_shorter_segments():
    sizes = ((48, 64), (720, 1280), (1080, 1920), (4320, 7680))
    assert [segment_frames(*size) for size in sizes] == [240, 240, 106, 24]
    assert [segment_frames(*size, 0) for size in sizes] == [48, 48, 48, 24]  # the first segment is short


def test_options_and_models_are_told_apart(clip, tmp_path, monkeypatch):
    """The journal of a restoration holds the input, the model, and the options."""
    seen = []
    real = Journal.__init__

    def spy(self, output, what) -> None:
        seen.append(what)
        real(self, output, what)

    monkeypatch.setattr(Journal, "__init__", spy)
    for options in ({}, {"tile": 64}, {"compare": "side"}):
        restore(clip, tmp_path / f"{len(seen)}.mkv", "rill-s", backend="onnxruntime", quiet=True, **options)
    first, tiled, side = seen
    assert {key for key in first if first[key] != tiled[key]} == {"options"}
    assert {key for key in first if first[key] != side[key]} == {"options"}
    clip.touch()
    assert input_fingerprint(clip) != first["input"]


def test_a_segment_says_how_many_frames_it_holds(tmp_path, clip, monkeypatch):
    monkeypatch.setattr(segments, "FRAMES", 24)
    dst = tmp_path / "out.mkv"
    with pytest.raises(Cut):
        run(clip, dst, cut_at(60, dst))
    *packets, head = read_segment(journal_folder(dst) / "000000.part")
    assert (head.frames, head.height, head.width, head.deep) == (24, 64, 96, False)
    assert len(packets) == 24
    assert packets[0].is_keyframe
