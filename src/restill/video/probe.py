"""Describe a video file, a folder of frames or a picture; at most the first frame is decoded."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from restill.errors import RestillError
from restill.video import color, orientation, picture_names
from restill.video.color import ColorTags
from restill.video.info import DEFAULT_FPS, VideoInfo
from restill.video.limits import USUAL, Limits
from restill.video.opening import check_header, duration_of, first_frame, first_stream, open_video, restrain
from restill.video.picture_reading import read_pages, read_picture
from restill.video.sidedata import sides
from restill.video.survey import Survey, survey


def probe(path: str | Path, limits: Limits = USUAL) -> VideoInfo:
    """Describe a video file, a folder of frames or a picture.

    Raises:
        RestillError: The source is missing, cannot be read, has no picture, or is over a limit.
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
    """Tell a "video", a "folder" and a "picture" (which may hold several) apart.

    Raises:
        RestillError: The path does not exist, or is a camera's raw file.
    """
    try:
        there = path.exists()
    except OSError as error:  # an invalid name
        raise RestillError(f"'{path}' cannot be read: {error.strerror}") from error
    if not there:
        raise RestillError(f"'{path}' does not exist; give a video, a folder of frames or a picture")
    if path.is_dir():
        return "folder"
    if path.suffix.lower() in picture_names.RAW:
        raise RestillError(
            f"'{path}' is a camera's raw file, which Restill does not read; convert it to JPEG or TIFF first"
        )
    return "picture" if picture_names.holds_picture(path) else "video"


def probe_pictures(found: Survey, fps: Fraction, limits: Limits = USUAL) -> VideoInfo:
    """Describe pictures from their headers and the pixels of the first one.

    Args:
        found: The pictures.
        fps: Frames per second if the file does not say.
        limits: The limits for the pictures.

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


def describe(path: Path, container: InputContainer, stream: VideoStream, frame: av.VideoFrame) -> VideoInfo:
    """Describe an open file from its headers and the first frame of its stream."""
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
        duration=duration_of(container, stream),
        fps=rate_of(stream),
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
        color=color_tags(frame),
        streams=others,
        chapters=list(container.chapters()),
        metadata=dict(container.metadata),
    )


def rate_of(stream: VideoStream) -> Fraction | None:
    """Average frames per second. Some demuxers, such as that of raw DV, report the time base instead."""
    average, guessed = stream.average_rate, stream.guessed_rate
    return guessed if guessed and (not average or average > 2 * guessed) else average


def _chroma(frame: av.VideoFrame) -> str:
    layout = frame.format
    if layout.name.startswith(("gray", "pal", "mono")) or len(layout.components) < 3:
        return "420"  # these formats gain nothing from more, and 4:2:0 plays everywhere
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


def color_tags(frame: av.VideoFrame) -> ColorTags:
    """The color tags of a frame."""
    full = frame.format.name.startswith("yuvj")
    return ColorTags(
        matrix=int(frame.colorspace),
        range=color.FULL if full else int(frame.color_range),
        primaries=int(frame.color_primaries),
        transfer=int(frame.color_trc),
    )
