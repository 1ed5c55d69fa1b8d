"""Temporal consistency: does a restored clip flicker? Warping error, tOF and the temporal profile. No PyTorch.

All flow is dense inverse search (OpenCV's DIS, preset medium, at full size, one thread) between gray 8-bit frames. The
page ``docs/temporal.md`` says what the numbers can and cannot tell.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from restill.errors import RestillError
from restill.evaluation.inspection.pictures import labeled, stacked, temporal_profile
from restill.evaluation.protocols import Protocol

MEANING = (
    "temporal: warping error of consecutive frames along the clean clip's flow, without what is hidden or lies on "
    "motion boundaries; tOF in pixels; profile: the middle row over time"
)
SMALLEST = 16  # pixels on a side, for DIS


def make_flow() -> Any:
    """Make the DIS flow estimator. Sets OpenCV to one thread, because DIS depends on the number of threads."""
    cv2.setNumThreads(1)
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)


def occluded(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Where a frame shows parts that the other one hides, by forward-backward consistency (Lai et al., ECCV 2018, 4.1).

    With f the flow at x and b the other one where f leads: |f + b|^2 > 0.01 (|f|^2 + |b|^2) + 0.5. What leads out of
    the picture is hidden too.

    Args:
        forward: (H, W, 2) float32, (x, y) in pixels, from the frame to the other.
        backward: The same, from the other to the frame.

    Returns:
        (H, W) bool.
    """
    height, width = forward.shape[:2]
    back = warped(backward, forward)  # (H, W, 2)
    x, y = cv2.split(_positions(forward))  # (H, W) each
    outside = (x < 0) | (y < 0) | (x > width - 1) | (y > height - 1)
    return outside | (_square(forward + back) > 0.01 * (_square(forward) + _square(back)) + 0.5)


def motion_boundaries(flow: np.ndarray) -> np.ndarray:
    """Where motion is discontinuous and flow is unreliable: |grad f|^2 > 0.01 |f|^2 + 0.002, of both components.

    Gradients are differences to the next pixel, 0 at the last one (as the code of Lai et al. has them).

    Args:
        flow: (H, W, 2) float32.

    Returns:
        (H, W) bool.

    >>> flow = np.zeros((3, 4, 2), np.float32)
    >>> flow[:, 2:, 0] = 1
    >>> motion_boundaries(flow)[0].tolist()
    [False, True, False, False]
    """
    gradient = np.zeros(flow.shape[:2], np.float64)
    gradient[:, :-1] += _square(flow[:, 1:] - flow[:, :-1])
    gradient[:-1] += _square(flow[1:] - flow[:-1])
    return gradient > 0.01 * _square(flow) + 0.002


def warping_error(frame: np.ndarray, before: np.ndarray, flow: np.ndarray, mask: np.ndarray) -> float:
    """The difference between a frame and the warped previous one: sum M |y_t - warp(y_{t-1})|^2 / sum M.

    Args:
        frame: y_t, (H, W, 3) uint8.
        before: y_{t-1}, the same.
        flow: (H, W, 2) float32: where each pixel of the frame was before.
        mask: M, (H, W) bool: the pixels that count.

    Returns:
        The mean over these pixels and the channels of the squared difference of values in [0, 1]; nan if none counts.

    >>> dark = np.full((16, 16, 3), 100, np.uint8)
    >>> still, everywhere = np.zeros((16, 16, 2), np.float32), np.ones((16, 16), bool)
    >>> round(warping_error(dark + np.uint8(51), dark, still, everywhere), 6)  # (51 / 255)^2
    0.04
    """
    if not mask.any():
        return float("nan")
    difference = frame.astype(np.float64) - warped(before.astype(np.float32), flow)
    return float(np.mean(difference[mask] ** 2) / 255**2)


def flow_difference(flow: np.ndarray, truth: np.ndarray) -> float:
    """tOF of one frame (after Chu et al., TOG 2020): the mean over pixels of |f - f_truth|_1, in pixels.

    Args:
        flow: (H, W, 2) of the restored frames.
        truth: The same of the clean ones.

    >>> flow_difference(np.full((2, 2, 2), 1.5), np.zeros((2, 2, 2)))
    3.0
    """
    return float(np.abs(flow.astype(np.float64) - truth).sum(axis=2).mean())


def warped(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """out(x) = picture(x + flow(x)), bilinear, borders repeated. (H, W, C) float32."""
    return cv2.remap(picture, _positions(flow), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]


class Consistency:
    """Temporal measures of one clip, frame by frame. It stores one frame, and one row of every frame.

    Args:
        rule: By whose PSNR and SSIM profiles are compared.
    """

    def __init__(self, rule: Protocol) -> None:
        self._rule, self._flow = rule, make_flow()
        self._before: tuple[np.ndarray, np.ndarray] | None = None
        self._pairs: list[tuple[float, float, float]] = []
        self._rows: list[np.ndarray] = []  # (1, W, 3) each
        self._true_rows: list[np.ndarray] = []

    def add(self, frame: np.ndarray, clean: np.ndarray) -> None:
        """The next frame of the clip, restored and clean, (H, W, 3) uint8 each.

        Raises:
            RestillError: If they are too small for flow.
        """
        height, width = frame.shape[:2]
        if min(height, width) < SMALLEST:
            raise RestillError(
                f"temporal measures need frames of at least {SMALLEST}x{SMALLEST} pixels, not {width}x{height}"
            )
        self._rows.append(temporal_profile([frame], height // 2))
        self._true_rows.append(temporal_profile([clean], height // 2))
        if self._before is not None:
            self._pairs.append(self._compare(frame, clean, *self._before))
        self._before = frame, clean

    def _compare(
        self, frame: np.ndarray, clean: np.ndarray, before: np.ndarray, clean_before: np.ndarray
    ) -> tuple[float, float, float]:
        """Warping error, that of the clean clip, and tOF."""
        gray, clean_gray, gray_before, clean_gray_before = (
            cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (frame, clean, before, clean_before)
        )
        flow = self._flow.calc(clean_gray, clean_gray_before, None)  # (H, W, 2)
        back = self._flow.calc(clean_gray_before, clean_gray, None)  # (H, W, 2)
        mask = ~(occluded(flow, back) | motion_boundaries(flow))  # (H, W)
        return (
            warping_error(frame, before, flow, mask),
            warping_error(clean, clean_before, flow, mask),
            flow_difference(self._flow.calc(gray, gray_before, None), flow),
        )

    def result(self) -> dict[str, float]:
        """The means over pairs of frames, and the profile's scores.

        Returns:
            ``warping_error`` and ``warping_error_clean`` (of squared values in [0, 1], over the pairs in which a pixel
            counts), ``tof`` (pixels), and ``profile_psnr``, ``profile_ssim`` as the protocol names them; nan where
            there is nothing to measure, and for the profile of fewer frames than SSIM's window has rows.
        """
        error, clean, tof = np.array(self._pairs, np.float64).reshape(-1, 3).T
        counted = ~np.isnan(error)
        means = {"warping_error": error[counted], "warping_error_clean": clean[counted], "tof": tof}
        profile, truth = np.concatenate(self._rows), np.concatenate(self._true_rows)  # (T, W, 3)
        measured = min(profile.shape[:2]) >= self._rule.smallest
        scores = self._rule.compare(profile, truth) if measured else dict.fromkeys(self._rule.metrics, float("nan"))
        return {
            **{name: float(values.mean()) if values.size else float("nan") for name, values in means.items()},
            **{f"profile_{name}": value for name, value in scores.items()},
        }

    def picture(self, label: str) -> np.ndarray:
        """The clean profile over the restored one, (h, w, 3) RGB uint8; time runs down."""
        both = (self._true_rows, "clean"), (self._rows, label)
        return stacked([labeled(np.concatenate(rows), words) for rows, words in both])


def _positions(flow: np.ndarray) -> np.ndarray:
    """(H, W, 2) float32: the (x, y) to which each pixel's flow leads."""
    height, width = flow.shape[:2]
    return flow + np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)


def _square(vectors: np.ndarray) -> np.ndarray:
    """(H, W, 2) -> (H, W): squared lengths, float64."""
    return (vectors.astype(np.float64) ** 2).sum(axis=2)
