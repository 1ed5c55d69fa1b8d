"""Neighbouring frames brought onto the centre frame by dense inverse search (DIS) optical flow: no network, no torch.

Training and the runtime both call this file, so that a student sees at work what it saw in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

FLOW_SCALE = 2  # flow is estimated at half size: 0.65 ms a pair at 640x480 instead of 3, and the same quality to the eye


def make_dis() -> Any:
    """A DIS estimator (preset fast), the one Restill uses everywhere. Not safe to share between threads."""
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)


def flow_picture(frame: np.ndarray) -> np.ndarray:
    """The grey half-size picture that flow is estimated on.

    Args:
        frame: (H, W, 3) RGB, uint8, or uint16 (its upper eight bits are used).

    Returns:
        (ceil(H/2), ceil(W/2)) uint8, at least 16 pixels on a side (DIS needs that many).
    """
    if frame.dtype == np.uint16:
        frame = (frame >> 8).astype(np.uint8)
    height, width = frame.shape[:2]
    size = (max(16, -(-width // FLOW_SCALE)), max(16, -(-height // FLOW_SCALE)))
    return cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)


def dis_flow(dis: Any, reference: np.ndarray, neighbour: np.ndarray) -> np.ndarray:
    """Where each pixel of the reference is found in the neighbour.

    Args:
        dis: From :func:`make_dis`.
        reference: From :func:`flow_picture`, (h, w) uint8.
        neighbour: The same of the other frame.

    Returns:
        (h, w, 2) float32 displacement (x, y) in half-size pixels.
    """
    return dis.calc(reference, neighbour, None)


def warp(frame: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Backward bilinear warp, borders clamped: out(x) = frame(x + flow(x)).

    Args:
        frame: (H, W, 3), uint8, uint16 or float32.
        flow: (h, w, 2) float32 from :func:`dis_flow`, resized to (H, W) here.

    Returns:
        (H, W, 3) of the frame's dtype.
    """
    height, width = frame.shape[:2]
    h, w = flow.shape[:2]
    full = cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR)
    map_x = full[..., 0] * (width / w) + np.arange(width, dtype=np.float32)
    map_y = full[..., 1] * (height / h) + np.arange(height, dtype=np.float32)[:, None]
    return cv2.remap(frame, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


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
    return [
        frame if picture is pictures[centre] else warp(frame, dis_flow(dis, pictures[centre], picture))
        for frame, picture in zip(frames, pictures, strict=True)
    ]
