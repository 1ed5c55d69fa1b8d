"""Frames that show the input beside the result."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Literal

import cv2
import numpy as np

from restill.planes import Frame, Planes
from restill.video.pipeline import Process

Layout = Literal["side", "split", "stack"]
LAYOUTS = ("side", "split", "stack")


def compared(process: Process, layout: Layout) -> Process:
    """Wrap a process, so that its frames show the input beside the output.

    Args:
        process: The process.
        layout: "side", "split" or "stack".

    Returns:
        A process with frames of twice the width ("side"), of the same size ("split"), or of twice the height ("stack").
        Only a "stack" takes planes.
    """

    def side_by_side(frames: Iterator[Frame]) -> Iterator[Frame]:
        waiting: deque[Frame] = deque()  # inputs that the process has read ahead

        def read_and_store() -> Iterator[Frame]:
            for frame in frames:
                waiting.append(frame)
                yield frame

        for after in process(read_and_store()):
            before = waiting.popleft()
            if isinstance(before, Planes) or isinstance(after, Planes):
                assert isinstance(before, Planes)  # noqa: S101
                assert isinstance(after, Planes)  # noqa: S101
                yield stack_planes(before, after)
            else:
                yield join(before, after, layout)

    return side_by_side


def stack_planes(before: Planes, after: Planes) -> Planes:
    """Put the planes of the input above those of the result."""
    y, u, v = (np.concatenate([getattr(before, name), getattr(after, name)]) for name in "yuv")
    return Planes(y, u, v, after.full)


def join(before: np.ndarray, after: np.ndarray, layout: Layout) -> np.ndarray:
    """Join the input and the result of a frame, (H, W, 3) each; the input is enlarged to the size of the result.

    In a "stack", each of the two gets an even number of lines, so that both have their own chroma in 4:2:0.
    """
    height, width = after.shape[:2]
    if before.shape != after.shape:
        before = cv2.resize(before, (width, height), interpolation=cv2.INTER_CUBIC)
    if layout == "side":
        return np.concatenate([before, after], axis=1)
    if layout == "stack":
        odd = ((0, height % 2), (0, 0), (0, 0))
        return np.concatenate([np.pad(half, odd, mode="edge") if height % 2 else half for half in (before, after)])
    middle, line = width // 2, max(1, width // 640)
    joined = after.copy()
    joined[:, :middle] = before[:, :middle]
    joined[:, middle : middle + line] = np.iinfo(after.dtype).max
    return joined
