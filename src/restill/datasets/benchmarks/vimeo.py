"""Vimeo-90K septuplets (Xue et al., IJCV 2019): seven frames of 448x256. Papers score the fourth."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from restill.datasets.files import folders, names_in
from restill.datasets.reduced import ReducedClip, ReducedSet
from restill.errors import RestillError

FRAMES = 7
LISTS = {
    "test": ("sep_testlist.txt",),
    "train": ("sep_trainlist.txt",),
    **{
        speed: (f"{speed}_testset.txt", f"sep_{speed}_testset.txt", f"meta_info_Vimeo90K_test_{speed}_GT.txt")
        for speed in ("fast", "medium", "slow")
    },
}


class Vimeo90K(ReducedSet):
    """The septuplets named in a list; "fast", "medium" and "slow" are parts of "test"."""

    title = "Vimeo-90K septuplets (Xue et al., IJCV 2019)"
    splits = tuple(LISTS)
    layout = (
        "sequences/00001/0001/im1.png ... im7.png beside sep_trainlist.txt, sep_testlist.txt, "
        "{fast,medium,slow}_testset.txt"
    )
    expected: ClassVar = {"test": 7824, "train": 64612, "fast": 1225, "medium": 4977, "slow": 1613}

    def find(self, *, all_of_it: bool) -> dict[str, Path]:
        """Find the septuplets' folders by name, such as "00001/0001"."""
        places = [self.root, *folders(self.root)]
        base = next((place for place in places if (place / "sequences").is_dir()), None)
        if base is None:
            raise RestillError(f"{self.root}: the folder sequences is missing; {self.wanted()}")
        wanted = [folder / name for folder in (base, base / "sequences") for name in LISTS[self.split]]
        listed = next((path for path in wanted if path.is_file()), None)
        if listed is None:
            raise RestillError(f"{base / LISTS[self.split][0]}: is missing, the list of the split; {self.wanted()}")
        found = {}
        for line in names_in(listed):
            name = line.split()[0].strip("/")
            folder = base / "sequences" / name
            if folder.is_dir():
                found[name] = folder
            else:
                self.problems.append(f"{folder}: is not there, although {listed.name} names it")
        return found

    def clip(self, name: str, found: Path) -> ReducedClip:
        """Build the clip from the seven frames of a folder."""
        return self.of(name, [found / f"im{number}.png" for number in range(1, FRAMES + 1)])
