"""``restill.restore``: here, or for files from strangers in a process of its own."""

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
from restill.video.pipe_names import STDIN, STDOUT


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
    alone: bool | None = None,
    fast: bool = False,
    guard: bool = True,
    rotate: int = 0,
    overwrite: bool = False,
    limits: Limits = USUAL,
    untrusted: bool = False,
    quiet: bool = False,
    on_frame: Callable[[], object] | None = None,
) -> Summary:
    """Restore a video, a folder of frames or a picture.

    A video or a folder is made in segments, which are kept in ``OUT.restill/`` until the output is whole. If the job is
    interrupted, the same call goes on after the last segment (not with a loaded model, because nobody can tell whether
    it is the same one).

    Args:
        src: What to restore: any file that FFmpeg reads, a folder of frames, one picture, or "-" for standard input.
        dst: Where to: a video (its extension chooses the container), a picture, a folder for PNG frames, or "-" for
            uncompressed frames (y4m) on standard output.
        model: A name of ``restill models``, the path of an exported ``.onnx``, or a loaded model; by default the
            student for rain: one for clips, and another one for single pictures.
        compare: "side" writes before and after side by side; "split" the left half before, the right half after.
        settings: How to encode.
        backend: "onnxruntime", "openvino", or "auto": for clips of 100 frames of 640x480 or as many pixels, or of
            unknown length, the fastest by a trial (:func:`restill.load_model`); "onnxruntime" for shorter ones.
        precision: "f32", "bf16", "int8" or "auto", as :func:`restill.load_model` takes them.
        threads: Threads of the network; by default those of the machine.
        tile: Side in pixels of the tiles that frames are cut into, 0 for none; by default only large frames are cut,
            as :func:`restill.load_model` says.
        alone: Whether the pictures of a folder, or of a file of several, are photographs and each is restored for
            itself (True), or a clip (False); by default they are photographs where they differ in size, or where
            neighbors have nothing in common.
        fast: Take the quick student for rain, which is less good. Not with ``model``, and not for single pictures.
        guard: Keep burnt-in text and marks as they are (:mod:`restill.runtime.guard`).
        rotate: Turn the frames clockwise by 90, 180 or 270 degrees, so that rain falls down in them. The output is
            turned as well.
        overwrite: Whether an output that exists may be replaced.
        limits: What the source may have at most.
        untrusted: The source may be made to do harm: everything is done in a process of its own with little memory,
            whose failure is an error (:mod:`restill.restoring.sandbox`). Not with a loaded model.
        quiet: Show no progress.
        on_frame: Called after each frame.

    Returns:
        The output, its number of frames, and the seconds it took.

    Raises:
        RestillError: The input, the model, the output or a setting is wrong, or anything else went wrong; the sentence
            says what. Nothing is left under the output's name then.
    """
    src, dst = STDIN if src == "-" else Path(src), STDOUT if dst == "-" else Path(dst)
    with boundary(f"'{src}'"):
        request = Request(
            src,
            destination(src, dst),
            model,
            compare=compare,
            settings=settings or EncodeSettings(),
            backend=backend,
            precision=precision,
            threads=threads,
            tile=tile,
            alone=alone,
            fast=fast,
            guard=guard,
            rotate=rotate,
            overwrite=overwrite,
            limits=limits,
            quiet=quiet,
        )
        if not untrusted:
            return run(request, on_frame)
        if STDIN in (src, dst) or STDOUT in (src, dst):
            raise RestillError("standard input and output cannot be used with 'untrusted'; save the input as a file")
        if isinstance(model, Model):
            raise RestillError("a loaded model cannot work in another process; name it, or leave 'untrusted' out")
        return sandbox.run(run, request, on_frame)
