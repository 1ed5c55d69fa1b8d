"""Detect rain that falls sideways, which means that the camera was mounted on its side.

A pixel that is brighter than in both aligned neighbors is rain or an alignment error. Rain adds bright thin lines in
one direction, anywhere in the frame. Alignment errors are as often darker, and occur at edges. In each cell of the
frame, this module counts horizontal, vertical and dark horizontal lines in smooth parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np

from restill.alignment import luma_of
from restill.alignment.dis import dis_flow, make_dis, warp
from restill.planes import F, Frame, Planes

SIDEWAYS = (
    "note: the rain seems to fall sideways; if the camera was mounted on its side, add --rotate 90 or --rotate 270 "
    "(degrees clockwise), because the networks expect rain that falls down"
)
FRAMES, STEP = 19, 2  # frames to examine; every second one is compared with its neighbors
SIDE = 320  # pixels of the longer side of the examined pictures
CELLS = 8  # cells along each side of the frame
MIN_CHANGE = 8  # levels of 255; smaller changes are not rain
MAX_EDGE = 40  # the largest result of Sobel's operator in a smooth part
MIN_ENERGY, MIN_COHERENCE = 20.0, 0.5  # of a line: gradient energy, and the share of it in one direction
MIN_DENSITY = 1e-3  # share of line pixels in a cell with rain
MIN_SMOOTH = 0.1  # share of a cell that must be smooth, or it is ignored
MIN_CELLS = 0.2  # share of the smooth cells in which rain must fall sideways
_SPECKS = np.ones((3, 3), np.uint8)


class Lines(NamedTuple):
    """The share of each cell that each kind of line covers, (CELLS, CELLS) each."""

    horizontal: np.ndarray
    vertical: np.ndarray
    dark: np.ndarray  # horizontal, and darker than the neighbors
    smooth: np.ndarray


def watched(frames: Iterator[F], tell: Callable[[], object]) -> Iterator[F]:
    """Pass frames on, and call a function once if the first of them show rain that falls sideways.

    Args:
        frames: (H, W, 3) RGB, uint8 or uint16; or planes.
        tell: Called once, or never.
    """
    pictures: list[np.ndarray] = []
    for frame in frames:
        if len(pictures) < FRAMES:
            pictures.append(_small(frame))
            if len(pictures) == FRAMES and _sideways(pictures):
                tell()
        yield frame
    if len(pictures) < FRAMES and _sideways(pictures):
        tell()


def _sideways(pictures: list[np.ndarray]) -> bool:
    """Whether rain falls sideways in these small gray pictures, (h, w) uint8 each."""
    dis = make_dis()
    found = [_lines(dis, *pictures[t - 1 : t + 2]) for t in range(1, len(pictures) - 1, STEP)]
    if not found:
        return False
    horizontal, vertical, dark, smooth = (np.mean(parts, axis=0) for parts in zip(*found, strict=True))
    seen = smooth > MIN_SMOOTH
    raining = (horizontal > MIN_DENSITY) & (horizontal > 2 * vertical) & (horizontal > 3 * dark)
    return bool(seen.any() and horizontal.sum() > 2 * vertical.sum() and raining[seen].mean() > MIN_CELLS)


def _small(frame: Frame) -> np.ndarray:
    """Return a small gray picture (h, w) uint8."""
    gray = frame.y if isinstance(frame, Planes) else luma_of(frame)
    factor = min(1.0, SIDE / max(gray.shape))
    size = [max(32, round(side * factor)) for side in gray.shape[::-1]]
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA)


def _lines(dis: Any, before: np.ndarray, picture: np.ndarray, after: np.ndarray) -> Lines:
    """Find the lines in a picture (h, w) uint8 that neither neighbor has."""
    center = cv2.morphologyEx(picture, cv2.MORPH_OPEN, _SPECKS)
    aligned = []
    for other in (before, after):
        flow = dis_flow(dis, center, cv2.morphologyEx(other, cv2.MORPH_OPEN, _SPECKS))
        aligned.append(warp(other, flow))
    brighter, darker = cv2.max(*aligned), cv2.min(*aligned)
    scene = cv2.GaussianBlur(brighter, (0, 0), 1)
    across, down = (cv2.convertScaleAbs(cv2.Sobel(scene, cv2.CV_16S, x, 1 - x)) for x in (1, 0))
    smooth = cv2.dilate(cv2.max(across, down), np.ones((7, 7), np.uint8)) < MAX_EDGE
    horizontal, vertical = _directions(cv2.subtract(picture, brighter), smooth)
    dark, _ = _directions(cv2.subtract(darker, picture), smooth)
    return Lines(horizontal, vertical, dark, _cells(smooth))


def _directions(change: np.ndarray, smooth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares of horizontal and vertical lines (within 30 degrees) per cell, by the structure tensor."""
    change = cv2.GaussianBlur(cv2.subtract(change, np.full_like(change, MIN_CHANGE)), (0, 0), 1).astype(np.float32)
    x, y = cv2.Sobel(change, cv2.CV_32F, 1, 0), cv2.Sobel(change, cv2.CV_32F, 0, 1)
    xx, yy, xy = (cv2.boxFilter(product, -1, (9, 9)) for product in (x * x, y * y, x * y))
    energy = xx + yy
    line = (energy > MIN_ENERGY) & (np.hypot(xx - yy, 2 * xy) > MIN_COHERENCE * energy) & smooth
    angle = np.abs(np.degrees(np.arctan2(2 * xy, xx - yy))) / 2  # of the gradient: across a line
    return _cells(line & (angle > 60)), _cells(line & (angle < 30))


def _cells(mask: np.ndarray) -> np.ndarray:
    return cv2.resize(mask.astype(np.float32), (CELLS, CELLS), interpolation=cv2.INTER_AREA)
