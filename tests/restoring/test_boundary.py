"""Whatever one input throws, anywhere, is one sentence about that input, and the next input goes on."""

from __future__ import annotations

import random
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import av
import cv2
import pytest
from doubles import model, small_clip

import restill as package
from restill.errors import RestillError, is_machine_fault
from restill.restoring import choose, run
from restill.video import decode, encoder, mux, segmented

BAD_WIDTH = 48  # tells the input that fails from the others
THROWN: list[Callable[[], Exception]] = [
    lambda: ValueError("31 is not a valid Type"),
    lambda: KeyError("side_data"),
    lambda: IndexError("list index out of range"),
    lambda: TypeError("two\nlines"),
    lambda: AssertionError(),
    lambda: MemoryError(),
    lambda: RecursionError("maximum recursion depth exceeded"),
    lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    lambda: ZeroDivisionError("division by zero"),
    lambda: NotImplementedError(),
    lambda: StopIteration(),
    lambda: EOFError(),
    lambda: TimeoutError(),
    lambda: OSError(28, "No space left on device"),
    lambda: FileNotFoundError(2, "No such file or directory", "/elsewhere/link"),
    lambda: BrokenPipeError(32, "Broken pipe"),
    lambda: av.error.InvalidDataError(1094995529, "Invalid data found when processing input"),
    lambda: cv2.error("OpenCV: (-215:Assertion failed)"),
    lambda: type("LibraryError", (Exception,), {})("its own kind"),
]
# Where: the object, its method, and how to see from the arguments which input it is about.
POINTS: dict[str, tuple[Any, str, Callable[..., int]]] = {
    "open": (decode, "open_video", lambda path, limits: probe_width(path)),
    "probe": (decode, "describe", lambda path, container, stream, frame: frame.width),
    "fingerprint": (run, "input_fingerprint", lambda path: probe_width(path)),
    "choose": (choose, "load_model", lambda name, size, **_: size[1]),
    "decode": (decode.Converter, "to_rgb", lambda self, frame: frame.width),
    "process": (run, "stream", None),
    "encode": (encoder.PictureEncoder, "encode", lambda self, frame, ticket: frame.shape[1]),
    "keep": (segmented.SegmentSink, "_end", lambda self: self._size[1]),
    "mux": (mux.Muxer, "write_picture", lambda self, packet: self._info.width),
    "finish": (mux.Muxer, "close", lambda self: self._info.width),
    "write": (import_module("restill.video.transcode"), "check_output", None),
}


def probe_width(path: Path) -> int:
    return BAD_WIDTH if "bad" in Path(path).name else 0


def poison(monkeypatch: pytest.MonkeyPatch, point: str, error: Callable[[], Exception]) -> None:
    """Let one place throw, for the input of BAD_WIDTH alone."""
    place, name, width = POINTS[point]
    kept = getattr(place, name)

    def poisoned(*arguments: Any, **options: Any) -> Any:
        if point == "process":

            def frames() -> Any:
                for frame in kept(*arguments, **options):
                    if frame.shape[1] == BAD_WIDTH:
                        raise error()
                    yield frame

            return frames()
        if width is not None and width(*arguments, **options) == BAD_WIDTH:
            raise error()
        if width is None and any("bad" in str(argument) for argument in (*arguments, *options.values())):
            raise error()
        return kept(*arguments, **options)

    monkeypatch.setattr(place, name, poisoned)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("clips")
    names = {"a.mkv": 64, "bad.mkv": BAD_WIDTH, "c.mp4": 64}
    return [small_clip(folder / name, width=width) for name, width in names.items()]


@pytest.mark.parametrize("point", POINTS)
def test_a_batch_goes_on_and_says_one_sentence(tmp_path, monkeypatch, restill, clips, point):
    for number, error in enumerate(random.Random(point).sample(THROWN, 2)):  # noqa: S311
        with monkeypatch.context() as patch:
            poison(patch, point, error)
            done = restill("derain", *clips, "-o", f"{tmp_path / str(number)}/", "--quiet")
        about = [line for line in done.err.splitlines() if "bad.mkv" in line]
        faults = {1}
        if is_machine_fault(error()):  # a broken pipe within a trial in memory is no fault of the machine
            faults = {1, 75} if isinstance(error(), BrokenPipeError | TimeoutError) else {75}
        assert done.status in faults, (error(), done)
        assert len(about) == 2, (error(), done.err)  # the sentence; and the last line, which lists what failed
        assert about[0].startswith("error: '")
        assert about[1].startswith("error: 1 of 3 inputs failed")
        assert "Traceback" not in done.err
        assert len(done.out.splitlines()) == 2
        made = {path.name for path in (tmp_path / str(number)).iterdir()}
        assert made - {"bad.mkv.restill"} == {"a.mkv", "c.mp4"}  # what was done before the end is kept


@pytest.mark.parametrize("error", THROWN, ids=lambda error: type(error()).__name__)
def test_python_gets_a_restill_error(tmp_path, monkeypatch, clips, error):
    point = random.Random(type(error()).__name__).choice(["probe", "decode", "process", "encode", "mux"])  # noqa: S311
    poison(monkeypatch, point, error)
    with pytest.raises(RestillError) as raised:
        package.restore(clips[1], tmp_path / "out.mkv", model(), quiet=True)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_where(tmp_path, monkeypatch, restill, clips):
    poison(monkeypatch, "decode", lambda: KeyError("side_data"))
    done = restill("derain", *clips, "-o", f"{tmp_path}/", "--quiet", "--debug")
    assert done.status == 1
    assert "Traceback" in done.err
    assert "KeyError: 'side_data'" in done.err


def test_a_command_that_fails_is_a_sentence(monkeypatch, restill):
    def broken() -> None:
        raise RuntimeError("nobody thought of it")

    monkeypatch.setattr("restill.zoo.cards", broken)
    done = restill("models")
    assert (done.status, done.out) == (1, "")
    assert done.err == (
        "error: restill models failed, which should not happen: RuntimeError: nobody thought of it (see --debug)\n"
    )


def test_ctrl_c_while_a_library_is_loaded_is_no_fault(monkeypatch, restill):
    def interrupted() -> None:
        raise ImportError("initialization failed") from KeyboardInterrupt()

    monkeypatch.setattr("restill.zoo.cards", interrupted)
    done = restill("models")
    assert (done.status, done.err) == (130, "")
