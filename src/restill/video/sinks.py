"""Choose the writer of an output by its name."""

from __future__ import annotations

import warnings
from pathlib import Path

from restill.clock import NO_CLOCK, Clock
from restill.progress import count
from restill.video import pictures
from restill.video.decode import Source
from restill.video.encode import FolderSink, PictureSink
from restill.video.info import VideoInfo
from restill.video.pipe_names import STDOUT
from restill.video.pipes import Y4mSink
from restill.video.segment_folder import SegmentFolder
from restill.video.segmented import SegmentSink
from restill.video.segmented_folder import FolderSegmentSink
from restill.video.settings import EncodeSettings

Sink = SegmentSink | FolderSegmentSink | FolderSink | PictureSink | Y4mSink


def open_sink(
    final: Path, source: Source, settings: EncodeSettings, parts: SegmentFolder | None = None, clock: Clock = NO_CLOCK
) -> Sink:
    """Open the writer of an output: a picture, a folder (no extension), standard output or a video.

    A warning names the other streams of the source, such as sound, if the output is no video file.

    Args:
        final: The output.
        source: The source of the frames.
        settings: How to encode a video.
        parts: Where a job that can be continued keeps its segments; not for a picture.
        clock: Measures "color back" (from RGB) and "encode". Videos and standard output use it.
    """
    sink = _open(final, source, settings, parts, clock)
    if not isinstance(sink, SegmentSink) and (sentence := _left_out(final, source.info)):
        warnings.warn(sentence, UserWarning, stacklevel=2)
    return sink


def _open(final: Path, source: Source, settings: EncodeSettings, parts: SegmentFolder | None, clock: Clock) -> Sink:
    if final == STDOUT:
        return Y4mSink(source, clock)
    if final.is_dir() or not final.suffix:
        if source.info.kind == "picture":
            path = source.info.path
            return PictureSink(final / f"{path.stem}{pictures.written_suffix(path)}", source)
        return FolderSink(final) if parts is None else FolderSegmentSink(final, source, parts)
    if pictures.is_picture(final):
        return PictureSink(final, source)
    return SegmentSink(final, source, settings, parts, clock)


def _left_out(final: Path, info: VideoInfo) -> str:
    """A sentence on the streams and chapters that an output of pictures cannot hold; "" if the source has none."""
    kinds = [(number, f"{kind} stream") for kind, number in info.streams.items()]
    names = [count(number, what) for number, what in (*kinds, (len(info.chapters), "chapter")) if number]
    output = "standard output" if final == STDOUT else f"'{final}'"
    return f"{output} gets only the pictures; left out: {', '.join(names)}" if names else ""
