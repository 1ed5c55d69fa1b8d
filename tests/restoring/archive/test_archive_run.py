"""Many inputs at a time: every item ends exactly once, whatever dies meanwhile."""

from __future__ import annotations

import csv
import gc
import os
import signal
import sqlite3
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from restill import restore
from restill.cli import main
from restill.datasets.synthetic import synthetic_clip
from restill.errors import RestillError
from restill.restoring.archive import run as archive
from restill.restoring.archive.items import RECORD, Item
from restill.restoring.archive.record import DONE, FAILED, Result, Totals, open_record
from restill.restoring.archive.run import restore_archive, verdict
from restill.restoring.archive.work import Order, begin_item, failure, restore_item
from restill.restoring.shares import Share
from restill.video import EncodeSettings, read_frames
from restill.video.segments import segment_start

ITEMS = int(os.environ.get("RESTILL_ITEMS", "20"))  # of the run in which processes are killed


def write_clips(folder: Path, count: int, frames: int = 6) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"c{number}.mp4" for number in range(count)]
    for seed, path in enumerate(paths):
        with av.open(str(path), "w") as output:
            stream = output.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            for frame in synthetic_clip(seed, frames, (64, 96)):
                output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            output.mux(stream.encode())
    return paths


def write_long(path: Path, frames: int) -> Path:
    """A long clip of a pattern that moves."""
    wide = np.random.default_rng(1).integers(0, 256, (64, 96 + 200, 3), np.uint8)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"preset": "veryfast", "g": "50"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(frames):
            picture = np.ascontiguousarray(wide[:, number % 200 : number % 200 + 96])
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode())
    return path


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "restill", "derain", *map(str, words), "--model", "min-median", "--quiet"]


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), capture_output=True, text=True, timeout=300, check=False)


def same(a: Path, b: Path) -> bool:
    pairs = zip(read_frames(a), read_frames(b), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def ended(folder: Path) -> Counter[str]:
    """How often each item was recorded as done."""
    with closing(sqlite3.connect(folder / RECORD)) as data:
        return Counter(name for (name,) in data.execute("SELECT id FROM events WHERE status = ?", [DONE]))


def test_several_at_a_time_are_as_one_by_one(tmp_path):
    clips = write_clips(tmp_path / "in", 3)
    (tmp_path / "in" / "bad.mp4").write_text("no video")
    done = run(f"{tmp_path}/in/*.mp4", "-o", tmp_path / "out", "--jobs", 2, "--results", tmp_path / "r.csv")
    assert done.returncode == 1, done.stderr
    assert "1 of 4 items failed" in done.stderr
    assert "bad.mp4' cannot be read as a video" in done.stderr
    table = rows(tmp_path / "r.csv")
    assert [row["status"] for row in table] == [FAILED, DONE, DONE, DONE]
    assert {row["student"] for row in table[1:]} == {"min-median"}
    assert all(row["frames"] == "6" and len(row["checksum"]) == 64 for row in table[1:])
    for clip in clips:
        alone = tmp_path / f"alone-{clip.name}"
        assert run(clip, "-o", alone).returncode == 0
        assert same(alone, tmp_path / "out" / clip.name)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.mp4")}
    (tmp_path / "in" / "bad.mp4").unlink()
    again = run(*clips, "-o", tmp_path / "out", "--jobs", 2)
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before  # nothing is done twice
    other = run(*clips, "-o", tmp_path / "out", "--jobs", 2, "--strength", 0.5)
    assert other.returncode == 1
    assert "c0.mp4' exists and was made with other settings; name another folder" in other.stderr
    again = run(*clips, "-o", tmp_path / "out", "--jobs", 2)  # the record of the first settings is left alone
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before


def descendants(process: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == process:
            found += [int(path.parent.name), *descendants(int(path.parent.name))]
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the workers in /proc")
@pytest.mark.parametrize("engine", [(), ("--cluster", "local")], ids=["processes", "ray"])
def test_whatever_dies_each_item_ends_once(tmp_path, engine):
    """Kill workers, the driver and the whole tree at random; the same command goes on."""
    if engine:
        pytest.importorskip("ray", reason="Ray is not installed")
    clips, rng = write_clips(tmp_path / "in", ITEMS, frames=30), np.random.default_rng(1)
    clips += [
        write_long(tmp_path / "in" / f"long{number}.mp4", frames=segment_start(64, 96, 35)) for number in range(2)
    ]
    words = [f"{tmp_path}/in/*.mp4", "-o", tmp_path / "out", "--jobs", 2, "--retries", 20, *engine]
    kills, most = 0, 8 + ITEMS // 50
    for _ in range(most + 2):
        child = subprocess.Popen(command(*words), stderr=subprocess.PIPE, text=True)
        try:
            while child.poll() is None and kills < most:
                time.sleep(rng.uniform(1, 4) * (3 if engine else 1))
                victims = descendants(child.pid)
                kind = rng.choice(["worker", "driver", "tree"])
                chosen = [int(rng.choice(victims))] if kind == "worker" and victims else [child.pid]
                for pid in chosen + (victims if kind == "tree" else []):
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        continue
                kills += 1
            _, said = child.communicate(timeout=3000)
        finally:
            child.kill()
        if child.returncode == 0:
            break
    assert child.returncode == 0, said
    assert kills
    assert set(ended(tmp_path / "out").values()) == {1}
    assert len(ended(tmp_path / "out")) == len(clips)
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert left == sorted([*(clip.name for clip in clips), RECORD])
    for clip in clips:
        alone = restore(clip, tmp_path / f"alone-{clip.name}", "min-median", quiet=True).output
        assert same(alone, tmp_path / "out" / clip.name)


def test_a_long_video_is_shared_out(tmp_path):
    clips = [write_long(tmp_path / "long.mp4", frames=700), *write_clips(tmp_path / "in", 2)]
    given = [Item(clip.name, str(clip), str(tmp_path / "out" / clip.name)) for clip in clips]
    order, record = Order("min-median", {"settings": EncodeSettings()}), tmp_path / "out" / RECORD
    totals = restore_archive(given, order, record, jobs=2, segments=1, quiet=True)
    assert totals == Totals(3, 3, 712, 0, ())
    with closing(sqlite3.connect(record)) as data:
        assert data.execute("SELECT count(*) FROM events WHERE id = 'long.mp4'").fetchone() == (2,)  # begun, done
    for clip in clips:
        whole = restore(clip, tmp_path / f"alone-{clip.name}", "min-median", quiet=True)
        assert same(whole.output, tmp_path / "out" / clip.name)
    assert sorted(path.name for path in record.parent.iterdir()) == sorted([RECORD, *(clip.name for clip in clips)])


class Here:
    """An engine that works at once, with what a test gives it."""

    slots = 2

    def __init__(self, work) -> None:
        self.work, self.handed = work, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def submit(self, work, item, *more):
        from concurrent.futures import Future

        future: Future = Future()
        try:
            future.set_result(self.work(item))
        except Exception as error:
            future.set_exception(error)
        return future


class InShares(Here):
    """An engine in which every item has three shares."""

    def submit(self, work, item, *more):
        return (
            super().submit(work, item)
            if work is not begin_item
            else finished([Share(range(n, n + 1)) for n in range(3)])
        )


def finished(outcome):
    from concurrent.futures import Future

    future: Future = Future()
    future.set_result(outcome)
    return future


@pytest.mark.parametrize("again", [False, True])
def test_an_item_of_which_a_share_fails_fails_once(tmp_path, monkeypatch, again):
    tried: Counter[str] = Counter()

    def sometimes(item: Item) -> Result:
        tried[item.id] += 1
        if item.id == "i0" and tried[item.id] > 1:  # its second share
            return failure(item, "damaged" if not again else "the disk is full", again=again)
        return fine(item)

    monkeypatch.setattr(archive, "processes", lambda jobs, order: InShares(sometimes))
    totals = restore_archive(items(2, tmp_path), Order(None), tmp_path / RECORD, retries=1, quiet=True)
    assert totals == Totals(2, 1, 1, int(again), ("i0",))
    assert tried["i1"] == 4  # three shares, and the join
    with closing(sqlite3.connect(tmp_path / RECORD)) as data:
        ends = data.execute("SELECT id, status FROM events WHERE status != 'begun'").fetchall()
    assert sorted(ends) == [("i0", FAILED), ("i1", DONE)]


@pytest.fixture
def work(monkeypatch):
    """Sets the work of the engine."""

    def give(function) -> None:
        monkeypatch.setattr(archive, "processes", lambda jobs, order: Here(function))

    return give


def items(count: int, folder: Path) -> list[Item]:
    return [Item(f"i{n}", f"i{n}.mp4", str(folder / f"i{n}.mp4")) for n in range(count)]


def recorded(folder: Path) -> list[Result]:
    with open_record(folder / RECORD, settings()) as record:
        return list(record.results())


def fine(item: Item) -> Result:
    Path(item.output).write_text(item.id)
    return Result(item.id, item.source, item.output, DONE, 1, 0.1)


def test_faults_of_the_machine_are_tried_again_and_those_of_the_input_are_not(tmp_path, work):
    tried: Counter[str] = Counter()

    def sometimes(item: Item) -> Result:
        tried[item.id] += 1
        if item.id == "i0":
            return failure(item, "not a video", again=False)
        if item.id == "i1":
            return failure(item, "the disk is full", again=True)
        if item.id == "i2" and tried[item.id] < 3:
            raise OSError("the worker was killed")
        return fine(item)

    work(sometimes)
    totals = restore_archive(items(4, tmp_path), Order(None), tmp_path / RECORD, retries=2, quiet=True)
    results = recorded(tmp_path)
    assert tried == {"i0": 1, "i1": 3, "i2": 3, "i3": 1}
    assert [result.status for result in results] == [FAILED, FAILED, DONE, DONE]
    assert [result.attempts for result in results] == [1, 3, 3, 1]
    with pytest.raises(RestillError, match="2 of 4 items failed") as caught:
        verdict(totals)
    assert type(caught.value).__name__ == "TryAgain"  # one of them may succeed later
    with pytest.raises(RestillError) as caught:
        verdict(replace(totals, again=0))
    assert type(caught.value) is RestillError


def test_an_output_that_was_there_before_is_not_replaced(tmp_path, work):
    work(fine)
    (tmp_path / "i0.mp4").write_text("mine")
    restore_archive(items(2, tmp_path), Order(None), tmp_path / RECORD, quiet=True)
    first = recorded(tmp_path)
    assert [result.status for result in first] == [FAILED, DONE]
    assert "exists" in first[0].error
    assert (tmp_path / "i0.mp4").read_text() == "mine"
    restore_archive(items(2, tmp_path), Order(None), tmp_path / RECORD, overwrite=True, quiet=True)
    assert (tmp_path / "i0.mp4").read_text() == "i0"


def test_an_output_that_was_put_in_place_before_the_run_died_is_done(tmp_path, work):
    with open_record(tmp_path / RECORD, settings()) as record:
        record.begin("i0")
    fine(items(1, tmp_path)[0])
    work(lambda item: pytest.fail("it was done"))
    restore_archive(items(1, tmp_path), Order(None), tmp_path / RECORD, quiet=True)
    (result,) = recorded(tmp_path)
    assert result.status == DONE
    assert len(result.checksum) == 64


def settings() -> str:
    return repr((None, []))


def test_an_output_of_another_source_is_not_taken_for_done(tmp_path, work):
    work(fine)
    (item,) = items(1, tmp_path)
    restore_archive([item], Order(None), tmp_path / RECORD, quiet=True)
    totals = restore_archive([replace(item, source="other.mp4")], Order(None), tmp_path / RECORD, quiet=True)
    assert totals.failed == ("i0",)


def test_parts_are_all_of_it(tmp_path, status):
    clips = write_clips(tmp_path / "in", 5, frames=2)
    for index in range(2):
        given = (*clips, "-o", tmp_path / "out", "--part", f"{index}/2", "--model", "min-median", "--quiet")
        assert status(*given) == 0
        assert len(list((tmp_path / "out").glob("*.mp4"))) == (3, 5)[index]
    assert sorted(path.name for path in (tmp_path / "out").glob("*.sqlite")) == [
        "restill-results-0-of-2.sqlite",
        "restill-results-1-of-2.sqlite",
    ]


def test_outputs_are_named_as_without_many_processes(tmp_path, status, monkeypatch):
    write_clips(tmp_path / "in", 2, frames=2)
    monkeypatch.chdir(tmp_path / "in")
    options = ("--jobs", 2, "--model", "min-median", "--quiet")
    for _ in range(2):  # the second run leaves out the results of the first
        assert status("*.mp4", *options) == 0
        assert {path.name for path in Path().glob("*.mp4")} == {
            *(f"c{n}{w}.mp4" for n in (0, 1) for w in ("", ".derained"))
        }
    assert status("c0.mp4", "-o", "one.mkv", *options) == 0
    assert Path("one.mkv").is_file()
    for _ in range(2):
        assert status("**/c?.mp4", "-o", "dry", *options) == 0
        assert {path.name for path in Path("dry").iterdir()} == {"c0.mp4", "c1.mp4", RECORD}


def test_a_record_that_is_none_is_refused(tmp_path, work):
    work(fine)
    (tmp_path / RECORD).write_text("something else, and long enough to be read as a header of a database" * 20)
    with pytest.raises(RestillError, match="is not a record of restill"):
        restore_archive(items(1, tmp_path), Order(None), tmp_path / RECORD, quiet=True)


def test_two_runs_do_not_share_a_folder(tmp_path, work):
    work(fine)
    with open_record(tmp_path / RECORD, settings()), pytest.raises(RestillError, match="in use by another"):
        restore_archive(items(1, tmp_path), Order(None), tmp_path / RECORD, quiet=True)


@pytest.fixture
def status(monkeypatch):
    """Runs ``restill derain`` in this process, and gives its exit status."""
    monkeypatch.setattr("gc.freeze", lambda: None)

    def called(*words: object) -> int:
        monkeypatch.setattr(sys, "argv", ["restill", "derain", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            main()
        return caught.value.code  # type: ignore[return-value]

    return called


def test_a_full_disk_and_a_bad_input_have_other_exit_codes(tmp_path, monkeypatch, capsys, status):
    import errno

    from restill.restoring import api

    (clip,) = write_clips(tmp_path / "in", 1)
    assert status(tmp_path / "no.mp4", "-o", tmp_path / "o.mp4") == 1

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(api, "run", full)
    assert status(clip, "-o", tmp_path / "o.mp4") == 75
    assert "No space left on device" in capsys.readouterr().err
    assert status(clip, clip.with_name("c1.mp4"), "-o", tmp_path / "out/") == 75  # one of several


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--jobs", 2, "-o", "out"], "an input is missing"),
        (["a.mp4", "--manifest", "m.csv"], "not both"),
        (["s3://bucket/a.mp4", "--results", "r.csv"], "add -o FOLDER"),
        (["a.mp4", "b.mp4", "--jobs", 2, "-o", "c.mp4"], "several inputs need a folder, but 'c.mp4' looks like a file"),
        (["-", "--jobs", 2, "-o", "out"], "cannot use standard input"),
        (["a.mp4", "-o", "s3://bucket/out"], "add --results FILE"),
        (["a.mp4", "-o", "out", "--part", "2/2"], "use I/N with I from 0 to N - 1"),
        ([], "an input is missing"),
    ],
)
def test_wrong_commands_are_refused(words, said, status, capsys):
    assert status(*words) == 1
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1


def test_an_item_is_restored_from_and_to_urls(tmp_path):
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    (clip,) = write_clips(tmp_path / "in", 1)
    item = Item("a", f"file://{clip}", f"file://{tmp_path}/out/a.mp4")
    result = restore_item(item, Order("min-median", {"quiet": True, "threads": 1}))
    assert (result.status, result.frames) == (DONE, 6), result.error
    assert len(list(read_frames(tmp_path / "out" / "a.mp4"))) == 6


def test_memory_does_not_grow_with_the_number_of_items(tmp_path, work):
    used = []

    def quick(item: Item) -> Result:
        if item.id.endswith("50"):
            gc.collect()
            used.append(tracemalloc.get_traced_memory()[0])
        return Result(item.id, item.source, item.output, DONE, 1, 0.1)

    work(quick)
    given = (Item(f"i{n}", f"i{n}.mp4", str(tmp_path / f"i{n}.mp4")) for n in range(300))
    tracemalloc.start()
    try:
        restore_archive(given, Order(None), tmp_path / RECORD, table=tmp_path / "table.csv", quiet=True)
    finally:
        tracemalloc.stop()
    early, late = used[1], used[-1]  # of 100 items each, at their middle
    assert late - early < 32 * 1024  # of 100 items, each of which has a kilobyte of strings
    assert len(rows(tmp_path / "table.csv")) == 300
