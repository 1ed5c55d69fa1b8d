"""Neighbouring frames brought onto the centre frame by dense inverse search (DIS) optical flow: no network, no torch.

Training and the runtime both call this file, so that a student sees at work what it saw in training.
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

# Flow is estimated on a small picture, at half size or less: benchmarks/flow.py says what the choices here cost and
# bring.
FLOW_LINES = 240  # of that picture, or up to a half more
BRIGHT_STREAKS = np.ones((1, 3), np.uint8)  # what is bright and narrower than this goes: it does not move as the scene
LEAST_SIDE = 32  # OpenCV 5.0 writes beyond its memory where a wide picture is lower, and the process ends


def make_dis() -> Any:
    """A DIS estimator, the one Restill uses everywhere. Not safe to share between threads.

    OpenCV is set to one thread for the whole process: DIS cuts the picture into as many stripes as OpenCV has threads
    and its answer depends on the stripes, so that on any other number the same clip would come out differently on
    another machine. The cores are not idle: the network, the decoder and the encoder use them meanwhile.
    """
    cv2.setNumThreads(1)
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    # one level finer than the preset, on fewer patches and without its refinement: as fast, and better
    dis.setFinestScale(1)
    dis.setPatchStride(6)
    dis.setGradientDescentIterations(8)
    dis.setVariationalRefinementIterations(0)
    return dis


def flow_picture(frame: np.ndarray) -> np.ndarray:
    """The small gray picture that flow is estimated on, without narrow bright streaks.

    Args:
        frame: (H, W, 3) RGB: uint8, uint16 (its upper eight bits are used), or float32 in [0, 1].

    Returns:
        (ceil(H/n), ceil(W/n)) uint8, at least :data:`LEAST_SIDE` pixels on a side; n is 2, and more for a frame of
        which half the shorter side is well above :data:`FLOW_LINES`.
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
    """Where each pixel of the reference is found in the neighbour.

    Args:
        dis: From :func:`make_dis`.
        reference: From :func:`flow_picture`, (h, w) uint8.
        neighbour: The same of the other frame.

    Returns:
        (h, w, 2) float32 displacement (x, y) in pixels of these pictures.
    """
    return dis.calc(reference, neighbour, None)


@lru_cache(maxsize=4)
def _grid(height: int, width: int) -> np.ndarray:
    """(H, W, 2) float32: the (x, y) of every pixel."""
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)


def warp(frame: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Backward bilinear warp, borders clamped: out(x) = frame(x + flow(x)).

    Positions are rounded to 1/32 pixel (OpenCV's fixed-point maps): a third faster than float maps, and on smooth
    pictures at most one gray level of 255 away from them, 0.08 on average.

    Args:
        frame: (H, W, 3), uint8, uint16 or float32.
        flow: (h, w, 2) float32 from :func:`dis_flow`, resized to (H, W) here.

    Returns:
        (H, W, 3) of the frame's dtype.
    """
    height, width = frame.shape[:2]
    h, w = flow.shape[:2]
    larger: Any = (width / w, height / h, 0, 0)  # a scalar of OpenCV's, one number for each channel
    scaled = cv2.multiply(flow, larger)  # (h, w, 2) in pixels of the frame
    position = cv2.resize(scaled, (width, height), interpolation=cv2.INTER_LINEAR)  # (H, W, 2)
    position += _grid(height, width)
    whole, fraction = cv2.convertMaps(position, None, cv2.CV_16SC2)  # type: ignore[call-overload]
    return cv2.remap(frame, whole, fraction, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def align_window(
    dis: Any, frames: Sequence[np.ndarray], pictures: Sequence[np.ndarray], centre: int
) -> list[np.ndarray]:
    """All frames of a window warped onto its centre; the centre itself is untouched.

    Args:
        dis: From :func:`make_dis`.
        frames: K frames (H, W, 3).
        pictures: Their :func:`flow_picture`, made once per frame by the caller.
        centre: Index of the centre.

    Returns:
        K frames (H, W, 3). A frame that is the centre again (edges are replicated) is not warped.
    """
    return [_onto(dis, frame, picture, pictures[centre]) for frame, picture in zip(frames, pictures, strict=True)]


def _onto(dis: Any, frame: np.ndarray, picture: np.ndarray, reference: np.ndarray) -> np.ndarray:
    return frame if picture is reference else warp(frame, dis_flow(dis, reference, picture))


class Aligner:
    """:func:`align_window`, on threads, each with an estimator of its own: the same frames, sooner.

    OpenCV lets go of Python while it works.

    Args:
        neighbours: So many frames are aligned at a time; at most as many as the process may use cores. One: in the
            caller's thread.
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
        """As :func:`align_window`."""
        if self._pool is None:
            return align_window(self._own.dis, frames, pictures, centre)
        reference = pictures[centre]

        def align(frame: np.ndarray, picture: np.ndarray) -> np.ndarray:
            return _onto(self._own.dis, frame, picture, reference)

        return list(self._pool.map(align, frames, pictures))
