"""Open a video file, choose its picture stream and check it against the limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from restill.errors import RestillError
from restill.video.copying import is_cover
from restill.video.limits import USUAL, Limits
from restill.video.pipe_names import is_pipe

# Containers that hold their own content: no playlists, generated sources or network protocols.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,gif,flv,asf,ogg,nut,mxf,ivf,h264,hevc,av1,obu,m4v,"
    "yuv4mpegpipe,dv,wtv,rm,swf,apng,png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,tiff_pipe,mjpeg,vc1,dirac,avs,ivr,nsv,wav,mp3,"
    "aac,flac,tty"
)
_FURTHER = {"probesize": str(64 << 20), "analyzeduration": "600000000"}  # bytes, microseconds
_STREAMS = 64  # streams that get the pixel limit while FFmpeg probes them; decoded frames are always checked


def open_video(path: Path, limits: Limits = USUAL) -> InputContainer:
    """Open a video file. FFmpeg may not open other files that it refers to. The caller closes it.

    Raises:
        RestillError: FFmpeg cannot read the file as a video, or it is too large.
    """
    limits.check_file(path)
    limit: Any = _decoder_limit(limits)

    def opened(stream_options: Any = None, **more: str) -> InputContainer:
        options = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS, **more}
        return av.open(f"file:{path}", options=options, stream_options=stream_options, metadata_errors="replace")

    try:
        container = opened(**_FURTHER) if is_pipe(path) else _opened_file(opened, limit)
    except (FFmpegError, OSError) as error:
        hint = "; a pipe can only be read from its start to its end: save it as a file first" if is_pipe(path) else ""
        raise RestillError(f"'{path}' cannot be read as a video: {reason(error)}{hint}") from error
    if container.format.name == "tty":  # FFmpeg draws text files as video
        container.close()
        raise RestillError(f"'{path}' is a text file, not a video")
    return container


def _opened_file(opened: Callable[..., InputContainer], limit: dict[str, str]) -> InputContainer:
    """Open a file, and probe more of it if its streams are not all known. Not for pipes: they open only once."""
    try:
        container = opened([limit] * _STREAMS)
    except ValueError:  # a format without a list of streams, such as MPEG-PS
        return opened(**_FURTHER)
    if all(map(_is_known, container.streams)):
        return container
    container.close()  # the first key frame or the sound comes late
    return opened([limit] * _STREAMS, **_FURTHER)


def first_stream(path: Path | str, container: InputContainer) -> VideoStream:
    """Choose the video stream to restore: the largest, then the one marked as default, then the first.

    Covers and thumbnails are never chosen. Still pictures are chosen only if there is nothing else.

    Raises:
        RestillError: There is none, or it cannot be decoded.
    """
    found = [stream for stream in container.streams.video if not is_cover(stream)]
    if not found:
        raise RestillError(f"'{path}' has no video stream, only {_listed(container) or 'unknown data'}")
    known = [stream for stream in found if stream.codec_context is not None]
    if not known:
        raise RestillError(f"'{path}' holds video in a format that cannot be decoded here")
    return max(known, key=_weight)


def _weight(stream: VideoStream) -> tuple[bool, int, bool]:
    context = stream.codec_context
    return stream.frames != 1, context.width * context.height, bool(stream.disposition & Disposition.default)


def check_header(path: Path | str, container: InputContainer, stream: VideoStream, limits: Limits) -> None:
    """Check the header of a file against the limits before any frame is decoded.

    Raises:
        RestillError: The file is over a limit, or its header has no frame size.
    """
    width, height = stream.codec_context.width, stream.codec_context.height
    if limits.pixels is not None and not width * height:  # the decoder's own limit refused the frames
        raise RestillError(
            f"'{path}' does not say how large its frames are: its first 64 MB hold no key frame, or the frames are far "
            f"above the limit of {limits.pixels:,} pixels (--max-pixels)"
        )
    limits.check_size(path, width, height)
    limits.check_length(path, stream.frames or None, duration_of(container, stream))


def first_frame(path: Path, frames: Iterator[Any]) -> av.VideoFrame:
    """Return the first frame of a file.

    Raises:
        RestillError: It cannot be decoded, or there is none.
    """
    try:
        frame = next(frames, None)
    except (FFmpegError, OSError) as error:
        raise RestillError(f"'{path}' cannot be decoded: {reason(error)}") from error
    if frame is None:
        raise RestillError(f"'{path}' has a video stream without frames")
    return frame


def restrain(stream: VideoStream, limits: Limits) -> None:
    """Set the pixel limit on a stream's decoder, so that it also refuses larger frames later in the file."""
    stream.codec_context.options = _decoder_limit(limits)


def reason(error: BaseException) -> str:
    """The message of an error of FFmpeg or the system, without error numbers."""
    return getattr(error, "strerror", None) or str(error)


def duration_of(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _is_known(stream: Stream) -> bool:
    """Whether FFmpeg knows the frame size or the sample rate of a stream."""
    context: Any = stream.codec_context
    known = {"video": "width", "audio": "sample_rate"}.get(stream.type)
    return context is None or known is None or getattr(context, known) > 0


def _decoder_limit(limits: Limits) -> dict[str, str]:
    """Twice the limit, because some decoders add blocks at the edges. Decoded frames are checked exactly."""
    return {} if limits.pixels is None else {"max_pixels": str(2 * limits.pixels + 65536)}


def _listed(container: InputContainer) -> str:
    return ", ".join(sorted({stream.type for stream in container.streams}))
