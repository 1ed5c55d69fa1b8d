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
    rows, columns = -(-size[0] // cell), -(-size[1] // cell)
    found = np.zeros((rows, columns, 2), np.float32)
    known = np.zeros((rows, columns), bool)
    vectors = vectors[(vectors["source"] < 0) & (vectors["w"] <= LARGEST_BLOCK) & (vectors["h"] <= LARGEST_BLOCK)]
    scale = np.maximum(vectors["motion_scale"], 1).astype(np.float32)
    motion = np.stack([vectors["motion_x"] / scale, vectors["motion_y"] / scale], axis=1)
    corner = [vectors[f"dst_{axis}"].astype(np.intp) - vectors[side] // 2 for axis, side in (("y", "h"), ("x", "w"))]
    top, left = (place // cell for place in corner)
    for dy in range(-(-int(vectors["h"].max(initial=0)) // cell)):
        for dx in range(-(-int(vectors["w"].max(initial=0)) // cell)):
            y, x = top + dy, left + dx
            inside = (dy * cell < vectors["h"]) & (dx * cell < vectors["w"])
            inside &= (y >= 0) & (y < rows) & (x >= 0) & (x < columns)
            found[y[inside], x[inside]] = motion[inside]
            known[y[inside], x[inside]] = True
    return found, known


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
