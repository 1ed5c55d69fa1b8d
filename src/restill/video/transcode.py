"""Send every frame of a file through a function and write the result to another file."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from restill.errors import RestillError
from restill.video.decode import Source, open_source
from restill.video.journal import ResumableJob
from restill.video.limits import USUAL, Limits
from restill.video.losses import Losses
from restill.video.picture_names import is_picture
from restill.video.pipe_names import STDOUT, is_pipe
from restill.video.pipeline import Process, output_errors, run_pipeline
from restill.video.settings import SUFFIXES, EncodeSettings
from restill.video.sinks import open_sink


@dataclass(frozen=True)
class Summary:
    """What was done.

    Attributes:
        output: The file or folder that was written.
        frames: How many frames it holds.
        seconds: How long it took.
    """

    output: Path
    frames: int
    seconds: float

    @property
    def fps(self) -> float:
        """Frames done in a second."""
        return self.frames / max(self.seconds, 1e-9)


def transcode(
    src: str | Path | Source,
    dst: str | Path,
    process: Process,
    settings: EncodeSettings | None = None,
    *,
    overwrite: bool = False,
    on_frame: Callable[[], object] | None = None,
    job: ResumableJob | None = None,
    limits: Limits = USUAL,
) -> Summary:
    """Send every frame of a source through a function and write the result with everything else of the source.

    Times, sound, subtitles, chapters, metadata, rotation, pixel aspect, color tags and bit depth are kept. The
    output appears under its name only when it is whole.

    Args:
        src: A video file, a folder of frames or a picture; or one that :func:`open_source` opened, which stays open.
        dst: A video file, a picture, or a folder (a name without extension) for PNG frames.
        process: Takes an iterator of frames (H, W, 3) RGB, uint8, or uint16 for sources over 8 bits, upright, and
            gives exactly one frame for each, in order. It may read ahead. The size may change, once for all frames.
        settings: How to encode.
        overwrite: Whether an output that exists may be replaced.
        on_frame: Called after each frame.
        job: Work in segments, of which those that are done stay when this is cut off, and go on after them. Then
            ``process`` may depend on no more than ``job.context`` frames before each; the first so many of what it
            gives are thrown away, and ``on_frame`` is not called for what was done before.
        limits: What the source may have at most, where it is not open yet.

    Returns:
        What was done.

    Raises:
        RestillError: The input cannot be read, the output not be written, or ``process`` loses or adds a frame.
    """
    began = time.monotonic()
    settings = settings or EncodeSettings()
    dst = Path(dst)
    with ExitStack() as opened:
        if isinstance(src, str | Path):
            src = opened.enter_context(closing(open_source(src, settings.frame_rate, limits)))
        path = src.info.path
        check_output(path, dst, overwrite)
        sink = open_sink(dst, src, settings, job.journal if job else None)
        losses = Losses()
        try:
            frames = run_pipeline(src, sink, process, on_frame, job, losses)
            if not dst.is_dir():
                check_output(path, dst, overwrite)  # something may have come there meanwhile
            with output_errors(dst, job):
                sink.close()
            losses.say()
        except BaseException:
            sink.abandon()
            raise
    return Summary(sink.final, frames, time.monotonic() - began)


def check_output(src: Path, dst: Path, overwrite: bool) -> None:
    """Refuse an output that Restill does not write, that would harm a file or that cannot be made.

    Raises:
        RestillError: Its ending is unknown, it is the input or a device, it exists already, or its folder is missing or
            cannot be written to.
    """
    if dst == STDOUT:
        return
    if dst.exists() and dst.samefile(src):  # by another name or a link, too
        raise RestillError(f"'{dst}' is the input itself, which is never changed; name another output")
    if is_pipe(dst):
        raise RestillError(f"'{dst}' is no file but a pipe or a device; '-o -' writes to standard output")
    if dst.suffix and not dst.is_dir() and dst.suffix.lower() not in SUFFIXES and not is_picture(dst):
        raise RestillError(
            f"'{dst}' ends in {dst.suffix}, which Restill does not write; end it in {', '.join(SUFFIXES)} or a "
            f"picture's ending, or put a slash at its end for a folder"
        )
    if dst.is_file() and not dst.suffix:
        raise RestillError(f"'{dst}' is a file without an ending, where a folder of frames would go; name another")
    taken = any(dst.iterdir()) if dst.is_dir() else dst.exists()
    if taken and not overwrite:
        into = f", or write '{dst}/' to put the result into it" if dst.is_dir() else ""
        raise RestillError(f"'{dst}' exists already; add --overwrite to replace it, or name another output{into}")
    folder = dst.absolute().parent
    if not folder.is_dir():
        raise RestillError(f"the folder '{folder}' does not exist; make it first, or name another output")
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise RestillError(
            f"the folder '{folder}' cannot be written to ({error.strerror}); name an output elsewhere"
        ) from error
