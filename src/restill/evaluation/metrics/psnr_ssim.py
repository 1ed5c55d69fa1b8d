"""PSNR and SSIM of 8-bit pictures, as pure functions.

SSIM equals scikit-image's ``structural_similarity`` with the arguments named below (a test holds it to 1e-9); OpenCV's
filters are used because they take a third of the time. Nothing here needs PyTorch.

Values are comparable only under the same protocol (:mod:`restill.evaluation.protocols`): always print its name.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from restill.errors import RestillError

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def to_y(picture: np.ndarray) -> np.ndarray:
    """Luma of ITU-R BT.601 in studio range 16..235, rounded: MATLAB's ``rgb2ycbcr``.

    Args:
        picture: (H, W, 3) RGB uint8.

    Returns:
        (H, W) uint8.

    >>> to_y(np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0]]], np.uint8)).tolist()
    [[16, 235, 81]]
    """
    luma = picture.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255 + 16
    return np.rint(luma).astype(np.uint8)


def psnr(picture: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio, ``10 log10(255^2 / MSE)``, the MSE jointly over all pixels and channels.

    Args:
        picture: (H, W) or (H, W, C) uint8.
        truth: The same shape, uint8.

    Returns:
        Decibels; infinity for equal pictures.

    Raises:
        RestillError: If the shapes differ.

    >>> black = np.zeros((2, 2, 3), np.uint8)
    >>> round(psnr(black, black + np.uint8(51)), 4)  # 20 log10(255 / 51)
    13.9794
    >>> psnr(black, black)
    inf
    """
    _same_shape(picture, truth)
    error = cv2.norm(picture, truth, cv2.NORM_L2SQR) / picture.size  # exact, because it sums whole numbers
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def ssim_uniform7(picture: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity over 7x7 uniform windows, sample (N-1) covariance: scikit-image's default.

    ``structural_similarity(a, b, data_range=255, channel_axis=2)``: windows that leave the picture are left out, the
    mean is over the rest and over channels.

    Args:
        picture: (H, W) or (H, W, C) uint8, at least 7 pixels on a side.
        truth: The same shape, uint8.

    Returns:
        -1..1, 1 for equal pictures.

    Raises:
        RestillError: If the shapes differ or the picture is too small.

    >>> round(ssim_uniform7(np.full((8, 8), 100, np.uint8), np.full((8, 8), 200, np.uint8)), 6)
    0.800026
    """
    return _ssim(picture, truth, lambda x: cv2.blur(x, (7, 7)), side=7, unbias=49 / 48)


def ssim_gaussian11(picture: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity of Wang et al. (2004): 11x11 Gaussian windows of sigma 1.5, valid region only.

    ``structural_similarity(a, b, data_range=255, channel_axis=2, gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False)``; the mean is over windows inside the picture and over channels.

    Args:
        picture: (H, W) or (H, W, C) uint8, at least 11 pixels on a side.
        truth: The same shape, uint8.

    Returns:
        -1..1, 1 for equal pictures.

    Raises:
        RestillError: If the shapes differ or the picture is too small.

    >>> round(ssim_gaussian11(np.full((12, 12), 100, np.uint8), np.full((12, 12), 200, np.uint8)), 6)
    0.800026
    """
    return _ssim(picture, truth, lambda x: cv2.GaussianBlur(x, (11, 11), 1.5), side=11, unbias=1.0)


def ssim_gaussian11_zero(picture: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity as in deep-learning code: the same windows at every pixel, with zero padding.

    The windows of :func:`ssim_gaussian11` around every pixel, the mean over all pixels and channels (``pytorch_ssim``,
    with ``padding=window // 2`` and ``size_average=True``). Borders, which agree with each other, raise it.

    Args:
        picture: (H, W) or (H, W, C) uint8.
        truth: The same shape, uint8.

    Returns:
        -1..1, 1 for equal pictures.

    Raises:
        RestillError: If the shapes differ.

    >>> round(ssim_gaussian11_zero(np.full((12, 12), 100, np.uint8), np.full((12, 12), 200, np.uint8)), 6)
    0.654462
    """

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(x, (11, 11), 1.5, borderType=cv2.BORDER_CONSTANT)

    return _ssim(picture, truth, mean, side=1, unbias=1.0)


def ssim_volume11(picture: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity as by MATLAB's ``ssim(picture, truth)`` for a color picture, which it takes for a volume.

    Called so, without ``DataFormat``, MATLAB takes height, width and color for three dimensions of space: the Gaussian
    of sigma 1.5 is 11x11x11, the edge again stands beyond the picture on all sides (of three channels, too), and the
    mean is over all pixels and channels.

    Args:
        picture: (H, W, 3) uint8.
        truth: The same shape, uint8.

    Returns:
        -1..1, 1 for equal pictures.

    Raises:
        RestillError: If the shapes differ.

    >>> black = np.zeros((2, 2, 3), np.uint8)
    >>> round(ssim_volume11(black, black + np.uint8(51)), 6)
    0.002494
    """

    def mean(x: np.ndarray) -> np.ndarray:
        blurred = cv2.GaussianBlur(x, (11, 11), 1.5, borderType=cv2.BORDER_REPLICATE)  # (H, W, 3)
        return blurred @ _ACROSS_CHANNELS

    return _ssim(picture, truth, mean, side=1, unbias=1.0)


def _across_channels() -> np.ndarray:
    """(3, 3): how much of each channel (row) is in the mean around each channel (column), edges repeated."""
    weights = cv2.getGaussianKernel(11, 1.5)[:, 0]
    result = np.zeros((3, 3))
    for center in range(3):
        for offset, weight in zip(range(-5, 6), weights, strict=True):
            result[min(max(center + offset, 0), 2), center] += weight
    return result


_ACROSS_CHANNELS = _across_channels()


def _ssim(
    picture: np.ndarray, truth: np.ndarray, mean: Callable[[np.ndarray], np.ndarray], side: int, unbias: float
) -> float:
    """The mean over the windows of ``side`` pixels that lie in the picture; with 1, over those around all pixels."""
    _same_shape(picture, truth)
    if min(picture.shape[:2]) < side:
        raise RestillError(f"SSIM needs pictures of at least {side}x{side} pixels, not {_size(picture)}")
    x, y = picture.astype(np.float64), truth.astype(np.float64)
    mean_x, mean_y = mean(x), mean(y)
    variances = unbias * (mean(x * x + y * y) - mean_x * mean_x - mean_y * mean_y)
    covariance = unbias * (mean(x * y) - mean_x * mean_y)
    similarity = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    similarity /= (mean_x * mean_x + mean_y * mean_y + C1) * (variances + C2)
    edge, (height, width) = side // 2, similarity.shape[:2]
    return float(np.mean(similarity[edge : height - edge, edge : width - edge]))


def _same_shape(picture: np.ndarray, truth: np.ndarray) -> None:
    if picture.shape != truth.shape:
        raise RestillError(f"pictures to compare must have one size: {_size(picture)} is not {_size(truth)}")


def _size(picture: np.ndarray) -> str:
    return "x".join(str(n) for n in (picture.shape[1], picture.shape[0], *picture.shape[2:]))
