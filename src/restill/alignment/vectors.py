"""Fields from the motion vectors of a video codec."""

from __future__ import annotations

import cv2
import numpy as np

LARGEST_BLOCK = 64  # pixels; wrong vectors may claim any size


def displacements(vectors: np.ndarray, size: tuple[int, int], cell: int) -> tuple[np.ndarray, np.ndarray]:
    """Spread a codec's vectors over cells.

    Args:
        vectors: FFmpeg's motion vectors of one frame (AVMotionVector), a structured array. Vectors to later frames are
            left out.
        size: (height, width) of the frame, pixels.
        cell: Side of a cell, pixels.

    Returns:
        (rows, columns, 2) float32 displacement (x, y) in pixels, and (rows, columns) bool, where it is known.
    """
    rows, columns, more = -(-size[0] // cell), -(-size[1] // cell), -(-LARGEST_BLOCK // cell)
    found = np.zeros((rows + more, columns + more, 2), np.float32)  # a block may reach out of the frame
    known = np.zeros((rows + more, columns + more), bool)
    top = (vectors["dst_y"].astype(np.int32) - vectors["h"] // 2) // cell
    left = (vectors["dst_x"].astype(np.int32) - vectors["w"] // 2) // cell
    good = (vectors["source"] < 0) & (vectors["w"] <= LARGEST_BLOCK) & (vectors["h"] <= LARGEST_BLOCK)
    good &= (top >= 0) & (top < rows) & (left >= 0) & (left < columns)
    vectors, top, left = vectors[good], top[good], left[good]
    scale = np.maximum(vectors["motion_scale"], 1).astype(np.float32)
    motion = np.stack([vectors["motion_x"] / scale, vectors["motion_y"] / scale], axis=1)
    high, wide = vectors["h"], vectors["w"]
    for dy in range(0, int(high.max(initial=0)), cell):
        for dx in range(0, int(wide.max(initial=0)), cell):
            part = (high > dy) & (wide > dx)
            place = top[part] + dy // cell, left[part] + dx // cell
            found[place], known[place] = motion[part], True
    return found[:rows, :columns], known[:rows, :columns]


def smooth(found: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fill unknown cells from those around them, and replace each by the median of 3x3.

    Args:
        found: (rows, columns, 2) float32 from :func:`displacements`; changed in place.
        known: (rows, columns) bool.
    """
    if not known.all():
        weight = cv2.blur(known.astype(np.float32), (9, 9))
        around = cv2.blur(found * known[..., None], (9, 9)) / np.maximum(weight, 1e-6)[..., None]
        found[~known] = around[~known]
    return np.dstack([cv2.medianBlur(np.ascontiguousarray(found[..., axis]), 3) for axis in (0, 1)])
