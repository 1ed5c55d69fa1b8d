"""Draw pictures as pure functions: colored maps with a scale, enlarged regions, panels side by side.

Everything is NumPy and OpenCV. A picture is (H, W, 3) RGB uint8; a map is (h, w) of floats.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from restill.errors import RestillError

SIDE = (280, 960)  # minimum and maximum width of a panel
GAP = 8  # pixels between panels
PAGE = 2000  # maximum width of a line of panels
SATURATED = 99.5  # percent: a scale that included the few largest values would hide all others
PAPER, INK, MARK = (255, 255, 255), (32, 36, 42), (255, 214, 10)
FONT = cv2.FONT_HERSHEY_SIMPLEX


class Region(NamedTuple):
    """A part of a picture: ``x`` pixels from the left, ``y`` from the top, ``w`` across, ``h`` down."""

    x: int
    y: int
    w: int
    h: int

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """Cut the region out of (H, W, ...)."""
        return picture[self.y : self.y + self.h, self.x : self.x + self.w]


def parse_region(text: str) -> Region:
    """Parse a region from the command line.

    Raises:
        RestillError: If it is not four whole numbers, or is empty.

    >>> parse_region("10,20,64,48")
    Region(x=10, y=20, w=64, h=48)
    """
    try:
        region = Region(*(int(part) for part in text.split(",")))
    except (ValueError, TypeError):
        raise RestillError(f"region '{text}' must be x,y,w,h in pixels, such as 120,80,96,72") from None
    if region.w < 1 or region.h < 1:
        raise RestillError(f"region '{text}' has no pixels: its width and height must be 1 or more")
    return region


def error_map(picture: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """The difference of each pixel from the clean one: |picture - clean|, the mean over channels.

    Args:
        picture: (H, W, 3) uint8.
        clean: The same shape.

    Returns:
        (H, W) float32, gray levels of 255.

    >>> error_map(np.array([[[10, 20, 30]]], np.uint8), np.array([[[13, 20, 24]]], np.uint8)).tolist()
    [[3.0]]
    """
    return np.abs(picture.astype(np.float32) - clean.astype(np.float32)).mean(axis=2)


def common_scale(maps: Iterable[np.ndarray]) -> tuple[float, float]:
    """One scale for several maps: from 0 to the largest of their 99.5th percentiles.

    Args:
        maps: (h, w) each, 0 or more.

    >>> common_scale([np.full((4, 4), 3.0), np.full((4, 4), 5.0)])
    (0.0, 5.0)
    """
    high = max(float(np.percentile(values, SATURATED)) for values in maps)
    return 0.0, max(high, 1e-12)


def colored(values: np.ndarray, scale: tuple[float, float]) -> np.ndarray:
    """Color a map from black over red to pale yellow ("inferno"); values beyond the scale are clipped.

    Args:
        values: (h, w).
        scale: What is black, and what is pale yellow.

    Returns:
        (h, w, 3) RGB uint8.
    """
    low, high = scale
    level = np.rint(np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(level, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)


def color_bar(width: int, scale: tuple[float, float], unit: str) -> np.ndarray:
    """The legend of :func:`colored`: the colors from left to right, the values under them.

    Args:
        width: Columns.
        scale: As :func:`colored` got it.
        unit: What the values are, in a few words.

    Returns:
        (52, width, 3) RGB uint8.
    """
    low, high = scale
    colors = colored(np.broadcast_to(np.linspace(low, high, width), (14, width)), scale)
    bar = np.concatenate([colors, _blank(38, width)])
    words = [f"{low:.4g}", f"{(low + high) / 2:.4g}", f">= {high:.4g}"]
    places = [0, width // 2 - _width(words[1]) // 2, width - _width(words[2])]
    for word, x in zip(words, places, strict=True):
        _write(bar, word, (x, 29))
    _write(bar, _shortened(unit, width), (0, 46))
    return bar


def temporal_profile(frames: Iterable[np.ndarray], row: int) -> np.ndarray:
    """One row of a clip over time: still objects are vertical lines, flicker and rain are dots.

    Args:
        frames: T times (H, W, 3).
        row: Which line of them.

    Returns:
        (T, W, 3), the first frame on top.
    """
    return np.stack([frame[row].copy() for frame in frames])


def fitted(picture: np.ndarray, least: int = SIDE[0]) -> np.ndarray:
    """Fit a picture to a panel: enlarge a small one by a whole factor (no new values), average a large one."""
    height, width = picture.shape[:2]
    most = SIDE[1]
    if width < least:
        factor = -(-least // width)
        return picture.repeat(factor, axis=0).repeat(factor, axis=1)
    if width > most:
        return cv2.resize(picture, (most, max(1, round(height * most / width))), interpolation=cv2.INTER_AREA)
    return picture


def stretched(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Enlarge a map to (height, width), each value as a block: no new values."""
    return cv2.resize(values, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def outlined(picture: np.ndarray, region: Region, row: int | None = None) -> np.ndarray:
    """Return a copy with a box around a region, and a row marked by ticks at both sides."""
    marked = picture.copy()
    thick = max(1, round(picture.shape[1] / 320))
    corners = (region.x, region.y), (region.x + region.w - 1, region.y + region.h - 1)
    cv2.rectangle(marked, *corners, MARK, thick)
    if row is not None:
        tick = max(2, picture.shape[1] // 40)
        marked[row : row + thick, :tick] = marked[row : row + thick, -tick:] = MARK
    return marked


def labeled(picture: np.ndarray, label: str) -> np.ndarray:
    """Add a line of text under a picture; a text that is too long loses its beginning."""
    words = _blank(24, picture.shape[1])
    _write(words, _shortened(label, picture.shape[1]), (0, 17))
    return np.concatenate([picture, words])


def beside(panels: Sequence[np.ndarray], foot: np.ndarray | None = None) -> np.ndarray:
    """Arrange panels in lines of at most :data:`PAGE` columns, on white.

    Args:
        panels: (h, w, 3) uint8, of any sizes.
        foot: What comes under all of them.

    Returns:
        One picture.
    """
    across = max(1, PAGE // (max(panel.shape[1] for panel in panels) + GAP))
    lines = [_joined(panels[i : i + across], axis=1) for i in range(0, len(panels), across)]
    return stacked([*lines, *([] if foot is None else [foot])])


def stacked(panels: Sequence[np.ndarray]) -> np.ndarray:
    """Stack panels vertically, on white."""
    return np.pad(_joined(panels, axis=0), [(GAP, GAP)] * 2 + [(0, 0)], constant_values=255)


def maps_beside(
    maps: dict[str, np.ndarray], unit: str, scale: tuple[float, float], size: tuple[int, int] | None = None
) -> np.ndarray:
    """Color maps on one scale, side by side, with a legend.

    Args:
        maps: By label, (h, w) each.
        unit: What their values are.
        scale: Of all of them, :func:`common_scale`.
        size: (height, width) to show them at, if they have none in common.

    Returns:
        One picture.
    """
    panels = [
        labeled(fitted(colored(values if size is None else stretched(values, size), scale)), label)
        for label, values in maps.items()
    ]
    return beside(panels, color_bar(max(panels[0].shape[1], SIDE[0]), scale, unit))


def _joined(panels: Sequence[np.ndarray], axis: int) -> np.ndarray:
    """Join panels along an axis with gaps; shorter ones are filled with white."""
    side = max(panel.shape[1 - axis] for panel in panels)
    parts = []
    for i, panel in enumerate(panels):
        space = [(0, 0), (0, 0), (0, 0)]
        space[1 - axis] = (0, side - panel.shape[1 - axis])
        space[axis] = (GAP if i else 0, 0)
        parts.append(np.pad(panel, space, constant_values=255))
    return np.concatenate(parts, axis=axis)


def _blank(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), PAPER, np.uint8)


def _width(words: str) -> int:
    return cv2.getTextSize(words, FONT, 0.45, 1)[0][0]


def _write(picture: np.ndarray, words: str, at: tuple[int, int]) -> None:
    cv2.putText(picture, words, at, FONT, 0.45, INK, 1, cv2.LINE_AA)


def _shortened(words: str, width: int) -> str:
    """The end of a text that fits a width, after "..." if it was cut. ASCII only, for OpenCV."""
    words = words.encode("ascii", "replace").decode()
    if _width(words) <= width:
        return words
    while words and _width(f"...{words}") > width:
        words = words[1:]
    return f"...{words}"
