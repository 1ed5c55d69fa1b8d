"""Read a folder of pictures, one picture, or a file with several pictures as frames."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from restill.clock import NO_CLOCK, Clock
from restill.errors import RestillError
from restill.video.info import DEFAULT_FPS, VideoInfo
from restill.video.limits import USUAL, Limits
from restill.video.picture_names import result_names, written_suffix
from restill.video.picture_reading import Page, UnreadablePicture, read_first, read_pages
from restill.video.probe import probe_pictures
from restill.video.survey import Survey, survey
from restill.video.ticket import FrameInfo


class PictureSource:
    """Gives pictures as frames with their times.

    Args:
        path: A folder or a picture file.
        fps: Frames per second if the file does not say.
        limits: The limits for the source.

    Attributes:
        info: The description of the source.
        orientation: How to turn its pictures upright.
        survey: The list of its files.
    """

    def __init__(self, path: Path, fps: Fraction = DEFAULT_FPS, limits: Limits = USUAL) -> None:
        self.survey: Survey = survey(path, limits)
        self.info: VideoInfo = probe_pictures(self.survey, fps, limits)
        self.orientation = self.info.orientation
        self.limits = limits

    def see_as_photographs(self) -> None:
        """Treat the pictures as unrelated: sizes may differ, and results keep the names of their files."""
        width, height = max(self.survey.sizes, key=lambda size: size[0] * size[1])
        self.info = replace(self.info, alone=True, coded_width=width, coded_height=height)
        width, height = (height, width) if self.orientation.transpose else (width, height)
        self.info = replace(self.info, width=width, height=height)

    def frames(
        self, on_packet: Callable[[Any], None] | None = None, clock: Clock = NO_CLOCK, start: int = 0
    ) -> Iterator[tuple[np.ndarray, FrameInfo]]:
        """Yield every picture from ``start`` on with its ticket; ``clock`` measures "decode".

        A warning names the files of the folder that are not read.

        Raises:
            RestillError: A picture cannot be read, or differs from the first in size or depth.
        """
        for note in self.survey.notes:
            warnings.warn(note, UserWarning, stacklevel=2)
        names, files, timed = self._names(), self.survey.files, self.survey.timed
        # times add up and files may be left out: count frames from the first
        begin = 0 if timed or self.info.alone else start
        done, time = begin, float(begin)
        for number, page in clock.over("decode", self._pages(begin)):
            length = page.milliseconds if timed else 1
            if done >= start:
                self._check(number, page)
                pts, file = round(time), files[number if self.info.kind == "folder" else 0].name
                ticket = FrameInfo(pts, round(time + length) - pts, names[number], file, page.extras)
                yield self.orientation.upright(page.pixels), ticket
            done, time = done + 1, time + length
        if not done:
            raise RestillError(f"'{self.info.path}' holds no picture that can be read")

    def frames_from(self, time: int, *, planes: bool = False) -> Iterator[tuple[np.ndarray, FrameInfo]]:
        """Yield the pictures from the last one at or before a time on; pictures have no planes.

        Args:
            time: In units of ``info.time_base``.
            planes: Ignored.
        """
        return self.frames(start=0 if self.survey.timed else max(0, time))

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _names(self) -> list[str]:
        if self.info.kind == "animation":
            return [f"{number + 1:06d}.png" for number in range(len(self.survey.sizes))]
        files = self.survey.files
        suffixes = [written_suffix(file) if self.info.alone else ".png" for file in files]
        return result_names(files, suffixes)

    def _pages(self, start: int) -> Iterator[tuple[int, Page]]:
        """The pictures from a number on, with their numbers. A warning names photographs that cannot be read."""
        if self.info.kind == "animation":
            yield from enumerate(read_pages(self.survey.path, self.limits, start), start)
            return
        for number, file in enumerate(self.survey.files[start:], start):
            try:
                page = read_first(file, self.limits)
            except UnreadablePicture as error:
                if not self.info.alone or self.info.kind == "picture":
                    raise
                warnings.warn(f"left out: {error}", UserWarning, stacklevel=2)
                continue
            yield number, page

    def _check(self, number: int, page: Page) -> None:
        """Check that a frame of a clip has the size and the depth of the first."""
        info, (height, width) = self.info, page.pixels.shape[:2]
        depth = 16 if page.pixels.dtype == np.uint16 else 8
        if info.alone or ((height, width) == (info.coded_height, info.coded_width) and depth == info.bit_depth):
            return
        name = self.survey.files[number] if info.kind == "folder" else f"picture {number + 1} of {info.path}"
        raise RestillError(
            f"'{name}' is {width}x{height} with {depth} bits, but the first frame is "
            f"{info.coded_width}x{info.coded_height} with {info.bit_depth}; the frames of a clip must be alike; use "
            "--pictures to restore each separately"
        )
