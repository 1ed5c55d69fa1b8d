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
from restill.video.picture_source import PictureSource
from restill.video.pipe_names import STDOUT, is_pipe
from restill.video.pipeline import Process, output_errors, run_pipeline
from restill.video.segmented import SegmentSink
from restill.video.settings import SUFFIXES, EncodeSettings
from restill.video.sinks import open_sink


@dataclass(frozen=True)
class Summary:
    """The result of :func:`transcode`.

    Attributes:
        output: The file or folder that was written.
        frames: The number of its frames.
        seconds: The duration of the work.
        model: The name of the model; empty if there was none.
    """

    output: Path
    frames: int
    seconds: float
    model: str = ""

    @property
    def fps(self) -> float:
        """Frames per second of the work."""
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
    planes: bool = False,
) -> Summary:
    """Send every frame of a source through a function and write the result with the other content of the source.

    A video keeps times, sound, subtitles, chapters, metadata, rotation, pixel aspect, color tags and bit depth; a
    warning names whatever the output cannot hold. The output gets its name only when it is complete.

    Args:
        src: A video file, a folder of frames or a picture; or an open source, which stays open.
        dst: A video file, a picture, or a folder (a name without extension) for PNG frames.
        process: Takes an iterator of frames (H, W, 3) RGB, uint8, or uint16 for sources over 8 bits, upright, and
            yields exactly one frame for each, in order. It may read ahead. It may change the size of all frames alike.
        settings: How to encode.
        overwrite: Replace an existing output.
        on_frame: Called after each frame.
        job: Write in segments and continue after the finished ones. Finished segments are kept if the work is
            interrupted. The result of ``process`` for a frame may depend on at most ``job.context`` earlier frames.
            ``on_frame`` is not called for frames that were finished before.
        limits: The limits for a source that is not open yet.
        planes: Give the process :class:`restill.planes.Planes` instead of RGB if the source stores them and the output
            takes them. It gives the same then.

    Raises:
        RestillError: The input cannot be read, the output cannot be written, or ``process`` loses or adds a frame.
    """
    began = time.monotonic()
    settings = settings or EncodeSettings()
    dst = Path(dst)
    with ExitStack() as opened:
        if isinstance(src, str | Path):
            src = opened.enter_context(closing(open_source(src, settings.frame_rate, limits)))
        path = src.info.path
        check_output(path, dst, overwrite)
        sink = open_sink(dst, src, settings, job.folder if job else None)
        losses = Losses()
        try:
            planes = planes and not isinstance(src, PictureSource) and src.has_planes
            planes = planes and isinstance(sink, SegmentSink) and sink.takes_planes
            frames = run_pipeline(src, sink, process, on_frame, job, losses, planes=planes)
            if not dst.is_dir():
                check_output(path, dst, overwrite)  # another program may have written it meanwhile
            with output_errors(dst, job):
                sink.close()
            losses.say()
        except BaseException:
            sink.abandon()
            raise
    return Summary(sink.final, frames, time.monotonic() - began)


def check_output(src: Path, dst: Path, overwrite: bool) -> None:
    """Refuse an output that Restill cannot write or that would replace a file.

    Raises:
        RestillError: Its extension is unknown, it is the input or a device, it exists already, or its folder is
            missing or not writable.
    """
    if dst == STDOUT:
        return
    if dst.exists() and dst.samefile(src):  # also by another name or a link
        raise RestillError(f"'{dst}' is the input itself, which Restill never changes; name another output")
    if is_pipe(dst):
        raise RestillError(f"'{dst}' is a pipe or a device; use '-o -' to write to standard output")
    if dst.suffix and not dst.is_dir() and dst.suffix.lower() not in SUFFIXES and not is_picture(dst):
        raise RestillError(
            f"'{dst}' ends in {dst.suffix}, which Restill does not write; use {', '.join(SUFFIXES)} or a "
            f"picture's extension, or end the name in a slash for a folder"
        )
    if dst.is_file() and not dst.suffix:
        raise RestillError(f"'{dst}' is a file; a name without an extension is a folder of frames; name another output")
    taken = any(dst.iterdir()) if dst.is_dir() else dst.exists()
    if taken and not overwrite:
        into = f", or write '{dst}/' to put the result into it" if dst.is_dir() else ""
        raise RestillError(f"'{dst}' exists already; add --overwrite to replace it, or name another output{into}")
    folder = dst.absolute().parent
    if not folder.is_dir():
        raise RestillError(f"the folder '{folder}' does not exist; create it first, or name another output")
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise RestillError(
            f"the folder '{folder}' cannot be written to ({error.strerror}); name an output elsewhere"
        ) from error
