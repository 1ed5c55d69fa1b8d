"""A stranger's file in a process of its own: whatever happens there is one sentence here."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from processes import content, ended, long_clip, traces

from restill.bench.clip import rainy_clip, write_clip
from restill.errors import RestillError, is_machine_fault
from restill.restoring import sandbox
from restill.restoring.api import restore
from restill.restoring.request import Request
from restill.restoring.run import run
from restill.runtime import load_model
from restill.video import EncodeSettings, Limits


def request(clip: Path, tmp_path: Path, **more: Any) -> Request:
    return Request(clip, tmp_path / "a.mkv", "rill-s", backend="onnxruntime", threads=1, quiet=True, **more)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return long_clip(tmp_path_factory.mktemp("clip") / "in.mkv", frames=30)


def stand_in(path: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs instead of the child."""
    path.write_text(f"#!/bin/sh\ncat > /dev/null\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setattr(sandbox.sys, "executable", str(path))


def test_the_same_comes_out(clip, tmp_path):
    frames = []
    options = {"backend": "onnxruntime", "threads": 1, "quiet": True}
    done = restore(
        clip,
        tmp_path / "a.mkv",
        "rill-s",
        untrusted=True,
        on_frame=lambda: frames.append(1),
        limits=Limits(),
        **options,
    )
    restore(clip, tmp_path / "b.mkv", "rill-s", **options)
    assert done.frames == len(frames) == 30
    assert content(tmp_path / "a.mkv") == content(tmp_path / "b.mkv")
    assert traces(tmp_path) == []


def test_what_the_child_says_is_said(clip, tmp_path):
    with pytest.raises(RestillError, match="has more frames than the limit of 3"):
        sandbox.run(run, request(clip, tmp_path, limits=Limits(frames=3)))
    done = ended(["derain", str(clip), "-o", str(tmp_path / "a.mkv"), "--untrusted", "--quiet", "--max-frames", "3"])
    assert (done.returncode, done.stderr) == (
        1,
        f"error: '{clip}' has more frames than the limit of 3 (--max-frames)\n",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_loaded_model_stays_here(clip, tmp_path):
    with pytest.raises(RestillError, match="a loaded model cannot be used with 'untrusted'"):
        restore(clip, tmp_path / "a.mkv", load_model("rill-s"), untrusted=True)


@pytest.mark.parametrize(
    ("end", "says"),
    [
        ("kill -SEGV $$", r"crashed the process that read it \(SIGSEGV\); it is damaged or malicious"),
        ("kill -KILL $$", r"the process that read it was killed \(SIGKILL\)"),
        ("exit 7", "the process that read it ended early, exit status 7"),
    ],
)
def test_a_crash_is_a_sentence(clip, tmp_path, monkeypatch, end, says):
    stand_in(tmp_path / "child", f"printf ...\n{end}", monkeypatch)
    frames = []
    with pytest.raises(RestillError, match=says) as caught:
        sandbox.run(run, request(clip, tmp_path), on_frame=lambda: frames.append(1))
    assert len(frames) == 3
    assert is_machine_fault(caught.value) == ("KILL" in end)  # then another attempt may succeed


def test_what_hangs_is_ended(clip, tmp_path, monkeypatch):
    stand_in(tmp_path / "child", "exec sleep 100", monkeypatch)
    with pytest.raises(RestillError, match="was stopped, because no frame was decoded in 0 seconds"):
        sandbox.run(run, request(clip, tmp_path), patience=0.3)


def run_and_wait(request, on_frame):
    """The work, which cannot end before its parent stops it."""

    def on_frame_and_wait():
        on_frame()
        time.sleep(600)

    return run(request, on_frame_and_wait)


def test_work_can_be_stopped_and_continued(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # the child imports this file
    clip = tmp_path / "long.mp4"
    write_clip(clip, rainy_clip(48, 64, 60))
    stop, notes = threading.Event(), []
    with pytest.raises(sandbox.Stopped):
        sandbox.run(run_and_wait, request(clip, tmp_path), on_frame=stop.set, stop=stop, notes=notes)
    assert not (tmp_path / "a.mkv").exists()
    assert sandbox.run(run, request(clip, tmp_path), stop=threading.Event(), notes=notes).frames == 60
    assert traces(tmp_path) == []


def test_notes_are_collected(tmp_path, capfd):
    write_clip(tmp_path / "in.mp4", rainy_clip(47, 63, 5))  # 4:4:4
    notes = []
    smaller = {"settings": EncodeSettings(pixel_format="yuv420p"), "backend": "onnxruntime", "quiet": True}
    sandbox.run(run, Request(tmp_path / "in.mp4", tmp_path / "out.mp4", "min-median", **smaller), notes=notes)
    assert "color at half the resolution" in "".join(notes)
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to its address space")
def test_too_much_memory_is_a_sentence(clip, tmp_path):
    with pytest.raises(RestillError, match=r"needs more than the 0\.4 GB|crashed the process that read it"):
        sandbox.run(run, request(clip, tmp_path), memory=400_000_000)
    assert not (tmp_path / "a.mkv").exists()


def test_a_fault_of_ours_is_not_called_an_attack(clip, tmp_path):
    with pytest.raises(RestillError, match="failed, which should not happen: TypeError") as raised:
        sandbox.run(divmod, request(clip, tmp_path))  # type: ignore[arg-type] - it takes no request
    assert "harm" not in str(raised.value)
    assert "Traceback" in raised.value.__notes__[0]  # for --debug
