"""The support vector regression that turns BRISQUE's features into a score, read from published files.

Restill ships no model. Two are published, both trained on the LIVE database: one in the authors' BRISQUE release, in
LIBSVM's format, and one in OpenCV's quality module (``brisque_model_live.yml``). Each is two files: the model and the
range of the features, which lies beside it with "range" in its name where the model has "model".
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from restill.errors import RestillError

FEATURES = 36
SOURCES = (
    "'allmodel' with 'allrange' of the authors' BRISQUE release, or 'brisque_model_live.yml' with "
    "'brisque_range_live.yml' of opencv_contrib/modules/quality/samples"
)


@dataclass(frozen=True)
class BrisqueModel:
    """An epsilon-SVR with a radial basis kernel, over scaled features.

    Attributes:
        name: The file's name.
        convention: How its features are computed; see :func:`restill.evaluation.metrics.brisque_piqe.brisque_features`.
        low: (36,) what becomes ``span[0]``.
        high: (36,) what becomes ``span[1]``.
        span: The range of scaled features; values outside are not cut.
        gamma: Width of the kernel exp(-gamma |x - v|^2).
        rho: What is taken off the sum.
        weights: (N,) of the support vectors.
        vectors: (N, 36) scaled support vectors.
    """

    name: str
    convention: Literal["release", "opencv"]
    low: np.ndarray
    high: np.ndarray
    span: tuple[float, float]
    gamma: float
    rho: float
    weights: np.ndarray
    vectors: np.ndarray

    def __str__(self) -> str:
        """The definition to print with a score."""
        source = {"release": "features of the authors' release", "opencv": "features of OpenCV, cut to 0..100"}
        return f"model {self.name}, {source[self.convention]}"

    def predict(self, features: np.ndarray) -> float:
        """The score of (36,) features; nan if one of them is."""
        lower, upper = self.span
        scaled = lower + (upper - lower) * (features - self.low) / (self.high - self.low)  # (36,)
        kernel = np.exp(-self.gamma * ((self.vectors - scaled) ** 2).sum(axis=1))  # (N,)
        score = float(self.weights @ kernel - self.rho)
        return score if self.convention == "release" or math.isnan(score) else min(max(score, 0.0), 100.0)


def load_brisque_model(path: str | os.PathLike[str]) -> BrisqueModel:
    """Read a published model, in LIBSVM's or OpenCV's format, with the range file beside it.

    Args:
        path: The model; its name contains "model".

    Raises:
        RestillError: If a file is missing or has another format.
    """
    path = Path(path)
    if "model" not in path.name:
        raise RestillError(f"'{path}' does not have the name of a BRISQUE model; give {SOURCES}")
    ranges = path.with_name(path.name.replace("model", "range"))
    for file in (path, ranges):
        if not file.is_file():
            raise RestillError(f"'{file}' does not exist; BRISQUE's score needs {SOURCES}")
    return _read_opencv(path, ranges) if path.suffix in (".yml", ".yaml") else _read_libsvm(path, ranges)


def _read_libsvm(path: Path, ranges: Path) -> BrisqueModel:
    header, vectors = _read(path).partition("SV\n")[::2]
    said = dict(line.split(maxsplit=1) for line in header.splitlines() if " " in line)
    if (said.get("svm_type"), said.get("kernel_type")) != ("epsilon_svr", "rbf"):
        raise RestillError(f"'{path}' is not an epsilon_svr of LIBSVM with an rbf kernel; give {SOURCES}")
    try:
        rows = [line.split() for line in vectors.splitlines()]
        return BrisqueModel(
            path.name,
            "release",
            *_libsvm_range(ranges),
            gamma=float(said["gamma"]),
            rho=float(said["rho"]),
            weights=np.array([float(row[0]) for row in rows]),
            vectors=np.stack([_sparse(row[1:]) for row in rows]),
        )
    except (KeyError, ValueError, IndexError) as error:
        raise RestillError(f"'{path}' is a damaged LIBSVM model of {FEATURES} features: {error}") from error


def _sparse(items: Iterable[str]) -> np.ndarray:
    """``1:0.5 3:-1`` as (36,); missing entries are 0."""
    values = np.zeros(FEATURES)
    for item in items:
        index, value = item.split(":")
        if int(index) < 1:
            raise ValueError(f"'{item}' does not start with a number from 1 to {FEATURES}")
        values[int(index) - 1] = float(value)
    return values


def _libsvm_range(path: Path) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Read a file of svm-scale: an x, the span, and a line "index low high" for each feature."""
    lines = [line.split() for line in _read(path).splitlines() if line.strip()]
    try:
        (letter,), (lower, upper), *rows = lines
        numbered = {int(row[0]): (float(row[1]), float(row[2])) for row in rows}
        low, high = np.array([numbered[index + 1] for index in range(FEATURES)]).T
        span = (float(lower), float(upper))
    except (ValueError, KeyError, IndexError) as error:
        raise RestillError(f"'{path}' is not a range file of svm-scale for {FEATURES} features") from error
    if letter != "x" or not (low < high).all():
        raise RestillError(f"'{path}' is not a range file of svm-scale for {FEATURES} features, each from low to high")
    return low, high, span


def _read_opencv(path: Path, ranges: Path) -> BrisqueModel:
    storage, range_storage = _opencv(path), _opencv(ranges)
    svm = _child(path, storage, "opencv_ml_svm")
    kernel, decision = svm.getNode("kernel"), svm.getNode("decision_functions").at(0)
    if (svm.getNode("svmType").string(), kernel.getNode("type").string()) != ("EPS_SVR", "RBF"):
        raise RestillError(f"'{path}' is not an EPS_SVR of OpenCV with an RBF kernel; give {SOURCES}")
    vectors = [_numbers(svm.getNode("support_vectors").at(i)) for i in range(svm.getNode("support_vectors").size())]
    weights, index = _numbers(decision.getNode("alpha")), _numbers(decision.getNode("index"))
    span = _child(ranges, range_storage, "range").mat()
    if not vectors or any(len(row) != FEATURES for row in vectors) or not len(weights) == len(index or vectors):
        raise RestillError(f"'{path}' is a damaged model: it needs as many weights as vectors, of {FEATURES} features")
    if span is None or span.shape != (2, FEATURES) or not (span[0] < span[1]).all():
        raise RestillError(f"'{ranges}' is not a range of 2x{FEATURES} values, each from low to high")
    return BrisqueModel(
        path.name,
        "opencv",
        low=span[0].astype(np.float64),
        high=span[1].astype(np.float64),
        span=(-1.0, 1.0),
        gamma=kernel.getNode("gamma").real(),
        rho=decision.getNode("rho").real(),
        weights=np.array(weights),
        vectors=np.array(vectors)[[int(i) for i in index] if index else slice(None)],
    )


def _opencv(path: Path) -> cv2.FileStorage:
    """Must be kept as long as its nodes are read."""
    try:
        return cv2.FileStorage(_read(path), cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
    except (cv2.error, SystemError) as error:
        raise RestillError(f"'{path}' is not a YAML file of OpenCV; give {SOURCES}") from error


def _child(path: Path, storage: cv2.FileStorage, name: str) -> cv2.FileNode:
    node = storage.getNode(name)
    if node.empty():
        raise RestillError(f"'{path}' has no '{name}'; give {SOURCES}")
    return node


def _numbers(node: cv2.FileNode) -> list[float]:
    return [node.at(i).real() for i in range(node.size())] if node.isSeq() else []


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RestillError(f"'{path}' cannot be read as text; give {SOURCES}") from error
