"""BRISQUE and PIQE: quality scores of a picture without a clean reference. Lower is better.

Pure functions without PyTorch. ``docs/no-reference.md`` explains how to interpret the numbers.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from restill.errors import RestillError
from restill.evaluation.metrics.brisque_model import BrisqueModel
from restill.evaluation.metrics.mscn import fit_aggd, fit_ggd, half_scale, mscn, neighbor_products, to_gray

BLOCK, SEGMENT = 16, 6  # PIQE: pixels of a block's side, and of a piece of its edge
ACTIVE, IMPAIRED = 0.1, 0.1  # PIQE: least variance of an active block, least standard deviation of a sound piece


def brisque_features(picture: np.ndarray, convention: Literal["release", "opencv"] = "release") -> np.ndarray:
    """The 36 features of BRISQUE: 18 at full and 18 at half size.

    Mittal, Moorthy, Bovik: No-Reference Image Quality Assessment in the Spatial Domain, TIP 2012, Table I. At each
    size: shape and variance of the MSCN map; then, for the products of neighbors across, down and along both
    diagonals, shape, mean and the two variances of an asymmetric generalized Gaussian.

    Two conventions are about, and a model is only right with the one it was trained on:

    ``"release"``, the authors' own (MATLAB): gray as ``rgb2gray`` rounds it, zeros beyond the borders, products
    that wrap around, half size by antialiased bicubic ``imresize``. One thing is the paper's: products that are 0, as
    in a flat sky, belong to the right side. The release leaves them out, but rounding makes most of them positive.

    ``"opencv"``, of OpenCV's quality module: gray of ``cvtColor``, borders replicated, no product across the border,
    half size by ``INTER_CUBIC`` without antialiasing, and the MSCN map fitted asymmetrically too.

    Args:
        picture: (H, W, 3) RGB or (H, W) gray, uint8, at least 14 pixels on a side.
        convention: Whose.

    Returns:
        (36,) float64; nan where a picture is too flat to be fitted.

    Raises:
        RestillError: If the picture is too small.

    >>> noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    >>> brisque_features(noise).shape
    (36,)
    """
    _check(picture, 14, "BRISQUE")  # half of it holds one window of 7x7
    return _release_features(picture) if convention == "release" else _opencv_features(picture)


def _release_features(picture: np.ndarray) -> np.ndarray:
    features: list[float] = []
    gray = to_gray(picture)
    for scale in (gray, half_scale(gray)):
        field = mscn(scale, border="zero")
        features += fit_ggd(field)
        for product in neighbor_products(field, wrap=True):
            fit = fit_aggd(product, zeros="right")
            features += [fit.shape, fit.mean, fit.left**2, fit.right**2]
    return np.array(features)


def _opencv_features(picture: np.ndarray) -> np.ndarray:
    features: list[float] = []
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.ndim == 3 else picture
    gray = gray.astype(np.float32) / np.float32(255)  # single precision, so that what is flat for OpenCV is so here
    half = cv2.resize(gray, (gray.shape[1] // 2, gray.shape[0] // 2), interpolation=cv2.INTER_CUBIC)
    for scale in (gray, half):
        field = mscn(scale, c=1 / 255)
        both = fit_aggd(field, zeros="neither")
        features += [both.shape, (both.left**2 + both.right**2) / 2]
        for product in neighbor_products(field, wrap=False):
            fit = fit_aggd(product, zeros="neither")
            features += [fit.shape, fit.mean, fit.left**2, fit.right**2]
    return np.array(features)


def brisque(picture: np.ndarray, model: BrisqueModel) -> float:
    """BRISQUE's score: a support vector regression over :func:`brisque_features`.

    Args:
        picture: (H, W, 3) RGB or (H, W) gray, uint8, at least 14 pixels on a side.
        model: From :func:`restill.evaluation.metrics.brisque_model.load_brisque_model`; it brings its convention.

    Returns:
        About 0 (best) to 100, nan for a flat picture. Models of OpenCV are cut to that range, as OpenCV does.

    Raises:
        RestillError: If the picture is too small.
    """
    return model.predict(brisque_features(picture, model.convention))


def piqe(picture: np.ndarray) -> float:
    """PIQE, computed as MATLAB's ``piqe`` does.

    Venkatanath et al.: Blind Image Quality Evaluation Using Perception Based Features, NCC 2015. The MSCN map (edges
    replicated) is cut into blocks of 16x16; a picture that is no multiple of 16 is continued by its last row and
    column. Only active blocks (variance v > 0.1) count. One with a dead piece on an edge (6 pixels whose standard
    deviation is below 0.1) adds 1 - v, one that looks like noise adds v, one that does both adds both.

    Args:
        picture: (H, W, 3) RGB or (H, W) gray, uint8, at least 16 pixels on a side.

    Returns:
        Mean over the active blocks, (sum + 1) / (blocks + 1) * 100: 0..100, 0 is best; 100 for a flat picture.

    Raises:
        RestillError: If the picture is too small.

    >>> piqe(np.full((64, 64), 128, np.uint8))
    100.0
    """
    _check(picture, BLOCK, "PIQE")
    gray = to_gray(picture)
    gray = np.pad(gray, [(0, -side % BLOCK) for side in gray.shape], mode="edge")
    rows, columns = (side // BLOCK for side in gray.shape)
    blocks = mscn(gray).reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2).reshape(-1, BLOCK, BLOCK)
    variance = blocks.var(axis=(1, 2), ddof=1)
    blocks, variance = blocks[variance > ACTIVE], variance[variance > ACTIVE]
    distortion = _has_dead_edge(blocks) * (1 - variance) + _looks_noisy(blocks, variance) * variance
    return float((distortion.sum() + 1) / (len(blocks) + 1) * 100)


def _has_dead_edge(blocks: np.ndarray) -> np.ndarray:
    """Whether any of the 11 pieces of any of the 4 edges has almost no variance. (N, 16, 16) -> (N,) bool."""
    edges = np.stack([blocks[:, 0], blocks[:, -1], blocks[:, :, 0], blocks[:, :, -1]], axis=1)  # (N, 4, 16)
    pieces = np.lib.stride_tricks.sliding_window_view(edges, SEGMENT, axis=2)  # (N, 4, 11, 6)
    return (pieces.std(axis=3, ddof=1) < IMPAIRED).any(axis=(1, 2))


def _looks_noisy(blocks: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Whether a block's center varies strongly and like the rest: deviation > 2 beta. (N, 16, 16) -> (N,) bool."""
    middle = BLOCK // 2
    center = blocks[:, :, middle - 1 : middle + 1].std(axis=(1, 2), ddof=1)
    # MATLAB takes the two middle columns out one after the other, so that the second one to go is one further right
    surround = np.delete(blocks, [middle - 1, middle + 1], axis=2).std(axis=(1, 2), ddof=1)
    deviation = np.sqrt(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.nan_to_num(center / surround, nan=0.0, posinf=np.inf)
        beta = np.abs(deviation - ratio) / np.maximum(deviation, ratio)
    return deviation > 2 * beta


def _check(picture: np.ndarray, side: int, metric: str) -> None:
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or picture.shape[2:] not in ((), (3,)):
        raise RestillError(
            f"{metric} needs a picture (H, W) or (H, W, 3) of uint8, not {picture.shape} of {picture.dtype}"
        )
    if min(picture.shape[:2]) < side:
        raise RestillError(
            f"{metric} needs pictures of at least {side}x{side} pixels, not {picture.shape[1]}x{picture.shape[0]}"
        )
