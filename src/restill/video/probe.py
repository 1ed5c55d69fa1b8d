"""What a video file, a folder of frames or a picture holds, without decoding more than its first frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from restill.errors import RestillError
from restill.video import color, orientation, picture_names
from restill.video.color import ColorTags
from restill.video.copying import is_cover
from restill.video.limits import USUAL, Limits
from restill.video.orientation import Orientation
from restill.video.picture_reading import read_pages, read_picture
from restill.video.pipe_names import is_pipe
from restill.video.sidedata import sides
from restill.video.survey import Survey, survey

DEFAULT_FPS = Fraction(25)


@dataclass(frozen=True)
class VideoInfo:
    """What a source holds.

    Attributes:
        path: The file or folder.
        kind: "video", "folder", "picture", or "animation": one picture file that holds several.
        width: Pixels across, as displayed.
        height: Lines, as displayed.
        coded_width: Pixels across, as stored (differs when the picture is turned by a quarter).
        coded_height: Lines, as stored.
        frames: How many frames, when the file says so.
        duration: Seconds, when the file says so.
        fps: Frames a second on average, when it can be known.
        time_base: The unit of the timestamps, in seconds.
        codec: FFmpeg's name of the decoder.
        codec_family: FFmpeg's name of the codec, whatever decodes it, such as "av1".
        pix_fmt: FFmpeg's name of the pixel format.
        bit_depth: Bits a channel.
        chroma: "420", "422" or "444".
        alone: Each frame is a picture of its own, which has nothing in common with its neighbors.
        lost: Sentences on what no output can keep of the picture, such as its transparency.
        sides: The side data of the first frame, see :mod:`restill.video.sidedata`.
        matrix: The display matrix, nine integers, or None.
        orientation: How frames are turned to stand upright.
        sample_aspect: Width of a pixel over its height, or None.
        color: The color tags.
        streams: How many streams of each other type there are, such as {"audio": 1}.
        chapters: The chapters, as PyAV gives them.
        metadata: The file's own tags.
    """

    path: Path
    kind: str
    width: int
    height: int
    coded_width: int
    coded_height: int
    frames: int | None
    duration: float | None
    fps: Fraction | None
    time_base: Fraction
    codec: str
    pix_fmt: str
    bit_depth: int
    codec_family: str = ""
    chroma: str = "444"
    sides: dict[str, bytes] = field(default_factory=dict)
    alone: bool = False
    lost: tuple[str, ...] = ()
    matrix: tuple[int, ...] | None = None
    orientation: Orientation = field(default_factory=Orientation)
    sample_aspect: Fraction | None = None
    color: ColorTags = field(default_factory=ColorTags)
    streams: dict[str, int] = field(default_factory=dict)
    chapters: list[Any] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def rotation(self) -> int:
        """By how many degrees clockwise a player turns the stored picture."""
        return self.orientation.degrees

    @property
    def is_rgb(self) -> bool:
        """Pixels are stored as RGB (or a palette of it), so the matrix and range tags say nothing."""
        return self.pix_fmt == "pal8" or av.VideoFormat(self.pix_fmt).is_rgb

    @property
    def expected_frames(self) -> int | None:
        """The number of frames, or an estimate of it from the duration."""
        if self.frames is None and self.duration and self.fps:
            return max(1, round(self.duration * self.fps))
        return self.frames


# Containers that hold what they show; not lists of other files, nor what FFmpeg makes up or fetches.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,gif,flv,asf,ogg,nut,mxf,ivf,h264,hevc,av1,obu,m4v,"
    "yuv4mpegpipe,dv,wtv,rm,swf,apng,png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,tiff_pipe,mjpeg,vc1,dirac,avs,ivr,nsv,wav,mp3,"
    "aac,flac,tty"
)
_FURTHER = {"probesize": str(64 << 20), "analyzeduration": "600000000"}  # bytes, microseconds
_STREAMS = 64  # more in a file are left unlimited while FFmpeg looks what they are; their frames are not


def probe(path: str | Path, limits: Limits = USUAL) -> VideoInfo:
    """Describe a video file, a folder of frames or a picture.

    Raises:
        RestillError: It is missing, cannot be read, has no picture in it, or is over a limit.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind != "video":
        return probe_pictures(survey(path, limits), DEFAULT_FPS, limits)
    with open_video(path, limits) as container:
        stream = first_stream(path, container)
        check_header(path, container, stream, limits)
        restrain(stream, limits)
        return describe(path, container, stream, first_frame(path, container.decode(stream)))


def kind_of(path: Path) -> str:
    """ "video", "folder" or "picture" (which may hold several).

    Raises:
        RestillError: There is nothing at the path, or a camera's raw file.
    """
    try:
        there = path.exists()
    except OSError as error:  # a name that no file can have
        raise RestillError(f"'{path}' cannot be read: {error.strerror}") from error
    if not there:
        raise RestillError(f"'{path}' does not exist; give a video, a folder of frames or a picture")
    if path.is_dir():
        return "folder"
    if path.suffix.lower() in picture_names.RAW:
        raise RestillError(f"'{path}' is a camera's raw file, which is not read; make a JPEG or a TIFF of it first")
    return "picture" if picture_names.holds_picture(path) else "video"


def probe_pictures(found: Survey, fps: Fraction, limits: Limits = USUAL) -> VideoInfo:
    """Describe pictures: by their headers, and by the pixels of the first.

    Args:
        found: The pictures.
        fps: Frames a second, where no file says.
        limits: What they may have at most.

    Raises:
        RestillError: The first cannot be decoded, or there are too many.
    """
    count = len(found.sizes)
    seconds = float(count / fps)
    time_base = 1 / fps
    if found.timed:
        lengths = [page.milliseconds for page in read_pages(found.path, limits)]
        seconds, time_base = sum(lengths) / 1000, Fraction(1, 1000)
        fps = Fraction(count / seconds).limit_denominator(1001)
    limits.check_length(found.path, count, seconds)
    first = read_picture(found.files[0], limits)
    height, width = first.shape[:2]
    depth = 16 if first.dtype == np.uint16 else 8
    return VideoInfo(
        path=found.path,
        kind=found.kind,
        width=width,
        height=height,
        coded_width=width,
        coded_height=height,
        frames=count,
        duration=seconds,
        fps=fps,
        time_base=time_base,
        codec=found.files[0].suffix.lower().lstrip("."),
        pix_fmt="rgb24" if depth == 8 else "rgb48le",
        bit_depth=depth,
    )


def open_video(path: Path, limits: Limits = USUAL) -> InputContainer:
    """Open a file for reading, and no other file through it; the caller closes it.

    Raises:
        RestillError: It is not a video that FFmpeg reads, or has too many bytes.
    """
    limits.check_file(path)
    limit: Any = _decoder_limit(limits)

    def opened(stream_options: Any = None, **more: str) -> InputContainer:
        options = {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS, **more}
        return av.open(f"file:{path}", options=options, stream_options=stream_options, metadata_errors="replace")

    try:
        container = opened(**_FURTHER) if is_pipe(path) else _opened_file(opened, limit)
    except (FFmpegError, OSError) as error:
        hint = "; a pipe cannot be searched: save it as a file first" if is_pipe(path) else ""
        raise RestillError(f"'{path}' cannot be read as a video: {reason(error)}{hint}") from error
    if container.format.name == "tty":  # FFmpeg draws text files as video
        container.close()
        raise RestillError(f"'{path}' is a text file, not a video")
    return container


def _opened_file(opened: Callable[..., InputContainer], limit: dict[str, str]) -> InputContainer:
    """Open a file, again where the first time does not tell enough; a pipe can be opened only once."""
    try:
        container = opened([limit] * _STREAMS)
    except ValueError:  # a format that lists no streams, such as MPEG-PS: they are limited once they are opened
        return opened(**_FURTHER)
    if all(map(_is_known, container.streams)):
        return container
    container.close()  # a first key frame or sound that comes late
    return opened([limit] * _STREAMS, **_FURTHER)


def first_stream(path: Path, container: InputContainer) -> VideoStream:
    """The video stream that is restored: the largest; of equal ones the one marked as default, then the first.

    Covers and thumbnails never count, stills only where there is nothing else.

    Raises:
        RestillError: There is none, or nothing here decodes it.
    """
    found = [stream for stream in container.streams.video if not is_cover(stream)]
    if not found:
        raise RestillError(f"'{path}' has no video stream, only {_listed(container) or 'nothing that is known'}")
    known = [stream for stream in found if stream.codec_context is not None]
    if not known:
        raise RestillError(f"'{path}' holds video in a format that cannot be decoded here")
    return max(known, key=_weight)


def _weight(stream: VideoStream) -> tuple[bool, int, bool]:
    context = stream.codec_context
    return stream.frames != 1, context.width * context.height, bool(stream.disposition & Disposition.default)


def check_header(path: Path, container: InputContainer, stream: VideoStream, limits: Limits) -> None:
    """Refuse a file that is over a limit by what it says of itself, before anything is decoded.

    Raises:
        RestillError: It is, or it does not say how large its frames are.
    """
    width, height = stream.codec_context.width, stream.codec_context.height
    if limits.pixels is not None and not width * height:  # what the decoder's own limit leaves behind
        raise RestillError(
            f"'{path}' does not say how large its frames are: its first 64 MB hold no key frame, or the frames are far "
            f"above the limit of {limits.pixels:,} pixels (--max-pixels)"
        )
    limits.check_size(path, width, height)
    limits.check_length(path, stream.frames or None, _duration(container, stream))


def describe(path: Path, container: InputContainer, stream: VideoStream, frame: av.VideoFrame) -> VideoInfo:
    """Describe an open file, given the first frame of its stream."""
    matrix = None
    found = sides(frame)
    if "DISPLAYMATRIX" in found:
        matrix = tuple(int(value) for value in np.frombuffer(found["DISPLAYMATRIX"], np.int32))
    turned = orientation.from_matrix(matrix)
    context = stream.codec_context
    width, height = frame.width, frame.height
    components = frame.format.components
    others: dict[str, int] = {}
    for other in container.streams:
        if other is not stream:
            others[other.type] = others.get(other.type, 0) + 1
    return VideoInfo(
        path=path,
        kind="video",
        width=height if turned.transpose else width,
        height=width if turned.transpose else height,
        coded_width=width,
        coded_height=height,
        frames=stream.frames or None,
        duration=_duration(container, stream),
        fps=_rate(stream),
        time_base=stream.time_base or Fraction(1, 1000),
        codec=context.name,
        codec_family=context.codec.canonical_name,
        pix_fmt=frame.format.name,
        bit_depth=max(component.bits for component in components),
        chroma="420" if context.name == "gif" else _chroma(frame),
        sides=found,
        lost=_lost(frame, stream),
        matrix=matrix,
        orientation=turned,
        sample_aspect=stream.sample_aspect_ratio or None,
        color=_color_tags(frame),
        streams=others,
        chapters=list(container.chapters()),
        metadata=dict(container.metadata),
    )


def _is_known(stream: Stream) -> bool:
    """Whether FFmpeg has found out what it needs of a stream's packets."""
    context: Any = stream.codec_context
    known = {"video": "width", "audio": "sample_rate"}.get(stream.type)
    return context is None or known is None or getattr(context, known) > 0


def restrain(stream: VideoStream, limits: Limits) -> None:
    """Let a stream's decoder take no memory for larger frames, whatever comes in the middle of the file."""
    stream.codec_context.options = _decoder_limit(limits)


def _decoder_limit(limits: Limits) -> dict[str, str]:
    """Room for the blocks beyond the edges that some decoders count; frames themselves are counted exactly."""
    return {} if limits.pixels is None else {"max_pixels": str(2 * limits.pixels + 65536)}


def reason(error: BaseException) -> str:
    """What FFmpeg or the system says went wrong, without error numbers."""
    return getattr(error, "strerror", None) or str(error)


def first_frame(path: Path, frames: Iterator[Any]) -> av.VideoFrame:
    """The first of a file's frames.

    Raises:
        RestillError: It cannot be decoded, or there is none.
    """
    try:
        frame = next(frames, None)
    except (FFmpegError, OSError) as error:
        raise RestillError(f"'{path}' cannot be decoded: {reason(error)}") from error
    if frame is None:
        raise RestillError(f"'{path}' has a video stream without a single frame in it")
    return frame


def _listed(container: InputContainer) -> str:
    return ", ".join(sorted({stream.type for stream in container.streams}))


def _rate(stream: VideoStream) -> Fraction | None:
    """Frames a second on average. Some demuxers, such as raw DV's, give the unit of the times for it."""
    average, guessed = stream.average_rate, stream.guessed_rate
    return guessed if guessed and (not average or average > 2 * guessed) else average


def _duration(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _chroma(frame: av.VideoFrame) -> str:
    layout = frame.format
    if layout.name.startswith(("gray", "pal", "mono")) or len(layout.components) < 3:
        return "420"  # no color worth more: what plays everywhere
    if layout.is_rgb:
        return "444"
    across, down = 1024 // layout.chroma_width(1024), 1024 // layout.chroma_height(1024)
    if across == 1:
        return "444"
    return "422" if (across, down) == (2, 1) else "420"


def _lost(frame: av.VideoFrame, stream: VideoStream) -> tuple[str, ...]:
    alpha = any(component.is_alpha for component in frame.format.components) or "alpha_mode" in stream.metadata
    sentences = {
        "the picture's transparency is left out": alpha and stream.codec_context.name != "gif",
        "the picture is interlaced; its two fields are treated as one": frame.interlaced_frame,
    }
    return tuple(sentence for sentence, applies in sentences.items() if applies)


def _color_tags(frame: av.VideoFrame) -> ColorTags:
    full = frame.format.name.startswith("yuvj")
    return ColorTags(
        matrix=int(frame.colorspace),
        range=color.FULL if full else int(frame.color_range),
        primaries=int(frame.color_primaries),
        transfer=int(frame.color_trc),
    )
