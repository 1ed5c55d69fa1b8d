"""``restill.restore``: in this process or, for files that you do not trust, in a separate one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from restill.errors import RestillError, boundary
from restill.restoring import sandbox
from restill.restoring.compare import Layout
from restill.restoring.outputs import destination
from restill.restoring.request import Request
from restill.restoring.run import run
from restill.runtime import Model
from restill.video import EncodeSettings, Summary
from restill.video.limits import USUAL, Limits
from restill.video.moment import Moment
from restill.video.pipe_names import STDIN, STDOUT


def restore(
    src: str | os.PathLike[str],
    dst: str | os.PathLike[str],
    model: str | os.PathLike[str] | Model | None = None,
    *,
    compare: Layout | None = None,
    preview: Moment | None = None,
    settings: EncodeSettings | None = None,
    backend: str = "auto",
    precision: str | None = None,
    threads: int | None = None,
    tile: int | None = None,
    alone: bool | None = None,
    fast: bool = False,
    guard: bool = True,
    rotate: int = 0,
    aligner: str = "auto",
    strength: float = 1.0,
    overwrite: bool = False,
    limits: Limits = USUAL,
    untrusted: bool = False,
    quiet: bool = False,
    on_frame: Callable[[], object] | None = None,
) -> Summary:
    """Restore a video, a folder of frames or a picture.

    A video or a folder is written in segments, which stay in ``OUT.restill/`` until the output is complete. If the job
    is interrupted, the same call resumes after the last segment. This does not work with a loaded model, because it
    cannot be compared with the earlier one.

    Args:
        src: The input: any file that FFmpeg reads, a folder of frames, one picture, or "-" for standard input.
        dst: The output: a video (its extension chooses the container), a picture, a folder for PNG frames, or "-" for
            uncompressed frames (y4m) on standard output.
        model: A name of ``restill models``, the path of an exported ``.onnx``, or a loaded model; by default a
            model that removes rain: one for clips, and another for single pictures.
        compare: "side" writes before and after side by side; "split" shows the left half before, the right half after;
            "stack" writes before above after.
        preview: Restore only this moment of a clip. The output has no sound, and its times start at 0.
        settings: How to encode the output.
        backend: "onnxruntime", "openvino", or "auto": for clips of at least 2000 frames of 640x480 (or as many
            pixels) or of unknown length, the fastest by a trial (:func:`restill.load_model`); for shorter ones what is
            usually the fastest.
        precision: "f32", "bf16", "int8" or "auto", as for :func:`restill.load_model`.
        threads: Threads of the network; by default the cores that this process may use, at most 8.
        tile: Side in pixels of the tiles that frames are cut into, 0 for none; by default only large frames are cut,
            as for :func:`restill.load_model`.
        alone: Whether the pictures of a folder or of a multi-picture file are photographs, which are restored one by
            one (True), or a clip (False); by default they are photographs if they differ in size or if neighbors have
            nothing in common.
        fast: Use the faster model for rain, which removes less. Not with ``model``, and not for single pictures.
        guard: Keep burnt-in text and marks unchanged (:mod:`restill.runtime.guard`).
        rotate: Turn the frames clockwise by 90, 180 or 270 degrees, so that rain falls down in them. The output is
            turned as well.
        aligner: How motion is found, one of :data:`restill.alignment.ALIGNERS`: "source", "search", "dis", or "auto",
            the source's motion vectors where they are right, else "dis".
        strength: How much is taken away: 0 nothing, 1 what the model takes, 2 all that is brighter than both aligned
            neighbors (:mod:`restill.runtime.strength`).
        overwrite: Whether an existing output may be replaced.
        limits: Limits on the source.
        untrusted: Do everything in a separate process with limited memory, for a source that may be malicious. If that
            process fails, an error is raised (:mod:`restill.restoring.sandbox`). Not with a loaded model.
        quiet: Show no progress.
        on_frame: Called after each frame.

    Returns:
        The output, its number of frames, and the time in seconds.

    Raises:
        RestillError: The input, the model, the output or a setting is wrong, or anything else failed. The output is
            not created then.
    """
    src, dst = STDIN if src == "-" else Path(src), STDOUT if dst == "-" else Path(dst)
    with boundary(f"'{src}'"):
        request = Request(
            src,
            destination(src, dst),
            model,
            compare=compare,
            preview=preview,
            settings=settings or EncodeSettings(),
            backend=backend,
            precision=precision,
            threads=threads,
            tile=tile,
            alone=alone,
            fast=fast,
            guard=guard,
            rotate=rotate,
            aligner=aligner,
            strength=strength,
            overwrite=overwrite,
            limits=limits,
            quiet=quiet,
        )
        if not untrusted:
            return run(request, on_frame)
        if STDIN in (src, dst) or STDOUT in (src, dst):
            raise RestillError("standard input and output cannot be used with 'untrusted'; save the input as a file")
        if isinstance(model, Model):
            raise RestillError(
                "a loaded model cannot be used with 'untrusted'; give its name or file, or leave 'untrusted' out"
            )
        return sandbox.run(run, request, on_frame)
