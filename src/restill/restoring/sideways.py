"""Whether rain falls sideways through a clip, as before a camera that was mounted on its side.

What is brighter than both aligned neighbors is rain, or was aligned wrongly. Rain only adds light, in thin lines of one
direction, anywhere in the frame. What was aligned wrongly is as often darker, and lies at edges. So lines are counted
where the picture is smooth, in cells of the frame: those that lie, those that stand, and the dark ones that lie.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np

from restill.alignment import dis_flow, make_dis, warp

SIDEWAYS = (
    "note: the rain seems to fall sideways, as before a camera that was mounted on its side; if so, add --rotate 90 or "
    "--rotate 270 (degrees clockwise), since a network learns that rain falls down"
)
NEEDED, APART = 19, 2  # so many frames are looked at, and of these every second one with its neighbors
SIDE = 320  # pixels of the longer side of the pictures that are looked at
CELLS = 8  # on each side of the frame
FAINT = 8  # levels of 255 that are no rain yet
EDGE = 40  # of a smooth part: the most that Sobel's operator gives
STRONG, ALIKE = 20.0, 0.5  # of a line: energy of its gradients, and the least share that has one direction
DENSE = 1e-3  # share of a cell that is lines, where it rains
SEEN = 0.1  # of a cell must be smooth for it to count
SHARE = 0.2  # of the smooth cells where rain falls sideways
_SPECKS = np.ones((3, 3), np.uint8)


class Lines(NamedTuple):
    """Shares of each cell, (CELLS, CELLS) each."""

    lying: np.ndarray
    standing: np.ndarray
    dark: np.ndarray  # lying, and darker than the neighbors
    smooth: np.ndarray


def watched(frames: Iterator[np.ndarray], tell: Callable[[], object]) -> Iterator[np.ndarray]:
    """The same frames; after the first of them a function is called if rain falls from side to side in them.

    Args:
        frames: (H, W, 3) RGB, uint8 or uint16.
        tell: Called once, or never.
    """
    pictures: list[np.ndarray] = []
    for frame in frames:
        if len(pictures) < NEEDED:
            pictures.append(_small(frame))
            if len(pictures) == NEEDED and _sideways(pictures):
                tell()
        yield frame
    if len(pictures) < NEEDED and _sideways(pictures):
        tell()


def _sideways(pictures: list[np.ndarray]) -> bool:
    """Whether rain falls from side to side in these small gray pictures, (h, w) uint8 each."""
    dis = make_dis()
    found = [_lines(dis, *pictures[t - 1 : t + 2]) for t in range(1, len(pictures) - 1, APART)]
    if not found:
        return False
    lying, standing, dark, smooth = (np.mean(parts, axis=0) for parts in zip(*found, strict=True))
    seen = smooth > SEEN
    raining = (lying > DENSE) & (lying > 2 * standing) & (lying > 3 * dark)
    return bool(seen.any() and lying.sum() > 2 * standing.sum() and raining[seen].mean() > SHARE)


def _small(frame: np.ndarray) -> np.ndarray:
    """A small gray picture (h, w) uint8."""
    if frame.dtype == np.uint16:
        frame = (frame >> 8).astype(np.uint8)
    gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    factor = min(1.0, SIDE / max(gray.shape))
    size = [max(32, round(side * factor)) for side in gray.shape[::-1]]
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA)


def _lines(dis: Any, before: np.ndarray, picture: np.ndarray, after: np.ndarray) -> Lines:
    """The lines that are in a picture (h, w) uint8 and in neither of its neighbors."""
    center = cv2.morphologyEx(picture, cv2.MORPH_OPEN, _SPECKS)
    aligned = []
    for other in (before, after):
        flow = dis_flow(dis, center, cv2.morphologyEx(other, cv2.MORPH_OPEN, _SPECKS))
        aligned.append(warp(cv2.merge([other] * 3), flow)[..., 0])
    brighter, darker = cv2.max(*aligned), cv2.min(*aligned)
    scene = cv2.GaussianBlur(brighter, (0, 0), 1)
    across, down = (cv2.convertScaleAbs(cv2.Sobel(scene, cv2.CV_16S, x, 1 - x)) for x in (1, 0))
    smooth = cv2.dilate(cv2.max(across, down), np.ones((7, 7), np.uint8)) < EDGE
    lying, standing = _directions(cv2.subtract(picture, brighter), smooth)
    dark, _ = _directions(cv2.subtract(darker, picture), smooth)
    return Lines(lying, standing, dark, _cells(smooth))


def _directions(change: np.ndarray, smooth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of each cell that are lines which lie or stand, within 30 degrees, by the structure tensor."""
    change = cv2.GaussianBlur(cv2.subtract(change, np.full_like(change, FAINT)), (0, 0), 1).astype(np.float32)
    x, y = cv2.Sobel(change, cv2.CV_32F, 1, 0), cv2.Sobel(change, cv2.CV_32F, 0, 1)
    xx, yy, xy = (cv2.boxFilter(product, -1, (9, 9)) for product in (x * x, y * y, x * y))
    energy = xx + yy
    line = (energy > STRONG) & (np.hypot(xx - yy, 2 * xy) > ALIKE * energy) & smooth
    angle = np.abs(np.degrees(np.arctan2(2 * xy, xx - yy))) / 2  # of the gradient: across a line
    return _cells(line & (angle > 60)), _cells(line & (angle < 30))


def _cells(mask: np.ndarray) -> np.ndarray:
    return cv2.resize(mask.astype(np.float32), (CELLS, CELLS), interpolation=cv2.INTER_AREA)
