"""Dense inverse search (DIS) optical flow."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np


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


def dis_flow(dis: Any, reference: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Estimate where each pixel of the reference is in another picture.

    Args:
        dis: From :func:`make_dis`.
        reference: (h, w) uint8.
        other: (h, w) uint8.

    Returns:
        (h, w, 2) float32 displacement (x, y) in pixels of these pictures.
    """
    return dis.calc(reference, other, None)


def warp(frame: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Warp a frame backward with bilinear interpolation and clamped borders: out(x) = frame(x + flow(x)).

    Args:
        frame: (H, W) or (H, W, 3), uint8, uint16 or float32.
        flow: (h, w, 2) float32 from :func:`dis_flow`, resized to (H, W) here.

    Returns:
        An array like the frame.
    """
    height, width = frame.shape[:2]
    h, w = flow.shape[:2]
    larger: Any = (width / w, height / h, 0, 0)  # an OpenCV scalar: one number for each channel
    position = cv2.resize(cv2.multiply(flow, larger), (width, height), interpolation=cv2.INTER_LINEAR)
    position += np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    return cv2.remap(frame, position, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
