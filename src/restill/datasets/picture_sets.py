"""Sets of pictures whose layouts are path patterns.

A pattern is matched with the whole path below the root, without suffix and ignoring case. Its groups form the key that
pairs degraded and clean pictures; "007" and "7" are equal. A group named ``folder`` becomes part of the picture's name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from restill.datasets.files import is_picture, natural, picture_size, read_picture
from restill.datasets.paired import PairedClip, PairedSet
from restill.errors import RestillError

ANY = r"(?:.*/)?"  # the archive's folder may be at any depth
Order = Literal["clean-first", "rainy-first"]


class Pairs(NamedTuple):
    """A file for each side; several degraded ones may share a clean one.

    Attributes:
        degraded: Pattern of the degraded pictures.
        clean: Pattern of the clean ones.
        shared: The clean folder is shared with other splits, so it may hold more pictures.
    """

    degraded: str
    clean: str
    shared: bool = False


class Halves(NamedTuple):
    """Both sides in one file, side by side."""

    picture: str


class Alone(NamedTuple):
    """Degraded pictures without clean ones."""

    picture: str


Layout = Pairs | Halves | Alone


def below(*names: str) -> str:
    """The pattern of a folder with one of these names, at any depth."""
    return rf"{ANY}(?:{'|'.join(names)})/"


@dataclass(frozen=True)
class SideBySide(PairedClip):
    """Both sides in one picture of twice the width; ``degraded`` and ``clean`` are the same file."""

    order: Order = "clean-first"

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Degraded and clean half, each (H, W, 3) RGB uint8.

        Raises:
            RestillError: If the file is not a picture, or its width is odd.
        """
        left, right = self.pictures()
        return (right, left) if self.order == "clean-first" else (left, right)

    def size(self) -> tuple[int, int]:
        """(height, width) of a half."""
        height, width = picture_size(self.degraded[0])
        return height, width // 2

    def files(self) -> list[str]:
        """The name of each half."""
        return [f"{self.degraded[0]} (its {side} half)" for side in ("left", "right")]

    def pictures(self) -> Iterator[np.ndarray]:
        """The two halves."""
        both = read_picture(self.degraded[0])
        half, odd = divmod(both.shape[1], 2)
        if odd:
            raise RestillError(
                f"{self.degraded[0]}: is {both.shape[1]} pixels wide; the width must be even to split it into halves"
            )
        return iter((both[:, :half], both[:, half:]))


class PictureSet(PairedSet):
    """The pictures of one split, in the first of its layouts that matches."""

    order: Order = "clean-first"

    def layouts(self) -> tuple[Layout, ...]:
        """The layouts of the split, the most likely first."""
        raise NotImplementedError

    def find(self, *, all_of_it: bool) -> dict[str, PairedClip]:
        """Find the pictures by name, in the first layout that has any."""
        files = _files(self.root)
        problems: list[str] = []
        for layout in self.layouts():
            found, alone = self._in(layout, files)
            if found:
                self.problems = alone
                return found
            problems = problems or alone
        self.problems = problems
        return {}

    def _in(self, layout: Layout, files: list[tuple[str, Path]]) -> tuple[dict[str, PairedClip], list[str]]:
        if isinstance(layout, Pairs):
            return self._pairs(layout, files)
        clips = {}
        for match, path in _matching(layout.picture, files):
            clip = SideBySide("", (path,), (path,), self.order) if isinstance(layout, Halves) else None
            self._add(clips, match, path, clip or PairedClip("", (path,), None))
        return clips, []

    def _pairs(self, layout: Pairs, files: list[tuple[str, Path]]) -> tuple[dict[str, PairedClip], list[str]]:
        clean: dict[tuple[str, ...], Path] = {}
        for match, path in _matching(layout.clean, files):
            self._only(clean.setdefault(_key(match), path), path)
        clips: dict[str, PairedClip] = {}
        alone, used = [], set()
        for match, path in _matching(layout.degraded, files):
            key = _key(match)
            if key in clean:
                used.add(key)
                self._add(clips, match, path, PairedClip("", (path,), (clean[key],)))
            else:
                alone.append(f"{path}: its clean picture is missing")
        if not layout.shared:
            alone += [f"{path}: its degraded picture is missing" for key, path in clean.items() if key not in used]
        return clips, alone

    def _add(self, clips: dict[str, PairedClip], match: re.Match[str], path: Path, clip: PairedClip) -> None:
        folder = match.groupdict().get("folder")
        # take the folder from the path: the match is in lower case
        name = path.stem if folder is None else f"{_as_written(path, folder)}/{path.stem}"
        if name in clips:
            self._only(clips[name].degraded[0], path)
        clips[name] = replace(clip, name=name)

    def _only(self, one: Path, other: Path) -> None:
        if one != other:
            raise RestillError(
                f"{self.root}: holds two copies, {one} and {other}; give a folder that holds the set once"
            )


def _files(root: Path) -> list[tuple[str, Path]]:
    """(path below the root without suffix, in lower case; path) of every picture, in natural order."""
    paths = (Path(folder) / name for folder, _, names in os.walk(root, followlinks=True) for name in names)
    found = [(path.relative_to(root).with_suffix("").as_posix().lower(), path) for path in paths if is_picture(path)]
    return sorted(found, key=lambda pair: natural(pair[0]))


def _matching(pattern: str, files: list[tuple[str, Path]]) -> Iterator[tuple[re.Match[str], Path]]:
    wanted = re.compile(pattern)
    return ((match, path) for name, path in files if (match := wanted.fullmatch(name)))


def _key(match: re.Match[str]) -> tuple[str, ...]:
    return tuple(part.lstrip("0") or "0" if part.isdigit() else part for part in match.groups(""))


def _as_written(path: Path, folder: str) -> str:
    return next(part for part in reversed(path.parts) if part.lower() == folder)
