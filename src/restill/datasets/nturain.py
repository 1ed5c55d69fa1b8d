"""NTURain (Chen et al., CVPR 2018): rainy videos with their clean frames, in every layout it is found in.

The archives, each unpacked to a folder, all in one place (a folder inside the folder is fine too)::

    ROOT/a1_Rain/00001.jpg   ROOT/a1_GT/00001.jpg   ROOT/t1_Rain_01/...   ROOT/t1_GT/...   ROOT/ra1_Rain/...

The layout of CSTD's authors::

    ROOT/test/a1/00001.jpg   ROOT/GT/a1_GT/00001.jpg   ROOT/train/t1_Rain_01/...   ROOT/GT/t1_GT/...

A folder per clip::

    ROOT/a1/rain/00001.jpg   ROOT/a1/gt/00001.jpg

Frames are JPEG or PNG. The published frames are JPEG, so that the clean ones have compression noise too.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from restill.errors import RestillError

if TYPE_CHECKING:
    from restill.datasets.clips import Box

PICTURES = {".jpg", ".jpeg", ".png", ".bmp"}
LAYOUTS = "NAME_Rain/ beside NAME_GT/, or test/NAME/ beside GT/NAME_GT/, or NAME/rain/ beside NAME/gt/"
OF_NAME = {"train": re.compile(r"t\d+(_rain_\d+)?$", re.I), "test": re.compile(r"[ab]\d+$", re.I)}
REAL = re.compile(r"(nturain_)?r[ab]\d+$", re.I)
RAIN = re.compile(r"_rain(_\d+)?$", re.I)  # "a1_Rain" and "t1_Rain_01"
ALONE = re.compile(r"_rain$", re.I)  # "a1_Rain" is clip a1, but a scene's training clips differ by their number


@dataclass(frozen=True)
class PairedClip:
    """One rainy clip.

    Attributes:
        name: "a1", "t1_Rain_01", "ra1".
        rainy: Paths of its frames, in order.
        clean: Paths of the clean frames, one for each rainy one; None for real rain.
    """

    name: str
    rainy: tuple[Path, ...]
    clean: tuple[Path, ...] | None

    def __len__(self) -> int:
        return len(self.rainy)

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Rainy and clean frame, each (H, W, 3) RGB uint8.

        Raises:
            RestillError: A file is no picture, or the two are not of one size.
        """
        rainy = read_picture(self.rainy[index])
        if self.clean is None:
            return rainy, None
        clean = read_picture(self.clean[index])
        if clean.shape != rainy.shape:
            raise RestillError(f"{self.clean[index]}: its size is not that of the rainy {self.rainy[index]}")
        return rainy, clean


class NTURain:
    """The clips of one split.

    Args:
        root: Folder in one of the layouts above.
        split: "test" (a1..a4, b1..b4), "train" (t1..t8) or "real" (ra1..ra4, rb1..rb3, no clean frames). A clip with
            another name counts as test where it has clean frames and as real where it has none.
        clips: Names to take, in this order, or the path of a text file with one name per line; None for all.
        all25: Take ``t7_Rain_04`` too; the papers train on 24 rainy videos, ``_01`` to ``_03`` of each scene.

    Attributes:
        clips: The clips, sorted by name unless names were given.
        names: Their names.

    Raises:
        RestillError: The folder, a clip or its clean frames are missing.
    """

    def __init__(
        self,
        root: str | Path,
        split: Literal["test", "train", "real"] = "test",
        clips: Sequence[str] | Path | None = None,
        all25: bool = False,
    ) -> None:
        root = Path(root)
        if not root.is_dir():
            raise RestillError(f"{root}: no such folder; NTURain is expected there as {LAYOUTS}")
        found = {name: folders for name, folders in _find(root) if _split(name, *folders) == split}
        if not all25 and not clips:
            found.pop("t7_Rain_04", None)
        if isinstance(clips, Path):
            clips = _names_in(clips)
        clips = [ALONE.sub("", name) for name in clips or ()]
        missing = [name for name in clips if name not in found]
        if missing:
            raise RestillError(
                f"{root}: has no clip {', '.join(missing)} of NTURain's {split} split; "
                f"it has {', '.join(sorted(found)) or 'none'}, looked for as {LAYOUTS}"
            )
        if not found:
            raise RestillError(f"{root}: has no clip of NTURain's {split} split; they are looked for as {LAYOUTS}")
        self.split = split
        self.clips = [_pair(name, *found[name], split) for name in clips or sorted(found)]
        self.names = [clip.name for clip in self.clips]

    @classmethod
    def training_source(
        cls, root: str | Path, clips: Sequence[str] | Path | None = None, rain: object = None
    ) -> NTURain:
        """The clips to train on, as :func:`restill.datasets.open_source` asks for them."""
        if rain is not None:
            raise RestillError("data.rain is for a dataset that renders its rain; nturain brings its own")
        return cls(root, "train", clips)

    def shape(self, clip: int) -> tuple[int, int, int]:
        """(frames, height, width) of a clip, the size from its first frame."""
        chosen = self.clips[clip]
        height, width = read_picture(chosen.rainy[0]).shape[:2]
        return len(chosen), height, width

    def read(
        self, clip: int, frames: Sequence[int], box: Box, size: tuple[int, int], rng: np.random.Generator
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """A region of some frames, rainy and clean; see :class:`restill.datasets.clips.ClipSource`."""
        from restill.datasets.clips import resample  # needs torch, which evaluation does without

        window = (slice(box.top, box.top + box.height), slice(box.left, box.left + box.width))
        rainy, clean = [], []
        for frame in frames:
            degraded, truth = self.clips[clip].read(frame)
            if truth is None:
                raise RestillError(f"clip '{self.names[clip]}' has no clean frames to train on")
            rainy.append(resample(degraded[window], size))
            clean.append(resample(truth[window], size))
        return rainy, clean


def read_picture(path: Path) -> np.ndarray:
    """A picture file as (H, W, 3) RGB uint8.

    Raises:
        RestillError: It cannot be read.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise RestillError(f"{path}: cannot be read as a picture")
    return picture


def _find(root: Path) -> Iterator[tuple[str, tuple[Path, Path | None]]]:
    """(name, (rainy folder, clean folder or None)) of every clip."""
    truths = _child(root, "gt")
    for folder in _folders(root):
        holds_a_split = folder.name.lower() in ("train", "test", "real")
        for clip in _folders(folder) if holds_a_split else [folder]:
            rainy = _child(clip, "rain", "rainy")
            if rainy is not None:
                yield clip.name, (rainy, _child(clip, "gt", "clean"))
            elif holds_a_split or RAIN.search(clip.name):
                wanted = RAIN.sub("", clip.name).lower() + "_gt"
                places = [place for place in (truths, clip.parent) if place is not None]
                yield ALONE.sub("", clip.name), (clip, next((t for p in places if (t := _child(p, wanted))), None))


def _split(name: str, _rainy: Path, clean: Path | None) -> str:
    for split, pattern in OF_NAME.items():
        if pattern.match(name):
            return split
    return "real" if clean is None or REAL.match(name) else "test"


def _pair(name: str, rainy: Path, clean: Path | None, split: str) -> PairedClip:
    rainy_frames = _frames(rainy)
    if split == "real":
        return PairedClip(name, tuple(rainy_frames.values()), None)
    if clean is None:
        raise RestillError(f"{rainy}: clean frames of clip '{name}' are missing; they belong in {_clean_name(rainy)}")
    clean_frames = _frames(clean)
    both = [stem for stem in rainy_frames if stem in clean_frames]
    if not both:
        raise RestillError(f"clip '{name}': no frame in {rainy} has the name of one in {clean}")
    alone = len(rainy_frames) + len(clean_frames) - 2 * len(both)
    if alone:
        warnings.warn(f"clip '{name}': {alone} frames without a partner are left out", stacklevel=3)
    return PairedClip(name, tuple(rainy_frames[s] for s in both), tuple(clean_frames[s] for s in both))


def _clean_name(rainy: Path) -> str:
    return "gt" if rainy.name.lower() in ("rain", "rainy") else RAIN.sub("", rainy.name) + "_GT"


def _frames(folder: Path) -> dict[str, Path]:
    """Picture files by stem, in order; those of the only folder inside if there are none here."""
    pictures = [p for p in folder.iterdir() if p.suffix.lower() in PICTURES and not p.name.startswith(".")]
    if not pictures:
        inside = _folders(folder)
        if len(inside) != 1:
            raise RestillError(f"{folder}: holds no .jpg or .png frames")
        return _frames(inside[0])
    return {p.stem: p for p in sorted(pictures, key=lambda p: (len(p.stem), p.stem))}


def _folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _child(folder: Path, *names: str) -> Path | None:
    """A folder inside, its name compared without case."""
    return next((p for p in _folders(folder) if p.name.lower() in names), None)


def _names_in(path: Path) -> list[str]:
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise RestillError(f"{path}: cannot be read as a list of clips; it should hold one name per line") from error
    if not names:
        raise RestillError(f"{path}: names no clip; it should hold one name per line")
    return names
