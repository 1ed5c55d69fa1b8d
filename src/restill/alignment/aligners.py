"""The aligners: each finds the motion of a frame to the frame before it.

* ``source``: the motion vectors of the file, which the decoder gives. The camera has done the search.
* ``search``: the motion search of the x264 encoder, on small pictures; ``dis`` where FFmpeg has no x264.
* ``dis``: dense inverse search optical flow, on small pictures.
* ``auto``: the source's vectors where they prove right, else ``dis``. ``benchmarks/aligners.py`` compares them.

A field is a function of two frames, so a job that is resumed gets the same fields. Wrong vectors cost quality only: a
block takes no motion instead where that fits the two pictures better.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np

from restill.alignment.dis import dis_flow, make_dis
from restill.alignment.field import CELL, Field, cells, to_field
from restill.alignment.luma import Picture
from restill.alignment.search import MotionSearch, has_x264
from restill.alignment.vectors import displacements, smooth
from restill.errors import RestillError

ALIGNERS = ("auto", "source", "search", "dis")
SMALL_CELL = 4  # side of a cell of the small picture, pixels
CLEARLY = 2  # levels of 255 by which no motion must fit better to count against a vector
MAX_WRONG = 0.05  # share of the blocks; with more wrong vectors, "auto" takes DIS for the frame
SIDE = 9  # side of the square that a block is compared in, pixels of the small picture


class _Chosen(NamedTuple):
    displacement: np.ndarray  # (rows, columns, 2) float32, pixels
    wrong: float  # share of the blocks in which no motion fits clearly better


class Aligner:
    """Finds fields. Use it in one thread.

    Args:
        name: One of :data:`ALIGNERS`.

    Raises:
        RestillError: The name is not one of them.
    """

    def __init__(self, name: str = "auto") -> None:
        if name not in ALIGNERS:
            raise RestillError(f"aligner '{name}' is not known; the aligners are: {', '.join(ALIGNERS)}")
        self.name = name
        self._dis: Any = None
        self._search: dict[tuple[int, ...], MotionSearch] = {}

    def field(self, picture: Picture, before: Picture) -> Field:
        """Where each block of a frame is in the frame before."""
        if self.name in ("auto", "source") and picture.vectors is not None and len(picture.vectors):
            chosen = self._of_source(picture, before)
            if self.name == "source" or chosen.wrong <= MAX_WRONG:
                return to_field(chosen.displacement)
        if self.name == "source":
            return np.zeros((*cells(picture.size), 2), np.int16)
        if self.name == "search" and has_x264():
            return to_field(self._of_search(picture, before).displacement)
        return to_field(self._of_dis(picture, before))

    def _of_source(self, picture: Picture, before: Picture) -> _Chosen:
        assert picture.vectors is not None  # noqa: S101
        found = smooth(*displacements(picture.vectors, picture.size, CELL))
        return _or_none(found, picture, before)

    def _of_search(self, picture: Picture, before: Picture) -> _Chosen:
        shape = picture.small.shape
        if shape not in self._search:
            self._search = {shape: MotionSearch(*shape)}
        vectors = self._search[shape].vectors(picture.small, before.small)
        if vectors is None:
            return _Chosen(np.zeros((*cells(picture.size), 2), np.float32), 0.0)
        found = smooth(*displacements(vectors, (shape[0], shape[1]), SMALL_CELL))
        return _or_none(_at_cells(found, picture), picture, before)

    def _of_dis(self, picture: Picture, before: Picture) -> np.ndarray:
        self._dis = self._dis or make_dis()
        return _at_cells(dis_flow(self._dis, picture.opened, before.opened), picture)


def _at_cells(found: np.ndarray, picture: Picture) -> np.ndarray:
    """Displacements in pixels of the small picture, resized to the blocks of the frame and its pixels."""
    rows, columns = cells(picture.size)
    if found.shape[:2] != (rows, columns):
        larger = found.shape[0] > rows
        found = cv2.resize(found, (columns, rows), interpolation=cv2.INTER_AREA if larger else cv2.INTER_LINEAR)
    (height, width), (h, w) = picture.size, picture.small.shape
    return found * np.array([width / w, height / h], np.float32)


def _or_none(found: np.ndarray, picture: Picture, before: Picture) -> _Chosen:
    """Each block's displacement, or none where that fits the small pictures better.

    Args:
        found: (rows, columns, 2) float32, pixels of the frame.
        picture, before: The two frames.
    """
    if not found.any():
        return _Chosen(found, 0.0)
    h, w = picture.small.shape
    smaller = np.array([w / picture.size[1], h / picture.size[0]], np.float32)
    position = cv2.resize(found * smaller, (w, h), interpolation=cv2.INTER_NEAREST)
    cv2.add(position, _grid(h, w), dst=position)
    moved = cv2.remap(before.opened, position, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    costs = [
        cv2.resize(cv2.blur(cv2.absdiff(other, picture.opened), (SIDE, SIDE)), found.shape[1::-1]).astype(np.int16)
        for other in (moved, before.opened)
    ]
    gain = costs[0] - costs[1]  # levels by which no motion fits better
    found[gain > 0] = 0
    return _Chosen(found, float(np.mean(gain > CLEARLY)))


@lru_cache(maxsize=4)
def _grid(height: int, width: int) -> np.ndarray:
    """(h, w, 2) float32: the (x, y) of every pixel."""
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
