"""Journey 1, whole: a clip goes in, an exported student restores it, and a clip comes out. No torch."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import cv2
import numpy as np

from restill import zoo
from restill.errors import RestillError
from restill.progress import say, track
from restill.runtime import Model, load_model, stream
from restill.video import EncodeSettings, Summary, transcode
from restill.video.pictures import is_picture
from restill.video.probe import VideoInfo, probe
from restill.video.settings import SUFFIXES
from restill.video.transcode import Process, check_output

Layout = Literal["side", "split"]
LAYOUTS = ("side", "split")
LONG = 500  # frames, from which on a trial of two seconds is worth it


def restore(
    src: str | os.PathLike[str],
    dst: str | os.PathLike[str],
    model: str | os.PathLike[str] | Model | None = None,
    *,
    compare: Layout | None = None,
    settings: EncodeSettings | None = None,
    backend: str = "auto",
    precision: str | None = None,
    threads: int | None = None,
    tile: int | None = None,
    overwrite: bool = False,
    quiet: bool = False,
    on_frame: Callable[[], object] | None = None,
) -> Summary:
    """Restore a video, a folder of frames or a picture.

    Args:
        src: What to restore: any file that FFmpeg reads, a folder of frames, or one picture.
        dst: Where to: a video (its extension chooses the container), a picture, or a folder for PNG frames.
        model: A name of ``restill models``, the path of an exported ``.onnx``, or a loaded model; by default a student
            for rain: the one for pictures, or for clips the better one, unless ``backend`` "auto" has tried it and it
            falls behind the clip's frame rate: then the faster one.
        compare: "side" writes before and after side by side; "split" the left half before, the right half after.
        settings: How to encode.
        backend: "onnxruntime", "openvino", or "auto": for clips of 500 frames or more, or of unknown length, the
            fastest by a trial (:func:`restill.load_model`); "onnxruntime" for shorter ones.
        precision: "f32", "bf16", "int8" or "auto", as :func:`restill.load_model` takes them.
        threads: Threads of the network; by default those of the machine.
        tile: Side in pixels of the tiles that frames are cut into, 0 for none; by default only large frames are cut,
            as :func:`restill.load_model` says.
        overwrite: Whether an output that exists may be replaced.
        quiet: Show no progress.
        on_frame: Called after each frame.

    Returns:
        The output, its number of frames, and the seconds it took.

    Raises:
        RestillError: The input, the model, the output or a setting is wrong; the sentence says which. Nothing is
            left under the output's name then.
    """
    src, dst = Path(src), Path(dst)
    if compare is not None and compare not in LAYOUTS:
        raise RestillError(f"compare '{compare}' is unknown; it is one of {', '.join(LAYOUTS)}")
    info = probe(src)
    check_output(src, dst, overwrite)
    if not isinstance(model, Model):
        if backend == "auto" and precision in (None, "auto") and (info.expected_frames or LONG) < LONG:
            backend, precision = "onnxruntime", None
        load = partial(
            load_model, backend=backend, threads=threads, precision=precision, size=(info.height, info.width), tile=tile
        )
        model = load(model) if model is not None else default_student(info, load)
        if model.why:
            say(model.why, quiet=quiet)
    network = model

    def process(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        return stream(network, frames)

    shown = process if compare is None else compared(process, compare)
    with track(src.name, info.expected_frames, "frames", quiet=quiet) as advance:

        def step() -> None:
            advance()
            if on_frame is not None:
                on_frame()

        return transcode(src, dst, shown, settings, overwrite=overwrite, on_frame=step)


def default_student(info: VideoInfo, load: Callable[[str], Model]) -> Model:
    """The student for rain that suits a source and the machine.

    Args:
        info: The source.
        load: Loads a student by name.
    """
    if info.expected_frames == 1:
        return load(zoo.default("derain-picture"))
    better = load(zoo.default("derain"))
    if better.seconds is None or info.fps is None or better.seconds * info.fps <= 1:
        return better
    faster = load(zoo.default("derain-fast"))
    behind = f"{1000 * better.seconds:.0f} ms a frame, where the clip has {float(1000 / info.fps):.0f}"
    faster.why = f"{faster.info.name}, since {better.info.name} would take {behind}; {faster.why}"
    return faster


def default_output(src: str | os.PathLike[str], word: str) -> Path:
    """Where a result goes when nobody said: beside the input, such as ``clip.derained.mp4`` for ``clip.mp4``.

    A container that Restill does not write becomes a ``.mkv``, which holds every stream there is.
    """
    src = Path(src)
    if src.is_dir():
        return src.absolute().with_name(f"{src.absolute().name}-{word}")
    writes = is_picture(src) or src.suffix.lower() in SUFFIXES
    return src.with_name(f"{src.stem}.{word}{src.suffix if writes else '.mkv'}")


def compared(process: Process, layout: Layout) -> Process:
    """A process that shows its input beside its output.

    Args:
        process: What is compared.
        layout: "side" or "split".

    Returns:
        A process with frames of twice the width ("side") or of the same size ("split").
    """

    def side_by_side(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        waiting: deque[np.ndarray] = deque()  # inputs that the process has read ahead

        def remembered() -> Iterator[np.ndarray]:
            for frame in frames:
                waiting.append(frame)
                yield frame

        for after in process(remembered()):
            yield join(waiting.popleft(), after, layout)

    return side_by_side


def join(before: np.ndarray, after: np.ndarray, layout: Layout) -> np.ndarray:
    """Put two pictures (H, W, 3) of one moment together; the first is enlarged to the size of the second."""
    height, width = after.shape[:2]
    if before.shape != after.shape:
        before = cv2.resize(before, (width, height), interpolation=cv2.INTER_CUBIC)
    if layout == "side":
        return np.concatenate([before, after], axis=1)
    middle, line = width // 2, max(1, width // 640)
    joined = after.copy()
    joined[:, :middle] = before[:, :middle]
    joined[:, middle : middle + line] = np.iinfo(after.dtype).max
    return joined


class _CallableModule(ModuleType):
    """Lets ``restill.restore(...)`` work after this file is imported, which puts it in the function's place there."""

    def __call__(self, *arguments: Any, **options: Any) -> Summary:
        return restore(*arguments, **options)


sys.modules[__name__].__class__ = _CallableModule
