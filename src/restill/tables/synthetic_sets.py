"""Synthetic data for the scale "smoke": small random pictures in the layout of a data set that is missing.

They test training and scoring without a download. Numbers measured on them are meaningless.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from restill.datasets import open_paired, open_source
from restill.datasets.benchmarks.foreign import Foreign
from restill.datasets.synthetic import synthetic_clip
from restill.degradations import degrade_frames, make_degradation
from restill.degradations.rain import rain_frames
from restill.degradations.rain_settings import named_rain
from restill.errors import RestillError

MARK = "synthetic.txt"  # a file in every folder of synthetic data
SIZE = (112, 128)  # height and width, pixels: enough for a block of NIQE and for crops of 64
CLIP, TEST_CLIP = 13, 8  # frames: CSTD's seven, five centers and one more; as many as are scored at this scale


class SplitLayout(NamedTuple):
    """Where the synthetic clips of one split go.

    Attributes:
        degraded: Path of a frame with {clip}, a name, and {frame}, a number from 1; "" for no degraded side.
        clean: The same for the clean side; "" for none.
        clips: Names of the clips.
        frames: The number of frames in each clip.
    """

    degraded: str
    clean: str
    clips: tuple[str, ...] = ("1", "2", "3", "4")
    frames: int = 1


VID4 = ("calendar", "city", "foliage", "walk")
NTURAIN = ("a1", "a2", "a3", "a4", "b1", "b2", "b3", "b4")
LAYOUTS: dict[str, tuple[SplitLayout, ...]] = {
    "nturain": (
        SplitLayout("t{clip}_Rain_01/{frame:05d}.png", "t{clip}_GT/{frame:05d}.png", ("1", "2"), CLIP),
        SplitLayout("{clip}_Rain/{frame:05d}.png", "{clip}_GT/{frame:05d}.png", NTURAIN, TEST_CLIP),
    ),
    "vid4": (SplitLayout("", "{clip}/{frame:08d}.png", VID4, TEST_CLIP),),
    "vimeo90k": (SplitLayout("", "sequences/00001/000{clip}/im{frame}.png", ("1", "2"), 7),),
    "clean-clips": (SplitLayout("", "{clip}/{frame:05d}.png", ("1", "2"), CLIP),),
    "clean-photos": (SplitLayout("", "{clip}.png"),),
    "foreign": (
        SplitLayout("{clip}/rain/{frame:05d}.png", "{clip}/gt/{frame:05d}.png", Foreign.members["test"], TEST_CLIP),
    ),
    "real275": (SplitLayout("test/rain/{clip}.png", ""),),
    "ivipc": (SplitLayout("test/rain/{clip}.png", ""),),
}
PICTURES = tuple(
    SplitLayout(f"{split}/input/{{clip}}.png", f"{split}/target/{{clip}}.png") for split in ("train", "test")
)
LISTS = {
    "vimeo90k": ("sep_trainlist.txt", "sep_testlist.txt", "fast_testset.txt", "medium_testset.txt", "slow_testset.txt")
}
KINDS = {"gopro": "blur", "hide": "blur", "sidd": "noise"}  # the others use rain


class SyntheticSets:
    """Synthetic data sets, each written when it is first needed.

    Args:
        folder: The folder to write them to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._used: dict[str, set[str]] = {}
        self._found: dict[tuple[Any, ...], Path] = {}

    @property
    def used(self) -> list[str]:
        """The data sets that were replaced, with the use if it was only one: to train on or to test on."""
        return [f"{name} (to {next(iter(uses))} on)" if len(uses) == 1 else name for name, uses in self._used.items()]

    def to_test_on(self, dataset: str, root: Path, split: str) -> Path:
        """The given folder if it holds clips of the split; else a folder of synthetic ones."""
        return self._either((dataset, root, split), lambda: open_paired(dataset, root, split))

    def to_train_on(self, dataset: str, root: Path, *, unpaired: bool = False) -> Path:
        """The given folder if it holds clips to train on; else a folder of synthetic ones."""
        return self._either((dataset, root, unpaired), lambda: open_source(dataset, root, unpaired=unpaired))

    @cached_property
    def niqe_model(self) -> Path:
        """A file in the format of NIQE's model, not fitted to any photograph."""
        path = self.folder / "synthetic.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, mu_prisparam=np.full(36, 0.5), cov_prisparam=np.eye(36))
        self._used["NIQE's model"] = set()
        return path

    def _either(self, key: tuple[Any, ...], opens: Any) -> Path:
        if key not in self._found:
            dataset, root = key[:2]
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    opens()
                self._found[key] = root
            except RestillError:
                self._found[key] = write_synthetic_set(dataset, self.folder / dataset)
                self._used.setdefault(dataset, set()).add("test" if isinstance(key[2], str) else "train")
        return self._found[key]


def write_synthetic_set(dataset: str, folder: Path) -> Path:
    """Write a synthetic data set in the layout of a real one, unless the folder has one already.

    Returns:
        The folder.
    """
    if (folder / MARK).is_file():
        return folder
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    seed = sum(map(ord, dataset))  # sets must not share pictures: the leak check would find them
    scene, number = synthetic_clip(seed, CLIP, SIZE), 0
    for layout in LAYOUTS.get(dataset, PICTURES):
        for name in layout.clips:
            number += 1  # clips must not share pictures either
            clean = [np.roll(frame, (5 * number, 9 * number), (0, 1)) for frame in scene[: layout.frames]]
            if layout.clean:
                _write(partial, layout.clean, name, clean)
            if layout.degraded:
                _write(partial, layout.degraded, name, list(_degrade(dataset, clean, seed + number)))
    for name in LISTS.get(dataset, ()):
        (partial / name).write_text("00001/0001\n00001/0002\n", encoding="utf-8")
    (partial / MARK).write_text(
        "Synthetic data written by `restill reproduce --scale smoke`. You may delete this folder.\n"
    )
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)
    return folder


def is_synthetic(root: Path) -> bool:
    """Whether a folder holds synthetic data."""
    return (root / MARK).is_file()


def _degrade(dataset: str, clean: list[np.ndarray], seed: int) -> Iterator[np.ndarray]:
    kind = KINDS.get(dataset)
    if kind is None:
        return rain_frames(iter(clean), named_rain("moderate", {}, seed, None), seed, 25.0)
    return degrade_frames(iter(clean), make_degradation(kind), seed)


def _write(folder: Path, form: str, clip: str, frames: list[np.ndarray]) -> None:
    for number, frame in enumerate(frames, start=1):
        path = folder / form.format(clip=clip, frame=number)
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.ascontiguousarray(frame[..., ::-1]))
