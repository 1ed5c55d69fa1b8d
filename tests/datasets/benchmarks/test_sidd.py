"""SIDD's validation blocks, on tiny made-up MATLAB files; its training pictures are in test_picture_sets.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from restill.datasets import open_paired
from restill.datasets.benchmarks.sidd import CLEAN, NOISY
from restill.errors import RestillError

scipy_io = pytest.importorskip("scipy.io")


def save(folder: Path, name: str, blocks: np.ndarray, variable: str | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    scipy_io.savemat(folder / f"{name}.mat", {variable or name: blocks}, do_compression=True)


@pytest.fixture
def blocks() -> np.ndarray:
    """(2 pictures, 3 blocks, 8, 10, 3)."""
    return np.random.default_rng(0).integers(0, 256, (2, 3, 8, 10, 3), dtype=np.uint8)


@pytest.mark.parametrize("inside", ["", "test", "SIDD/test"])
def test_blocks(tmp_path: Path, blocks: np.ndarray, inside: str) -> None:
    save(tmp_path / inside, NOISY, blocks)
    save(tmp_path / inside, CLEAN, 255 - blocks)
    data = open_paired("sidd", tmp_path)
    assert data.names == ["00-00", "00-01", "00-02", "01-00", "01-01", "01-02"]
    assert data.shape(4) == (1, 8, 10)
    degraded, clean = data.clips[4].read(0)
    np.testing.assert_array_equal(degraded, blocks[1, 1])
    np.testing.assert_array_equal(clean, 255 - blocks[1, 1])


def test_flat_folders(tmp_path: Path) -> None:
    from picture_trees import plant

    plant(tmp_path, {"val/test/input/0.png": (200, 1), "val/test/target/0.png": (100, 1)})
    assert open_paired("sidd", tmp_path).names == ["0"]


def test_each_mistake_gets_its_sentence(tmp_path: Path, blocks: np.ndarray) -> None:
    save(tmp_path, NOISY, blocks)
    with pytest.raises(RestillError, match=rf"{CLEAN}\.mat is missing; SIDD"):
        open_paired("sidd", tmp_path)
    save(tmp_path, CLEAN, blocks[:1])
    with pytest.raises(RestillError, match=r"holds \(1, 3, 8, 10, 3\), not \(2, 3"):
        open_paired("sidd", tmp_path)
    save(tmp_path, CLEAN, blocks)
    whole = (tmp_path / f"{CLEAN}.mat").read_bytes()
    (tmp_path / f"{CLEAN}.mat").write_bytes(whole[:-40])
    with pytest.raises(RestillError, match=rf"{CLEAN}\.mat: is "):
        open_paired("sidd", tmp_path).clips[0].read(0)
    save(tmp_path, CLEAN, blocks, variable="blocks")
    with pytest.raises(RestillError, match=f"should hold {CLEAN}"):
        open_paired("sidd", tmp_path)
    (tmp_path / f"{CLEAN}.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF")
    with pytest.raises(RestillError, match="is no MATLAB file of version 5"):
        open_paired("sidd", tmp_path)
    (tmp_path / f"{CLEAN}.mat").write_bytes(b"")
    with pytest.raises(RestillError, match="is no MATLAB file of version 5"):
        open_paired("sidd", tmp_path)
