"""Stack a part of a result below the same frames of its source, in the sandbox process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import av
import numpy as np

from restill.restoring.compare import join
from restill.video import EncodeSettings, Summary, transcode
from restill.video.decode import Source, open_source
from restill.video.encoder import PictureEncoder
from restill.video.limits import USUAL, Limits
from restill.video.moment import Moment, MomentSource
from restill.video.mux import Muxer
from restill.video.picture_names import list_pictures, natural_key
from restill.video.picture_reading import read_picture
from restill.video.segments import Head, read_segment


@dataclass(frozen=True)
class Piece:
    """A part of a result.

    Attributes:
        src: The source.
        dst: The stacked video or picture.
        result: The result.
        part: A finished segment of the job; None if the result is complete.
        moment: The frames to show; None for a picture, and for a segment of a video, which knows its own.
        settings: How the result is encoded.
        stacked: How the stacked video is encoded.
        limits: The limits for the source.
    """

    src: Path
    dst: Path
    result: Path
    part: Path | None
    moment: Moment | None
    settings: EncodeSettings
    stacked: EncodeSettings
    limits: Limits = USUAL


def piece(job: Piece, tick: Callable[[], object]) -> Summary:
    """Write a piece: before above after."""
    with closing(open_source(job.src, limits=job.limits)) as source, TemporaryDirectory() as scratch:
        after, moment = _after(job, source, Path(scratch))
        shown = source if moment is None or isinstance(source, MomentSource) else MomentSource(source, moment)

        def stacked(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
            for before, restored in zip(frames, after, strict=False):
                yield join(before, restored[: before.shape[0], : before.shape[1]], "stack")

        return transcode(shown, job.dst, stacked, job.stacked, overwrite=True, on_frame=tick)


def _after(job: Piece, source: Source, scratch: Path) -> tuple[Iterator[np.ndarray], Moment | None]:
    """The restored frames (H, W, 3) of a piece, upright, and the moment that they are."""
    if job.part is None and job.result.suffix == ".zip":
        return _of_archive(job, scratch), job.moment
    if job.part is None:
        longer = job.moment and Moment(job.moment.start, job.moment.seconds + 1)  # times are rounded
        return _of_file(job.result, longer, job.limits), job.moment
    if job.part.is_dir():
        return _of_folder(job.part), job.moment
    file = scratch / f"part{job.result.suffix}"
    first, last = _as_file(job, source, job.part, file)
    unit, start = source.info.time_base, getattr(source, "start", 0)
    moment = Moment(float((first - start) * unit), float((last + 1 - first) * unit))
    return _of_file(file, None, job.limits), moment


def _of_file(file: Path, moment: Moment | None, limits: Limits) -> Iterator[np.ndarray]:
    with closing(open_source(file, limits=limits, moment=moment)) as result:
        for frame, _ in result.frames():
            assert isinstance(frame, np.ndarray)  # noqa: S101
            yield frame


def _of_folder(folder: Path) -> Iterator[np.ndarray]:
    yield from map(read_picture, list_pictures(folder))


def _of_archive(job: Piece, scratch: Path) -> Iterator[np.ndarray]:
    assert job.moment is not None  # noqa: S101
    fps = float(job.settings.frame_rate)
    first, count = round(job.moment.start * fps), round(job.moment.seconds * fps) + 1
    with ZipFile(job.result) as archive:
        names = sorted(archive.namelist(), key=lambda name: natural_key(Path(name)))
        archive.extractall(scratch, names[first : first + count])
    yield from _of_folder(scratch)


def _as_file(job: Piece, source: Source, part: Path, file: Path) -> tuple[int, int]:
    """Write a segment, which is packets only, as a video file; returns the times of its first and last frame."""
    *packets, head = read_segment(part)
    assert isinstance(head, Head)  # noqa: S101
    encoder = PictureEncoder(job.result, source, job.settings)
    muxer = Muxer(str(file), job.result.suffix.lower(), source.info, encoder, None, None, {}, {})
    muxer.start(head.height, head.width, deep=head.deep)
    times = []
    for packet in packets:
        assert isinstance(packet, av.Packet)  # noqa: S101
        times.append(packet.pts or 0)
        muxer.write_picture(packet)
    muxer.close()
    return min(times), max(times)
