"""A frame in 8 bits with 4:2:0 chroma, as nearly all video files store it.

A student that takes planes restores such a frame without a conversion to RGB. No torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import cv2
import numpy as np

# full-range RGB to luma and chroma by BT.601, as JPEG files store them (ITU-T T.871): Y, Cb and Cr of R, G and B
LUMA = (0.299, 0.587, 0.114)
TO_CHROMA = np.array([[-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
TO_RGB = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]])
GRAY = 128  # the chroma of a gray pixel
WHITE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(np.float32): 1}  # of RGB frames


@dataclass(frozen=True)
class Planes:
    """One frame.

    Attributes:
        y: Luma, (H, W) uint8, H and W even.
        u: Blue chroma, (H/2, W/2) uint8.
        v: Red chroma, (H/2, W/2) uint8.
        full: Luma has values 0 to 255; otherwise 16 to 235, and chroma 16 to 240.
        vectors: The motion vectors that the decoder gave, or None.
    """

    y: np.ndarray
    u: np.ndarray
    v: np.ndarray
    full: bool = False
    vectors: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        height, width = self.y.shape
        return height, width

    @property
    def ranges(self) -> tuple[float, float, int]:
        """The factors by which luma and chroma are multiplied for a full range, and the level of black."""
        return (1.0, 1.0, 0) if self.full else (255 / 219, 255 / 224, 16)

    def each(self, change: Callable[[np.ndarray], np.ndarray]) -> Planes:
        """The frame with each plane changed by a function; without the vectors."""
        y, u, v = (np.ascontiguousarray(change(plane)) for plane in (self.y, self.u, self.v))
        return replace(self, y=y, u=u, v=v, vectors=None)


Frame = np.ndarray | Planes
F = TypeVar("F", np.ndarray, Planes)  # frames of one kind: (H, W, 3) RGB, or planes


def planes_of(frame: np.ndarray) -> Planes:
    """Convert a frame (H, W, 3) RGB uint8, H and W even, to planes of full range."""
    height, width = frame.shape[:2]
    half = cv2.resize(frame, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    chroma = cv2.transform(half, np.column_stack([TO_CHROMA, [GRAY, GRAY]]))  # (H/2, W/2, 2)
    u, v = cv2.split(chroma)
    return Planes(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), u, v, full=True)
