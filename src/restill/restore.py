"""Journey 1, whole: a clip goes in, an exported student restores it, and a clip comes out. No torch."""

from __future__ import annotations

import os
import shutil
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import cv2
import numpy as np

from restill import __version__, zoo
from restill.errors import RestillError
from restill.progress import say, track
from restill.runtime import Model, load_model, stream
from restill.runtime.model import MOST_PIXELS, default_threads, fingerprint
from restill.video import EncodeSettings, Summary, transcode
from restill.video.journal import mark, opened
from restill.video.limits import USUAL, Limits
from restill.video.pictures import is_picture
from restill.video.probe import VideoInfo, probe
from restill.video.segments import frames_done
from restill.video.settings import SUFFIXES
from restill.video.transcode import Job, Process, check_output

Layout = Literal["side", "split"]
LAYOUTS = ("side", "split")
MOST_LANES = 4  # each keeps its window and what the network makes of it in memory
MUCH = 100 * 640 * 480  # pixels of a clip, from which on a trial of two seconds is worth it
# of an output, on the generous side; of other codecs than these 0.05
BYTES_A_PIXEL = {"prores": 0.4, "ffv1": 1.5, "png": 1.5}


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
    limits: Limits = USUAL,
    untrusted: bool = False,
    quiet: bool = False,
    on_frame: Callable[[], object] | None = None,
) -> Summary:
    """Restore a video, a folder of frames or a picture.

    A video or a folder is made in segments, which lie in ``OUT.restill/`` until the output is whole: cut off at any
    time, the same call goes on after the last of them (not with a loaded model, of which nobody knows whether it is the
    same).

    Args:
        src: What to restore: any file that FFmpeg reads, a folder of frames, or one picture.
        dst: Where to: a video (its extension chooses the container), a picture, or a folder for PNG frames.
        model: A name of ``restill models``, the path of an exported ``.onnx``, or a loaded model; by default a student
            for rain: the one for pictures, or for clips the better one, unless ``backend`` "auto" has tried it and it
            falls behind the clip's frame rate: then the faster one.
        compare: "side" writes before and after side by side; "split" the left half before, the right half after.
        settings: How to encode.
        backend: "onnxruntime", "openvino", or "auto": for clips of 100 frames of 640x480 or as many pixels, or of
            unknown length, the fastest by a trial (:func:`restill.load_model`); "onnxruntime" for shorter ones.
        precision: "f32", "bf16", "int8" or "auto", as :func:`restill.load_model` takes them.
        threads: Threads of the network; by default those of the machine.
        tile: Side in pixels of the tiles that frames are cut into, 0 for none; by default only large frames are cut,
            as :func:`restill.load_model` says.
        overwrite: Whether an output that exists may be replaced.
        limits: What the source may have at most.
        untrusted: The source may be made to do harm: everything is done in a process of its own with little memory,
            whose failure is an error (:mod:`restill.guarded`). Not with a loaded model.
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
    settings = settings or EncodeSettings()
    if untrusted:
        if isinstance(model, Model):
            raise RestillError("a loaded model cannot work in another process; name it, or leave 'untrusted' out")
        from restill.guarded import restore_guarded

        options = {"compare": compare, "backend": backend, "precision": precision, "threads": threads, "tile": tile}
        options |= {"overwrite": overwrite, "quiet": quiet}
        name = None if model is None else str(model)
        return restore_guarded(src, dst, name, settings=settings, limits=limits, on_frame=on_frame, **options)
    info = probe(src, limits)
    check_output(src, dst, overwrite)

    def load(name: str | os.PathLike[str], backend: str, precision: str | None) -> Model:
        return load_model(
            name,
            backend=backend,
            threads=threads,
            precision=precision,
            size=(info.height, info.width),
            tile=tile,
            lanes=lanes(info, threads),
        )

    def run(model: Model, job: Job | None) -> Summary:
        def process(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
            return stream(model, frames)

        shown = process if compare is None else compared(process, compare)
        start = job.done if job else 0
        with track(src.name, info.expected_frames, "frames", start=start, quiet=quiet) as advance:

            def step() -> None:
                advance()
                if on_frame is not None:
                    on_frame()

            return transcode(src, dst, shown, settings, overwrite=overwrite, on_frame=step, job=job, limits=limits)

    if isinstance(model, Model):
        return run(model, None)
    pixels = (info.expected_frames or MUCH) * info.width * info.height
    if backend == "auto" and precision in (None, "auto") and pixels < MUCH:
        backend, precision = "onnxruntime", None
    pick = partial(load, backend=backend, precision=precision)
    if info.kind == "picture" or is_picture(dst):
        return run(_told(pick(model) if model is not None else default_student(info, pick), quiet), None)
    asked = {"compare": compare, "backend": backend, "precision": precision, "threads": threads, "tile": tile}
    what = {
        "source": str(src),
        "input": mark(src),
        "model": [fingerprint(zoo.find(name)) for name in ([model] if model is not None else zoo.DEFAULTS.values())],
        "options": {**asdict(replace(settings, fps=str(settings.fps))), **asked},
        "version": __version__,
    }
    with opened(dst, what) as journal:
        if journal.anew:
            say(f"begun anew: of the unfinished job in '{journal.folder}' {journal.anew}", quiet=quiet)
        done = frames_done(journal)
        if chosen := journal.chosen:
            say(f"going on after {done} frames", quiet=quiet)
            ready = load(model if model is not None else chosen["model"], chosen["backend"], chosen["precision"])
        else:
            ready = _told(pick(model) if model is not None else default_student(info, pick), quiet)
            journal.choose({"model": ready.info.name, "backend": ready.backend, "precision": ready.precision})
        check_space(info, dst, settings, ready.info.scale, done, quiet=quiet)
        try:
            summary = run(ready, Job(journal, done, ready.info.frames_before))
        except KeyboardInterrupt:
            if journal.parts:
                say("stopped; what is done is kept: the same command goes on, 'restill jobs' shows and clears it")
            raise
        journal.finish()
        return summary


def lanes(info: VideoInfo, threads: int | None) -> int:
    """On how many frames of a source to work at a time: on one for each thread, where frames are not too large.

    Args:
        info: The source.
        threads: Of the network; None for those of the machine.
    """
    if info.expected_frames == 1 or info.width * info.height > MOST_PIXELS:
        return 1
    return min(threads or default_threads(), MOST_LANES)


def _told(model: Model, quiet: bool) -> Model:
    """The same model, after a line on why it is this one."""
    if model.why:
        say(model.why, quiet=quiet)
    return model


def check_space(info: VideoInfo, dst: Path, settings: EncodeSettings, scale: int, done: int, *, quiet: bool) -> None:
    """Say so when an output may not fit on its disk; the estimate is a rough one.

    Args:
        info: The source.
        dst: The output.
        settings: How it is encoded.
        scale: How much larger than the source's its frames are.
        done: Frames that lie there already.
        quiet: Say nothing.
    """
    frames = max(0, (info.expected_frames or 0) - done)
    to_files = dst.is_dir() or not dst.suffix
    each = BYTES_A_PIXEL.get("png" if to_files else settings.choose_codec(dst, info), 0.05) * (1 if to_files else 2)
    needed = frames * info.width * info.height * scale**2 * each
    free = shutil.disk_usage(dst.absolute().parent).free
    if needed > free:
        say(
            f"note: about {needed / 1e9:.1f} GB may be needed at '{dst}', where {free / 1e9:.1f} GB are free; if the "
            "disk gets full, what is done is kept, and the same command goes on",
            quiet=quiet,
        )


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


def outputs(sources: Sequence[Path], output: str | None, word: str) -> list[tuple[Path, Path]]:
    """Where the result of each source goes.

    Args:
        sources: Videos, folders of frames, pictures.
        output: As it was given: one output for one source; a folder that results go into, because there are several
            sources, or by a slash at its end (of a folder of frames, that is the folder of its result); None for
            beside each source.
        word: What the results are, see :func:`default_output`.

    Raises:
        RestillError: Two results would have one name, or what should be a folder is a file.
    """
    into = None
    ends = output is not None and output.endswith(("/", os.sep))
    if output is not None and (len(sources) > 1 or (ends and not sources[0].is_dir())):
        into = Path(output)
        if into.exists() and not into.is_dir():
            raise RestillError(f"'{into}' is a file; the results of {len(sources)} inputs need a folder")
    pairs: dict[Path, Path] = {}
    for source in sources:
        target = default_output(source, word) if into is None else into / result_name(source)
        target = Path(output) if output is not None and into is None else target
        if target in pairs:
            raise RestillError(
                f"the results of '{pairs[target]}' and '{source}' would both be '{target}'; restore them one by one"
            )
        pairs[target] = source
    if into is not None:
        try:
            into.mkdir(exist_ok=True)
        except OSError as error:
            raise RestillError(f"the folder '{into}' cannot be made: {error.strerror}") from error
    return [(source, target) for target, source in pairs.items()]


def result_name(source: Path) -> str:
    """A result's name in a folder of results: the source's, with an ending that Restill writes."""
    writes = source.is_dir() or is_picture(source) or source.suffix.lower() in SUFFIXES
    return source.absolute().name if writes else f"{source.stem}.mkv"


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
