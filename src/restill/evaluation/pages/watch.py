"""Choose what a page shows of a clip while its frames pass: whole frames, crops, rows over time, numbers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from restill.evaluation.inspection.pictures import Region

INPUT, CLEAN = "input", "clean"
CROPS = 6
CROP = (120, 160)  # (height, width) in pixels
PLACES = 3  # down and across, in each of which one crop is looked for
ROWS = 240  # most frames of a temporal profile

Shown = Mapping[str, np.ndarray]  # by name, (H, W, 3) RGB uint8 of one size


@dataclass(frozen=True)
class Crop:
    """A part of a frame.

    Attributes:
        clip: The name of the clip.
        frame: The number of the frame; the first is 0.
        region: Where it is.
        difference: How far the compared pictures are apart, in gray levels of 255: :func:`most_different`.
        pictures: By name, (h, w, 3) RGB uint8.
    """

    clip: str
    frame: int
    region: Region
    difference: float
    pictures: Shown

    def overlaps(self, other: Crop) -> bool:
        """Whether both show about the same place of the same clip."""
        apart = abs(self.region.x - other.region.x), abs(self.region.y - other.region.y)
        return self.clip == other.clip and apart[0] < self.region.w / 2 and apart[1] < self.region.h / 2


class Watch:
    """Keeps some pictures of a clip. Their number does not grow with the clip.

    Args:
        clip: The name of the clip.
        compared: The names of the pictures to compare, two or more.
        total: The number of frames, if it is known: the temporal profile is then of the middle of the clip.

    Attributes:
        frame: The number of the frame with the largest difference.
        whole: The pictures of that frame.
        first_row: The first frame of the temporal profile.
        numbers: By metric and by name, a value for each frame.
    """

    def __init__(self, clip: str, compared: Sequence[str], total: int | None) -> None:
        self.clip, self.compared = clip, compared
        self.first_row = max(0, ((total or 0) - ROWS) // 2)
        self.frame, self.whole = 0, {}
        self.numbers: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self._largest = -1.0
        self._crops: dict[int, Crop] = {}  # by place, the one with the largest difference
        self._rows: dict[str, list[np.ndarray]] = defaultdict(list)  # (W, 3) each

    def add(self, frame: int, shown: Shown) -> None:
        """Look at the pictures of the next frame."""
        for place, (region, difference) in enumerate(most_different([shown[name] for name in self.compared])):
            if difference > self._largest:
                self._largest, self.frame = difference, frame
                self.whole = {name: picture.copy() for name, picture in shown.items()}
            if place not in self._crops or difference > self._crops[place].difference:
                cut = {name: region.cut(picture).copy() for name, picture in shown.items()}
                self._crops[place] = Crop(self.clip, frame, region, difference, cut)
        if not self._rows:
            self.first_row = max(self.first_row, frame)
        if self.first_row <= frame < self.first_row + ROWS:
            for name, picture in shown.items():
                self._rows[name].append(picture[len(picture) // 2].copy())

    def note(self, metric: str, values: Mapping[str, float]) -> None:
        """Keep a number of each picture of a frame."""
        for name, value in values.items():
            self.numbers[metric][name].append(value)

    @property
    def crops(self) -> list[Crop]:
        """The crops with the largest differences, the largest first."""
        return strongest(self._crops.values())

    @property
    def profiles(self) -> dict[str, np.ndarray]:
        """The middle row over time, (T, W, 3) each."""
        return {name: np.stack(rows) for name, rows in self._rows.items()}


def most_different(pictures: Sequence[np.ndarray]) -> list[tuple[Region, float]]:
    """Find where pictures differ most, in each of 3 x 3 places of the picture; in fewer where it is small.

    The difference of a pixel is the largest luma of all pictures minus the smallest.

    Args:
        pictures: (H, W, 3) RGB uint8, two or more.

    Returns:
        For each place, the region of :data:`CROP`, or of the picture if that is smaller, with the largest difference:
        the root of its mean square over the region, which a few strong streaks raise more than a faint change
        everywhere. The region begins in the place.

    >>> dark, marked = np.zeros((123, 163, 3), np.uint8), np.zeros((123, 163, 3), np.uint8)
    >>> marked[2:122, 1:161] = 51
    >>> [(region[:2], round(difference)) for region, difference in most_different([dark, marked])][6:]
    [((0, 2), 51), ((1, 2), 51), ((2, 2), 51)]
    """
    lumas = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures]  # (H, W)
    spread = np.maximum.reduce(lumas) - np.minimum.reduce(lumas)
    height, width = spread.shape
    h, w = min(CROP[0], height), min(CROP[1], width)
    squares = cv2.sqrBoxFilter(spread, cv2.CV_32F, (w, h), anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    found = []
    for top, bottom in _places(height - h + 1):
        for left, right in _places(width - w + 1):
            _, most, _, (x, y) = cv2.minMaxLoc(squares[top:bottom, left:right])
            found.append((Region(left + x, top + y, w, h), math.sqrt(most)))
    return found


def _places(size: int) -> list[tuple[int, int]]:
    """Cut a range into :data:`PLACES` parts, or into fewer if it is shorter."""
    return list(pairwise(size * i // min(PLACES, size) for i in range(min(PLACES, size) + 1)))


def strongest(crops: Iterable[Crop]) -> list[Crop]:
    """The :data:`CROPS` crops with the largest differences. A place comes again only if there are too few others."""
    kept: list[Crop] = []
    again: list[Crop] = []
    for crop in sorted(crops, key=lambda crop: -crop.difference):
        (again if any(crop.overlaps(other) for other in kept) else kept).append(crop)
    return sorted([*kept, *again][:CROPS], key=lambda crop: -crop.difference)
