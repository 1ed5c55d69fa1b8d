"""SPA-Data (Wang et al., CVPR 2019): real rain; clean pictures made from many frames of the same view."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from restill.datasets.files import child, folders
from restill.datasets.paired import PairedClip
from restill.datasets.picture_sets import Layout, Pairs, PictureSet, below
from restill.errors import RestillError

LIST = "real_world.txt"


class SPAData(PictureSet):
    """1,000 test pictures of 512x512, and 638,492 training patches named in the archive's list."""

    title = "SPA-Data (Wang et al., CVPR 2019)"
    layout = (
        "real_test_1000/rain/000.png beside real_test_1000/gt/000gt.png (test)\n"
        "real_world.txt beside real_world/ and real_world_gt/ (train)\n"
        "test/input/NAME.png beside test/target/NAME.png"
    )
    expected: ClassVar = {"test": 1000, "train": 638492}

    def layouts(self) -> tuple[Layout, ...]:
        """The layouts of the test pictures."""
        test = below("real_test_1000", "test", "testing")
        return (
            *(Pairs(p + r"rain/([^/]+)", p + r"gt/([^/]+?)(?:gt)?") for p in (test, "")),
            *(Pairs(p + r"input/([^/]+)", p + r"target/([^/]+)") for p in (test, "")),
        )

    def find(self, *, all_of_it: bool) -> dict[str, PairedClip]:
        """Find the pictures by name: training pictures from the list, test pictures by layout."""
        if self.split == "test":
            return super().find(all_of_it=all_of_it)
        places = [self.root, *folders(self.root)]
        base = next((place for place in places if (place / LIST).is_file()), None)
        if base is None:
            raise RestillError(f"{self.root}: {LIST} is missing, which pairs the training pictures; {self.wanted()}")
        for name in ("real_world", "real_world_gt"):
            if child(base, name) is None:
                self.problems.append(f"{base / name}: is not there, although {LIST} names what is in it")
        if self.problems:
            return {}
        return dict(_pair(base, number, line) for number, line in _lines(base / LIST))


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    return [(number, line.split()) for number, line in lines if line.strip()]


def _pair(base: Path, number: int, words: list[str]) -> tuple[str, PairedClip]:
    if len(words) != 2:
        raise RestillError(f"{base / LIST}: line {number} should name two files, a rainy and a clean one")
    rainy, clean = (base / word.strip("/") for word in words)
    name = Path(words[0].strip("/")).with_suffix("").as_posix()
    return name, PairedClip(name, (rainy,), (clean,))
