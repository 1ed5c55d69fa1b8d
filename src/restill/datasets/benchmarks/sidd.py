"""SIDD (Abdelhamed et al., CVPR 2018): sRGB pictures with noise from five smartphone cameras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from restill.datasets.files import folders
from restill.datasets.paired import PairedClip
from restill.datasets.picture_sets import ANY, Layout, Pairs, PictureSet
from restill.errors import RestillError, need_extra

NOISY, CLEAN = "ValidationNoisyBlocksSrgb", "ValidationGtBlocksSrgb"


class Blocks:
    """The array of a MATLAB file, read on first use.

    Args:
        path: The file.
        name: The variable in it: (pictures, blocks, height, width, 3) uint8.

    Raises:
        RestillError: If the file is not a MATLAB version 5 file, or has no such variable.
    """

    def __init__(self, path: Path, name: str) -> None:
        try:
            from scipy.io import whosmat
        except ModuleNotFoundError as error:
            raise need_extra("scipy", "train", "reading SIDD's .mat files") from error
        self.path, self.name = path, name
        try:
            shapes = {variable: shape for variable, shape, _ in whosmat(str(path))}
        except Exception as error:  # SciPy raises many kinds of errors for broken files
            raise RestillError(f"{path}: is no MATLAB file of version 5, as save -v7 writes") from error
        if len(shapes.get(name, ())) != 5 or shapes[name][-1] != 3:
            raise RestillError(f"{path}: should hold {name} of pictures x blocks x height x width x 3, not {shapes}")
        self.shape: tuple[int, ...] = tuple(shapes[name])

    @cached_property
    def all(self) -> np.ndarray:
        """(blocks of all pictures, height, width, 3) uint8."""
        from scipy.io import loadmat

        try:
            return loadmat(str(self.path), variable_names=[self.name])[self.name].reshape(-1, *self.shape[2:])
        except Exception as error:
            raise RestillError(f"{self.path}: is broken, {self.name} cannot be read from it ({error})") from error


@dataclass(frozen=True)
class Block(PairedClip):
    """A block in both arrays; ``degraded`` and ``clean`` are the arrays' files."""

    number: int = 0
    sides: tuple[Blocks, Blocks] = field(kw_only=True, repr=False, compare=False)

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Degraded and clean block, each (H, W, 3) RGB uint8."""
        degraded, clean = self.pictures()
        return degraded, clean

    def size(self) -> tuple[int, int]:
        """(height, width), from the file's header."""
        return self.sides[1].shape[2], self.sides[1].shape[3]

    def files(self) -> list[str]:
        """The name of each file with the block."""
        return [f"{side.path} (block {self.name})" for side in self.sides]

    def pictures(self) -> Iterator[np.ndarray]:
        """The degraded and the clean block."""
        return (side.all[self.number] for side in self.sides)


class SIDD(PictureSet):
    """1,280 test blocks of 256x256 (the validation blocks, as in papers) and 320 training pictures (medium)."""

    title = "SIDD (Abdelhamed et al., CVPR 2018)"
    layout = (
        f"{NOISY}.mat beside {CLEAN}.mat (test)\n"
        "Data/*/*_NOISY_SRGB_010.PNG beside Data/*/*_GT_SRGB_010.PNG (train)\n"
        "{train,test}/input/NAME.png beside {train,test}/target/NAME.png"
    )
    expected: ClassVar = {"test": 1280, "train": 320}

    def layouts(self) -> tuple[Layout, ...]:
        """The layouts of pictures; :meth:`find` reads the arrays."""
        flat = Pairs(rf"{ANY}{self.split}/input/([^/]+)", rf"{ANY}{self.split}/target/([^/]+)")
        noisy = r"(?P<folder>[^/]+)/[^/]*noisy_srgb_(\d+)"
        archive = Pairs(ANY + noisy, ANY + r"([^/]+)/[^/]*gt_srgb_(\d+)")
        return (archive, flat) if self.split == "train" else (flat,)

    def find(self, *, all_of_it: bool) -> dict[str, PairedClip]:
        """Find the pictures or blocks. Blocks are named by picture and block, "00-00" to "39-31"."""
        if self.split == "train":
            return super().find(all_of_it=all_of_it)
        files = [_file(self.root, name) for name in (NOISY, CLEAN)]
        if files == [None, None]:
            return super().find(all_of_it=all_of_it)
        if None in files:
            missing = (NOISY, CLEAN)[files.index(None)]
            raise RestillError(f"{self.root}: {missing}.mat is missing; {self.wanted()}")
        paths: Sequence[Path] = [path for path in files if path is not None]
        sides = (Blocks(paths[0], NOISY), Blocks(paths[1], CLEAN))
        if sides[0].shape != sides[1].shape:
            raise RestillError(f"{paths[1]}: holds {sides[1].shape}, not {sides[0].shape} as {paths[0].name}")
        each = sides[0].shape[1]
        names = [f"{number // each:02d}-{number % each:02d}" for number in range(sides[0].shape[0] * each)]
        return {name: Block(name, (paths[0],), (paths[1],), number, sides=sides) for number, name in enumerate(names)}


def _file(root: Path, name: str) -> Path | None:
    places = (root, *folders(root), *(inside for folder in folders(root) for inside in folders(folder)))
    return next((place / f"{name}.mat" for place in places if (place / f"{name}.mat").is_file()), None)
