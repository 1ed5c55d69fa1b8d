"""NIQE: the distance of a picture's statistics from those of good photographs. Lower is better; needs no PyTorch.

Mittal, Soundararajan, Bovik: Making a "Completely Blind" Image Quality Analyzer, SPL 2013. The model of good
photographs is a file of its authors that is not part of Restill. ``docs/no-reference.md`` explains how to interpret
the number.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from restill.errors import RestillError, need_extra
from restill.evaluation.metrics.mscn import fit_aggd, half_scale, mscn, neighbor_products
from restill.evaluation.metrics.psnr_ssim import to_y

BLOCK, FEATURES = 96, 36
SOURCES = (
    "'modelparameters.mat' of the authors' NIQE release (LIVE laboratory, University of Texas at Austin), "
    "or 'niqe_pris_params.npz' of BasicSR, which holds the same numbers"
)
MEAN_NAMES, COVARIANCE_NAMES = ("mu_prisparam", "mu_pris_param"), ("cov_prisparam", "cov_pris_param")


@dataclass(frozen=True)
class NiqeModel:
    """A Gaussian over the features of good photographs.

    Attributes:
        name: The file's name.
        mean: (36,).
        covariance: (36, 36).
    """

    name: str
    mean: np.ndarray
    covariance: np.ndarray

    def __str__(self) -> str:
        return f"NIQE (model {self.name}, of Y)"


def load_niqe_model(path: str | os.PathLike[str]) -> NiqeModel:
    """Read a pristine model: ``.mat`` (up to version 7) as published, or ``.npz``.

    Raises:
        RestillError: If the file is missing or has another format.
    """
    path = Path(path)
    if not path.is_file():
        raise RestillError(f"'{path}' does not exist; NIQE's score needs {SOURCES}")
    try:
        arrays = _read_npz(path) if path.suffix == ".npz" else _read_mat(path)
    except (OSError, ValueError, BadZipFile) as error:
        raise RestillError(f"'{path}' cannot be read as a .mat or .npz file; give {SOURCES}") from error
    mean, covariance = _array(path, arrays, MEAN_NAMES, 1), _array(path, arrays, COVARIANCE_NAMES, 2)
    return NiqeModel(path.name, mean, covariance)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in MEAN_NAMES + COVARIANCE_NAMES if name in file}


def _read_mat(path: Path) -> dict[str, np.ndarray]:
    try:
        from scipy.io import loadmat
    except ModuleNotFoundError as error:
        raise need_extra("scipy", "train", "reading a .mat file") from error
    try:
        return loadmat(path, variable_names=MEAN_NAMES + COVARIANCE_NAMES)
    except Exception as error:  # SciPy raises many types for a damaged file
        raise ValueError(str(error)) from error


def _array(path: Path, arrays: Mapping[str, np.ndarray], names: tuple[str, str], dimensions: int) -> np.ndarray:
    """The array of either name, (36,) or (36, 36), float64."""
    found = next((arrays[name] for name in names if name in arrays), None)
    shape = (FEATURES,) * dimensions
    if found is None or found.size != FEATURES**dimensions or found.dtype.kind != "f" or not np.isfinite(found).all():
        size = "x".join(map(str, shape))
        raise RestillError(f"'{path}' has no '{names[0]}' of {size} finite values; give {SOURCES}")
    return found.reshape(shape).astype(np.float64)


def niqe_features(picture: np.ndarray) -> np.ndarray:
    """NIQE's features of each block of 96x96: 18 numbers at full and 18 at half size (SPL 2013, Section II).

    At each size: shape and mean width of an asymmetric generalized Gaussian fitted to the MSCN map (edges replicated);
    then, for the products of neighbors across, down and along both diagonals (within the block, around its ends),
    shape, mean and both widths. What is right and below of the last whole block does not count.

    Args:
        picture: (H, W, 3) RGB, of which the rounded Y counts, or (H, W), uint8; at least 96 pixels on a side.

    Returns:
        (N, 36) float64, nan where a block is too flat to be fitted.

    Raises:
        RestillError: If the picture is too small or not a picture.

    >>> noise = np.random.default_rng(0).integers(0, 256, (100, 200, 3), dtype=np.uint8)
    >>> niqe_features(noise).shape
    (2, 36)
    """
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or picture.shape[2:] not in ((), (3,)):
        raise RestillError(f"NIQE needs a picture (H, W) or (H, W, 3) of uint8, not {picture.shape} of {picture.dtype}")
    height, width = picture.shape[:2]
    if min(height, width) < BLOCK:
        raise RestillError(f"NIQE needs pictures of at least {BLOCK}x{BLOCK} pixels, not {width}x{height}")
    rows, columns = height // BLOCK, width // BLOCK
    gray = (to_y(picture) if picture.ndim == 3 else picture)[: rows * BLOCK, : columns * BLOCK].astype(np.float64)
    scales = []
    for side, scaled in ((BLOCK, gray), (BLOCK // 2, half_scale(gray))):
        blocks = mscn(scaled).reshape(rows, side, columns, side).swapaxes(1, 2).reshape(-1, side, side)
        scales.append([_block_features(block) for block in blocks])  # (N, 18)
    return np.concatenate(scales, axis=1)


def _block_features(block: np.ndarray) -> list[float]:
    both = fit_aggd(block, zeros="neither")
    features = [both.shape, sum(both.betas) / 2]
    for product in neighbor_products(block, wrap=True):
        fit = fit_aggd(product, zeros="neither")
        features += [fit.shape, fit.mean, *fit.betas]
    return features


def niqe(picture: np.ndarray, model: NiqeModel) -> float:
    """NIQE's score: the distance of two Gaussians (SPL 2013, Eq. 10), all blocks of the picture against the model.

    sqrt((m1 - m2)^T ((C1 + C2) / 2)^+ (m1 - m2)). Blocks too flat to be fitted do not count. One block alone has no
    covariance; it is taken as 0.

    Args:
        picture: (H, W, 3) RGB or (H, W) gray, uint8, at least 96 pixels on a side.
        model: From :func:`load_niqe_model`.

    Returns:
        0 (best) and up, 3 for a good photograph; nan for a flat picture.

    Raises:
        RestillError: If the picture is too small.
    """
    features = niqe_features(picture)
    counted = ~np.isnan(features)
    if not counted.any(axis=0).all():
        return float("nan")
    whole = features[counted.all(axis=1)]
    mean = np.where(counted, features, 0).sum(axis=0) / counted.sum(axis=0)  # (36,)
    covariance = np.cov(whole, rowvar=False) if len(whole) > 1 else np.zeros((FEATURES, FEATURES))
    inverse = np.linalg.pinv((model.covariance + covariance) / 2)
    difference = model.mean - mean
    return float(np.sqrt(difference @ inverse @ difference))
