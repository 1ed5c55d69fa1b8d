"""Before and after in one picture."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Literal

import cv2
import numpy as np

from restill.video.pipeline import Process

Layout = Literal["side", "split"]
LAYOUTS = ("side", "split")


def compared(process: Process, layout: Layout) -> Process:
    """A process that shows its input beside its output.

    Args:
        process: What is compared.
        layout: "side" or "split".

    Returns:
        A process with frames of twice the width ("side") or of the same size ("split").
    """

    def side_by_side(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        waiting: deque[np.ndarray] = deque()  # inputs that the process has read ahead

        def remembered() -> Iterator[np.ndarray]:
            for frame in frames:
                waiting.append(frame)
                yield frame

        for after in process(remembered()):
            yield join(waiting.popleft(), after, layout)

    return side_by_side


def join(before: np.ndarray, after: np.ndarray, layout: Layout) -> np.ndarray:
    """Put two pictures (H, W, 3) of one moment together; the first is enlarged to the size of the second."""
    height, width = after.shape[:2]
    if before.shape != after.shape:
        before = cv2.resize(before, (width, height), interpolation=cv2.INTER_CUBIC)
    if layout == "side":
        return np.concatenate([before, after], axis=1)
    middle, line = width // 2, max(1, width // 640)
    joined = after.copy()
    joined[:, :middle] = before[:, :middle]
    joined[:, middle : middle + line] = np.iinfo(after.dtype).max
    return joined
