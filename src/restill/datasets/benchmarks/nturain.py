"""NTURain (Chen et al., CVPR 2018): rainy videos with clean frames, in three layouts.

The archives, each unpacked to its own folder (which may contain another folder)::

    ROOT/a1_Rain/00001.jpg   ROOT/a1_GT/00001.jpg   ROOT/t1_Rain_01/...   ROOT/t1_GT/...   ROOT/ra1_Rain/...

The layout of CSTD's authors::

    ROOT/test/a1/00001.jpg   ROOT/GT/a1_GT/00001.jpg   ROOT/train/t1_Rain_01/...   ROOT/GT/t1_GT/...

A folder per clip::

    ROOT/a1/rain/00001.jpg   ROOT/a1/gt/00001.jpg

Frames are JPEG or PNG. The published frames are JPEG, so the clean ones have compression noise too.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from restill.datasets.files import child, folders, pictures
from restill.datasets.paired import PairedClip, PairedSet
from restill.errors import RestillError

OF_NAME = {"train": re.compile(r"t\d+(_rain_\d+)?$", re.I), "test": re.compile(r"[ab]\d+$", re.I)}
REAL = re.compile(r"(nturain_)?r[ab]\d+$", re.I)
RAIN = re.compile(r"_rain(_\d+)?$", re.I)  # "a1_Rain" and "t1_Rain_01"
ALONE = re.compile(r"_rain$", re.I)  # "a1_Rain" is clip a1; the number stays in the names of training clips


class NTURain(PairedSet):
    """The clips of one split.

    Args:
        root: The folder, in one of the layouts above.
        split: "test" (a1..a4, b1..b4), "train" (t1..t8) or "real" (ra1..ra4, rb1..rb3, no clean frames). A clip with
            another name is test if it has clean frames, and real if not.
        clips: Names to take, in this order, or the path of a text file with one name per line; None for all.
        all25: Also take ``t7_Rain_04``. The papers train on 24 rainy videos, ``_01`` to ``_03`` of each scene.

    Raises:
        RestillError: If the folder, a clip or its clean frames are missing.
    """

    title = "NTURain (Chen et al., CVPR 2018)"
    splits = ("test", "train", "real")
    layout = (
        "NAME_Rain/00001.jpg beside NAME_GT/00001.jpg\n"
        "test/NAME/00001.jpg and train/NAME_Rain_01/00001.jpg beside GT/NAME_GT/00001.jpg\n"
        "NAME/rain/00001.jpg beside NAME/gt/00001.jpg"
    )
    members: ClassVar = {
        "test": ("a1", "a2", "a3", "a4", "b1", "b2", "b3", "b4"),
        "train": tuple(f"t{scene}_Rain_{number:02d}" for scene in range(1, 9) for number in (1, 2, 3)),
        "real": ("ra1", "ra2", "ra3", "ra4", "rb1", "rb2", "rb3"),
    }
    expected: ClassVar = {split: len(names) for split, names in members.items()}

    def __init__(
        self,
        root: str | Path,
        split: str = "test",
        clips: Sequence[str] | Path | None = None,
        *,
        all25: bool = False,
    ) -> None:
        self.all25 = all25
        super().__init__(root, split, clips)

    def find(self, *, all_of_it: bool) -> dict[str, tuple[Path, Path | None]]:
        """Find the rainy and the clean folder of each clip."""
        found = {name: sides for name, sides in _find(self.root) if _split(name, *sides) == self.split}
        if all_of_it and not self.all25:
            found.pop("t7_Rain_04", None)
        return found

    def clip(self, name: str, found: tuple[Path, Path | None]) -> PairedClip:
        """Build the clip from frames paired by name."""
        clip, alone = _pair(name, *found, self.split)
        if alone:
            warnings.warn(f"clip '{name}': {len(alone)} frames without a partner are left out", stacklevel=4)
            self.problems += [f"{frame}: has no partner" for frame in alone]
        return clip

    def plain_name(self, name: str) -> str:
        """Remove the suffix: "a1_Rain" becomes "a1"."""
        return ALONE.sub("", name)


def _find(root: Path) -> Iterator[tuple[str, tuple[Path, Path | None]]]:
    """Yield (name, (rainy folder, clean folder or None)) for every clip."""
    truths = child(root, "gt")
    for folder in folders(root):
        holds_a_split = folder.name.lower() in ("train", "test", "real")
        for clip in folders(folder) if holds_a_split else [folder]:
            rainy = child(clip, "rain", "rainy")
            if rainy is not None:
                yield clip.name, (rainy, child(clip, "gt", "clean"))
            elif holds_a_split or RAIN.search(clip.name):
                wanted = RAIN.sub("", clip.name).lower() + "_gt"
                places = [place for place in (truths, clip.parent) if place is not None]
                yield ALONE.sub("", clip.name), (clip, next((t for p in places if (t := child(p, wanted))), None))


def _split(name: str, _rainy: Path, clean: Path | None) -> str:
    for split, pattern in OF_NAME.items():
        if pattern.match(name):
            return split
    return "real" if clean is None or REAL.match(name) else "test"


def _pair(name: str, rainy: Path, clean: Path | None, split: str) -> tuple[PairedClip, list[Path]]:
    """Return the clip and the frames without a partner."""
    rainy_frames = _frames(rainy)
    if split == "real":
        return PairedClip(name, tuple(rainy_frames.values()), None), []
    if clean is None:
        raise RestillError(f"{rainy}: clean frames of clip '{name}' are missing; they belong in {_clean_name(rainy)}")
    clean_frames = _frames(clean)
    both = dict.fromkeys(stem for stem in rainy_frames if stem in clean_frames)  # in order
    if not both:
        raise RestillError(f"clip '{name}': no frame in {rainy} has the name of one in {clean}")
    alone = [path for side in (rainy_frames, clean_frames) for stem, path in side.items() if stem not in both]
    return PairedClip(name, tuple(rainy_frames[s] for s in both), tuple(clean_frames[s] for s in both)), alone


def _clean_name(rainy: Path) -> str:
    return "gt" if rainy.name.lower() in ("rain", "rainy") else RAIN.sub("", rainy.name) + "_GT"


def _frames(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in pictures(folder)}
