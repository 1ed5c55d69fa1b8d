"""Tiny synthetic folders in the layouts of the benchmarks. Red encodes the side, green the number."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

DEGRADED, CLEAN = 200, 100
SIZE = (6, 8)


def picture(side: int, number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """(H, W, 3) BGR: red is the side, green the number, and blue a ramp."""
    made = np.full((*size, 3), (0, number, side), np.uint8)
    made[..., 0] = np.arange(size[1])
    return made


def write(path: Path, *sides: int, number: int = 0, size: tuple[int, int] = SIZE) -> None:
    """Writes a picture file; several sides stand side by side."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exact = [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    made = np.hstack([picture(side, number, size) for side in sides])
    assert cv2.imwrite(str(path), made, exact if path.suffix == ".jpg" else [])


def plant(root: Path, files: dict[str, tuple[int, ...]]) -> Path:
    """Writes files: a path below the root, then sides and the number."""
    for path, (*sides, number) in files.items():
        write(root / path, *sides, number=number)
    return root


def told(pair: tuple[np.ndarray, np.ndarray | None]) -> tuple[tuple[int, int], ...]:
    """(side, number) of the degraded and the clean picture, decoded from RGB."""
    return tuple((round(int(side[0, 0, 0]), -1), int(side[0, 0, 1])) for side in pair if side is not None)
