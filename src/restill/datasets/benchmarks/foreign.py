"""The validation sets ``foreign`` and ``foreign-rendered``: held-out clean clips in rain that Restill did not render.

:mod:`restill.datasets.make_foreign` makes them::

    ROOT/CLIP.KIND/rain/00001.png   ROOT/CLIP.KIND/gt/00001.png
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from restill.datasets.files import child, folders, pictures
from restill.datasets.foreign_rain import KINDS
from restill.datasets.foreign_renderers import RENDERED
from restill.datasets.held_out import SCORED
from restill.datasets.paired import PairedClip, PairedSet
from restill.errors import RestillError

REAL_STATIC = "real_static"  # a folder in ROOT: clips of a static camera with real rain and no clean side
EACH = 2  # kinds of rain per clip


def clip_names(kinds: Sequence[str]) -> list[tuple[str, str]]:
    """(clip, kind) for every clip of a set. The kinds take turns, so each has about as many clips."""
    step = len(kinds) // EACH
    return [(clip, kinds[(i + turn * step) % len(kinds)]) for i, clip in enumerate(SCORED) for turn in range(EACH)]


class Foreign(PairedSet):
    """Clips named CLIP.KIND, of a clean clip and a kind of :data:`restill.datasets.foreign_rain.KINDS`."""

    title = "the validation set foreign (restill data make foreign)"
    splits = ("test",)
    trains = None
    layout = "CLIP.KIND/rain/00001.png beside CLIP.KIND/gt/00001.png"
    members: ClassVar = {"test": tuple(f"{clip}.{kind}" for clip, kind in clip_names(list(KINDS)))}
    expected: ClassVar = {split: len(names) for split, names in members.items()}

    def find(self, *, all_of_it: bool) -> dict[str, tuple[Path, Path]]:
        """Find the two folders of each clip."""
        return {
            folder.name: (rain, gt)
            for folder in folders(self.root)
            if (rain := child(folder, "rain")) and (gt := child(folder, "gt"))
        }

    def clip(self, name: str, found: tuple[Path, Path]) -> PairedClip:
        """Build the clip. Both folders must have the same file names.

        Raises:
            RestillError: If they do not.
        """
        rain, gt = (pictures(side) for side in found)
        if [path.name for path in rain] != [path.name for path in gt]:
            raise RestillError(f"{found[0].parent}: rain/ and gt/ must hold pictures of the same names")
        return PairedClip(name, tuple(rain), tuple(gt))

    def kind_of(self, name: str) -> str:
        """The kind of rain: what stands after the last point."""
        return name.rpartition(".")[2]


class ForeignRendered(Foreign):
    """Clips named CLIP.KIND, of a clean clip and a kind of :data:`restill.datasets.foreign_renderers.RENDERED`."""

    title = "the validation set foreign-rendered (restill data make foreign-rendered)"
    members: ClassVar = {"test": tuple(f"{clip}.{kind}" for clip, kind in clip_names(list(RENDERED)))}
    expected: ClassVar = {split: len(names) for split, names in members.items()}
