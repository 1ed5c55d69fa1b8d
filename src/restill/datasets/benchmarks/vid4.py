"""Vid4 (Liu and Sun, TPAMI 2014): four test clips for super-resolution, 720x576 to 720x480."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from restill.datasets.files import child, folders, is_picture, pictures
from restill.datasets.reduced import ReducedClip, ReducedSet

CLEAN = ("gt", "hr", "original", "truth")


class Vid4(ReducedSet):
    """Every folder of frames is a clip."""

    title = "Vid4 (Liu and Sun, TPAMI 2014)"
    splits = ("test",)
    trains = None
    layout = "NAME/00000000.png\nGT/NAME/00000000.png\nNAME/gt/00000000.png"
    expected: ClassVar = {"test": 4}
    frames: ClassVar = {"calendar": 41, "city": 34, "foliage": 49, "walk": 47}
    members: ClassVar = {"test": tuple(frames)}

    def find(self, *, all_of_it: bool) -> dict[str, Path]:
        """Find each clip's folder of frames."""
        base = child(self.root, *CLEAN) or self.root
        places = {folder.name: child(folder, *CLEAN) or folder for folder in folders(base)}
        return {name: place for name, place in places.items() if any(is_picture(path) for path in place.iterdir())}

    def clip(self, name: str, found: Path) -> ReducedClip:
        """Build the clip from its frames, in natural order of their names."""
        return self.of(name, pictures(found))
