"""Where OUT leads: each row of the table in docs/restoring.md."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from doubles import small_clip
from test_restore import moving

from restill.video import probe

ROOT = Path(__file__).resolve().parents[2]
# What is typed in a folder that holds a.mp4, b.mp4, photo.png, frames/ and full/ (which is not empty); what is there
# afterwards, or what is said.
MADE: list[tuple[str, str, str]] = [
    ("a.mp4", "a.derained.mp4", ""),
    ("frames", "frames-derained/1.png", ""),
    ("photo.png", "photo.derained.png", ""),
    ("a.mp4 -o out.mkv", "out.mkv", ""),
    ("a.mp4 -o out", "out/000001.png", ""),
    ("a.mp4 -o out/", "out/a.mp4", ""),
    ("a.mp4 -o full/", "full/a.mp4", ""),
    ("a.mp4 -o 2024.05.01/", "2024.05.01/a.mp4", ""),
    ("photo.png -o newdir", "newdir/photo.png", ""),
    ("photo.png -o newdir/", "newdir/photo.png", ""),
    ("photo.png -o full", "full/photo.png", ""),
    ("a.mp4 b.mp4 -o out", "out/b.mp4", ""),
    ("a.mp4 b.mp4 -o full", "full/b.mp4", ""),
    ("a.mp4 b.mp4", "b.derained.mp4", ""),
    ("frames -o frames/inside.mp4", "frames/inside.mp4", ""),
    ("a.mp4 --fps 30 -o out.mp4", "out.mp4", "--fps applies to folders of frames"),
    ("a.mp4 --codec h265 -o out.mp4", "out.mp4", ""),
]
REFUSED: list[tuple[str, str]] = [
    ("a.mp4 -o clean.foo", "'clean.foo' ends in .foo, which Restill does not write; use .mp4"),
    ("a.mp4 -o clip.v1", "ends in .v1"),
    ("a.mp4 -o 2024.05.01", "end the name in a slash for a folder"),
    ("a.mp4 -o x.heic", "x.heic"),
    ("a.mp4 -o x.gif", "ends in .gif"),
    ("a.mp4 -o x.ts", "ends in .ts"),
    ("a.mp4 -o x.avi", "ends in .avi"),
    ("a.mp4 -o x.mp3", "ends in .mp3"),
    ("a.mp4 b.mp4 -o out.mp4", "several inputs need a folder, but 'out.mp4' looks like a file"),
    ("a.mp4 b.mp4 -o -", "2 inputs cannot be written to standard output"),
    ("a.mp4 b.mp4 -o note --overwrite", "'note' is a file; the results of 2 inputs need a folder"),
    ("a.mp4 -o a.mp4 --overwrite", "is the input itself"),
    ("frames -o frames --overwrite", "is the input itself"),
    ("a.mp4 -o b.mp4", "'b.mp4' exists already; add --overwrite"),
    ("a.mp4 -o full", "or write 'full/' to put the result into it"),
    ("a.mp4 -o note --overwrite", "'note' is a file; a name without an extension is a folder"),
    ("a.mp4 -o no/where.mp4", "does not exist; create it first"),
    ("a.mp4 -o out.png", "holds one picture"),
    ("a.mp4 -o /dev/null --overwrite", "is a pipe or a device"),
    ("a.mp4 -o out.mp4 --crf 99", "crf 99 is not on the scale of h264"),
    ("a.mp4 -o out.webm --codec h264", "a .webm file cannot hold h264"),
    ("a.mp4 -o out.mp4 --model ril-m", "Did you mean 'rill-m'?"),
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "b.mp4"):
        small_clip(tmp_path / name, frames=2)
    moving(tmp_path / "frames", 2)
    (tmp_path / "photo.png").write_bytes((tmp_path / "frames" / "1.png").read_bytes())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "note").write_text("mine")
    return tmp_path


def there(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("typed", "made", "says"), MADE, ids=[row[0] for row in MADE])
def test_what_is_made(here, restill, typed, made, says):
    before = there(here)
    done = restill("derain", *typed.split(), "--quiet")
    assert done.status == 0, done.err
    assert made in there(here) - before
    assert says in done.err
    assert not [name for name in there(here) if "partial" in name or ".restill" in name]


@pytest.mark.parametrize(("typed", "says"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_refused(here, restill, monkeypatch, typed, says):
    before = there(here)
    if "--model" not in typed:
        monkeypatch.setattr("restill.restoring.run.choose", lambda *_: pytest.fail("a student was tried before"))
    done = restill("derain", *typed.split(), "--quiet")
    assert done.status == 1
    assert says in done.err
    assert done.err.count("\n") == 1
    assert "partial" not in done.err
    assert there(here) == before


def test_a_place_where_nothing_can_be_written(here, restill):
    done = restill("derain", "photo.png", "-o", "/proc/x.png", "--quiet")
    assert done.status == 1
    assert "the folder '/proc' cannot be written to" in done.err
    assert "partial" not in done.err


def test_the_second_run_skips_its_own_results(here, restill):
    assert restill("derain", "a.mp4", "b.mp4", "frames", "--quiet").status == 0
    names = sorted(path.name for path in here.glob("*") if path.suffix == ".mp4" or path.name.startswith("frames"))
    done = restill("derain", *names, "--overwrite", "--quiet")
    assert done.status == 0, done.err
    for name in ("a.derained.mp4", "b.derained.mp4", "frames-derained"):
        assert f"skipped '{name}': it is the result of another input" in done.err
    assert not list(here.glob("*derained.derained*"))
    assert restill("derain", "a.derained.mp4", "--quiet").status == 0  # alone it is meant
    assert (here / "a.derained.derained.mp4").is_file()


def test_one_is_one(here, restill):
    assert restill("derain", "photo.png", "--quiet").out.startswith("1 frame in ")
    assert restill("derain", "a.mp4", "--quiet").out.startswith("2 frames in ")


def test_the_table_is_in_the_docs():
    page = (ROOT / "docs" / "restoring.md").read_text(encoding="utf-8")
    for typed, *_ in (*MADE, *REFUSED):
        assert f"| `{typed}` |" in page, typed


# --- pipes: real processes, for they are about real file descriptors ------------------------------------------------

COMMAND = [sys.executable, "-m", "restill", "derain", "--quiet", "--model", "min-median", "--backend", "onnxruntime"]


def y4m(frames: int = 3, width: int = 32, height: int = 24) -> bytes:
    """As ``ffmpeg -f yuv4mpegpipe`` writes it."""
    picture = np.full(width * height * 3 // 2, 90, np.uint8).tobytes()
    return f"YUV4MPEG2 W{width} H{height} F25:1 Ip A1:1 C420jpeg\n".encode() + frames * (b"FRAME\n" + picture)


def test_frames_through_pipes(tmp_path):
    done = subprocess.run([*COMMAND, "-", "-o", "-"], input=y4m(), capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert b"3 frames in" in done.stderr
    head, *frames = done.stdout.split(b"FRAME\n")
    assert head.startswith(b"YUV4MPEG2 W32 H24 F25:1")
    assert [len(frame) for frame in frames] == [32 * 24 * 3 // 2] * 3
    luma = np.frombuffer(frames[1], np.uint8)[: 32 * 24]
    assert np.abs(luma.astype(int) - 90).max() <= 1


def test_a_pipe_to_a_file(tmp_path):
    out = tmp_path / "out.mp4"
    done = subprocess.run([*COMMAND, "-", "-o", out], input=y4m(), capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert probe(out).frames == 3
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def feed(pipe: Path, data: bytes) -> Callable[[], None]:
    return lambda: pipe.write_bytes(data)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_a_named_pipe_is_read_once(tmp_path, restill):
    import os
    from threading import Thread

    small_clip(tmp_path / "a.ts")
    os.mkfifo(tmp_path / "pipe")
    Thread(target=feed(tmp_path / "pipe", (tmp_path / "a.ts").read_bytes()), daemon=True).start()
    done = restill("derain", tmp_path / "pipe", "-o", tmp_path / "out.mkv", "--quiet")
    assert done.status == 0, done.err
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 4


def test_what_cannot_be_read_from_a_pipe_is_a_sentence():
    for data in (b"", b"no video\n" * 100):
        words = [*COMMAND, "-", "-o", "-"]
        done = subprocess.run(words, input=data, capture_output=True, timeout=120, check=False, text=False)
        assert done.returncode == 1
        assert done.stderr.startswith(b"error: '/dev/stdin' cannot be read as a video")
        assert done.stdout == b""


def test_a_reader_that_goes_ends_it_quietly():
    with subprocess.Popen(
        [*COMMAND, "-", "-o", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        said = process.communicate(y4m(200), timeout=120)[1]
    assert process.returncode == 141
    assert b"error" not in said
    assert b"Traceback" not in said
