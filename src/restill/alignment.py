"""Align neighbouring frames to the centre frame with dense inverse search (DIS) optical flow. Does not import torch.

Training and the runtime both use this file, so a student gets the same input in both.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import local
from typing import Any

import cv2
import numpy as np

# Flow is estimated on a small picture, at half size or less. benchmarks/flow.py measures the choices made here.
FLOW_LINES = 240  # lines of that picture; it may have up to half as many more
BRIGHT_STREAKS = np.ones(
    (1, 3), np.uint8
)  # bright streaks narrower than this are removed: rain does not move like the scene
LEAST_SIDE = 32  # OpenCV 5.0 crashes on wide pictures with fewer lines


def make_dis() -> Any:
    """Create the DIS estimator that Restill uses everywhere. Do not share it between threads.

    This sets OpenCV to one thread for the whole process. DIS cuts the picture into one stripe per thread, and its
    result depends on the stripes: with more threads, results would differ between machines. The network, the decoder
    and the encoder use the other cores.
    """
    cv2.setNumThreads(1)
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    # one level finer than the preset, with fewer patches and no refinement: as fast, and more accurate
    dis.setFinestScale(1)
    dis.setPatchStride(6)
    dis.setGradientDescentIterations(8)
    dis.setVariationalRefinementIterations(0)
    return dis


def flow_picture(frame: np.ndarray) -> np.ndarray:
    """Make the small gray picture that flow is estimated on, without narrow bright streaks.

    Args:
        frame: (H, W, 3) RGB: uint8, uint16 (its upper eight bits are used), or float32 in [0, 1].

    Returns:
        (ceil(H/n), ceil(W/n)) uint8, at least :data:`LEAST_SIDE` pixels on a side; n is 2, or more for
        a frame whose shorter side is well above twice :data:`FLOW_LINES`.
    """
    if frame.dtype == np.uint16:
        frame = (frame >> 8).astype(np.uint8)
    elif frame.dtype == np.float32:
        frame = (np.clip(frame, 0, 1) * 255).astype(np.uint8)
    height, width = frame.shape[:2]
    shrink = max(2, round(min(height, width) / FLOW_LINES))
    size = (max(LEAST_SIDE, -(-width // shrink)), max(LEAST_SIDE, -(-height // shrink)))
    small = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
    return cv2.morphologyEx(small, cv2.MORPH_OPEN, BRIGHT_STREAKS)


def dis_flow(dis: Any, reference: np.ndarray, neighbour: np.ndarray) -> np.ndarray:
    """Estimate where each pixel of the reference is in the neighbour.

    Args:
        dis: From :func:`make_dis`.
        reference: From :func:`flow_picture`, (h, w) uint8.
        neighbour: The picture of the other frame, from the same function.

    Returns:
        (h, w, 2) float32 displacement (x, y) in pixels of these pictures.
    """
    return dis.calc(reference, neighbour, None)


@lru_cache(maxsize=4)
def _grid(height: int, width: int) -> np.ndarray:
    """(H, W, 2) float32: the (x, y) of every pixel."""
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)


def warp(frame: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Warp a frame backward with bilinear interpolation and clamped borders: out(x) = frame(x + flow(x)).

    Positions are rounded to 1/32 pixel (OpenCV's fixed-point maps). This is a third faster than float maps. On smooth
    pictures the results differ by at most one gray level of 255, and by 0.08 on average.

    Args:
        frame: (H, W, 3), uint8, uint16 or float32.
        flow: (h, w, 2) float32 from :func:`dis_flow`, resized to (H, W) here.

    Returns:
        (H, W, 3) of the frame's dtype.
    """
    height, width = frame.shape[:2]
    h, w = flow.shape[:2]
    larger: Any = (width / w, height / h, 0, 0)  # an OpenCV scalar: one number for each channel
    scaled = cv2.multiply(flow, larger)  # (h, w, 2) in pixels of the frame
    position = cv2.resize(scaled, (width, height), interpolation=cv2.INTER_LINEAR)  # (H, W, 2)
    position += _grid(height, width)
    whole, fraction = cv2.convertMaps(position, None, cv2.CV_16SC2)  # type: ignore[call-overload]
    return cv2.remap(frame, whole, fraction, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def align_window(
    dis: Any, frames: Sequence[np.ndarray], pictures: Sequence[np.ndarray], centre: int
) -> list[np.ndarray]:
    """Warp all frames of a window onto its centre frame, which stays as it is.

    Args:
        dis: From :func:`make_dis`.
        frames: K frames (H, W, 3).
        pictures: The :func:`flow_picture` of each frame.
        centre: Index of the centre.

    Returns:
        K frames (H, W, 3). A frame that repeats the centre (at the ends of a clip) is not warped.
    """
    return [_onto(dis, frame, picture, pictures[centre]) for frame, picture in zip(frames, pictures, strict=True)]


def _onto(dis: Any, frame: np.ndarray, picture: np.ndarray, reference: np.ndarray) -> np.ndarray:
    return frame if picture is reference else warp(frame, dis_flow(dis, reference, picture))


class Aligner:
    """Runs :func:`align_window` on several threads, each with its own estimator. The results are the same.

    OpenCV releases the GIL while it works.

    Args:
        neighbours: The number of frames to align at a time; at most the number of cores that the process may use.
            With 1, frames are aligned in the caller's thread.
    """

    def __init__(self, neighbours: int) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        threads = min(neighbours, cores)
        self._own = local()
        self._pool = ThreadPoolExecutor(threads, "restill-align", self._begin) if threads > 1 else None
        if self._pool is None:
            self._begin()

    def _begin(self) -> None:
        self._own.dis = make_dis()

    def window(self, frames: Sequence[np.ndarray], pictures: Sequence[np.ndarray], centre: int) -> list[np.ndarray]:
        """Align a window; see :func:`align_window`."""
        if self._pool is None:
            return align_window(self._own.dis, frames, pictures, centre)
        reference = pictures[centre]

        def align(frame: np.ndarray, picture: np.ndarray) -> np.ndarray:
            return _onto(self._own.dis, frame, picture, reference)

        return list(self._pool.map(align, frames, pictures))
