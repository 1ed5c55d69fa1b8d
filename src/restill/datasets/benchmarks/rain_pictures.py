"""Pictures with synthetic rain: Rain200H/L, Rain100H/L, Rain1200, Rain1400, Rain12, COCO350, BDD150.

If both sides are in one file, ``order`` says which comes first. Rain brightens a picture, so ``restill data check``
warns if the half taken as rainy is the darker one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, get_args

from restill.datasets.picture_sets import ANY, Halves, Layout, Order, Pairs, PictureSet, below
from restill.errors import RestillError

RAIN = r"(?:rain|rainy)"
CLEAN = r"(?:norain|gt|clean|ground_truth)"


class RainPictures(PictureSet):
    """Rainy and clean pictures in separate files.

    Attributes:
        folders: By split, the accepted names of its folder.
    """

    folders: ClassVar[dict[str, tuple[str, ...]]] = {}

    def layouts(self) -> tuple[Layout, ...]:
        """Layouts below the split's folder; a test set may also lie directly in the root."""
        inside = self.inside(below(*self.folders[self.split]))
        return inside if self.split != self.splits[0] else (*inside, *self.inside(""))

    def inside(self, place: str) -> tuple[Layout, ...]:
        """The layouts below the folder ``place``."""
        return two_folders(place)


class RainHalves(RainPictures):
    """Rainy and clean pictures in separate files, or both sides in one file.

    Args:
        root: The folder.
        split: "test" or "train".
        clips: Names of pictures, or a text file of names; None for all.
        order: The order of the halves of a side-by-side picture; None for the set's usual order.
    """

    def __init__(
        self,
        root: str | Path,
        split: str = "test",
        clips: Sequence[str] | Path | None = None,
        *,
        order: Order | None = None,
    ) -> None:
        if order is not None and order not in get_args(Order):
            raise RestillError(f"order of the halves should be {' or '.join(get_args(Order))}, not '{order}'")
        self.order = order or type(self).order
        super().__init__(root, split, clips)

    def layouts(self) -> tuple[Layout, ...]:
        """Layouts with two files first, then one file directly in the split's folder."""
        return (*super().layouts(), Halves(below(*self.folders[self.split]) + r"([^/]+)"))


def two_folders(place: str) -> tuple[Layout, ...]:
    """A folder per side: ``input/`` and ``target/`` are paired by name, others by number."""
    return (
        Pairs(place + r"input/([^/]+)", place + r"target/([^/]+)"),
        Pairs(place + rf"{RAIN}/x2/\D*(\d+)x2", place + rf"{CLEAN}/\D*(\d+)"),
        Pairs(place + rf"{RAIN}/\D*(\d+)(?:x2)?", place + rf"{CLEAN}/\D*(\d+)"),
    )


def clean_beside(place: str) -> tuple[Layout, ...]:
    """Clean pictures beside the folder of rainy ones, or both in one folder (the layout of PReNet's authors)."""
    return (
        Pairs(place + rf"{RAIN}/\D*(\d+)", place + r"norain-?(\d+)"),
        Pairs(place + r"rain-?(\d+)", place + r"norain-?(\d+)"),
    )


class Rain200H(RainHalves):
    """Heavy rain, 1,800 training and 200 test pictures."""

    title = "Rain200H (Yang et al., CVPR 2017)"
    layout = (
        "{train,test}/rain/X2/norain-1x2.png beside {train,test}/norain/norain-1.png\n"
        "{train,test}/norain-1.png, both sides in one picture (order: clean-first, or rainy-first)\n"
        "{train,test}/input/NAME.png beside {train,test}/target/NAME.png\n"
        "rain/ beside norain/ or gt/, or input/ beside target/, in the folder itself, to test on"
    )
    folders: ClassVar = {
        "train": ("train", "train_c", "rain_data_train_heavy", "raintrainh"),
        "test": ("test", "test_c", "rain_data_test_heavy"),
    }
    expected: ClassVar = {"train": 1800, "test": 200}


class Rain200L(Rain200H):
    """Light rain, 1,800 training and 200 test pictures."""

    title = "Rain200L (Yang et al., CVPR 2017)"
    folders: ClassVar = {
        "train": ("train", "train_c", "rain_data_train_light", "raintrainl"),
        "test": ("test", "test_c", "rain_data_test_light"),
    }


class Rain100H(RainPictures):
    """The first version of Rain200H: 1,800 training and 100 test pictures."""

    title = "Rain100H (Yang et al., CVPR 2017)"
    layout = (
        "RainTrainH/rain-1.png beside RainTrainH/norain-1.png\n"
        "Rain100H/rainy/rain-001.png beside Rain100H/norain-001.png\n"
        "{train,test}/rain/NAME-1.png beside {train,test}/norain/NAME-1.png\n"
        "{train,test}/input/NAME.png beside {train,test}/target/NAME.png\n"
        "rain/ beside norain/ or gt/, or input/ beside target/, in the folder itself, to test on"
    )
    folders: ClassVar = {"train": ("train", "raintrainh"), "test": ("test", "rain100h")}
    expected: ClassVar = {"train": 1800, "test": 100}

    def inside(self, place: str) -> tuple[Layout, ...]:
        """Two folders, or clean pictures beside the rainy ones."""
        return (*two_folders(place), *clean_beside(place))


class Rain100L(Rain100H):
    """The first version of Rain200L: 200 training and 100 test pictures."""

    title = "Rain100L (Yang et al., CVPR 2017)"
    layout = Rain100H.layout.replace("TrainH", "TrainL").replace("100H", "100L")
    folders: ClassVar = {"train": ("train", "raintrainl"), "test": ("test", "rain100l")}
    expected: ClassVar = {"train": 200, "test": 100}


class Rain12(RainPictures):
    """Twelve test pictures."""

    title = "Rain12 (Li et al., CVPR 2016)"
    splits = ("test",)
    trains = None
    layout = (
        "001_in.png beside 001_GT.png\n"
        "rainy/rain-001.png beside norain-001.png\n"
        "rain/NAME-1.png beside norain/NAME-1.png or gt/NAME-1.png\n"
        "input/NAME.png beside target/NAME.png"
    )
    folders: ClassVar = {"test": ("test", "rain12")}
    expected: ClassVar = {"test": 12}

    def inside(self, place: str) -> tuple[Layout, ...]:
        """Both sides in one folder, or in two folders."""
        return (Pairs(place + r"(\d+)_in", place + r"(\d+)_gt"), *two_folders(place), *clean_beside(place))


class COCO350(RainPictures):
    """350 COCO photographs with rain, to test how deraining affects detection."""

    title = "COCO350 (Jiang et al., CVPR 2020; COCO* in SSID-KD)"
    splits = ("test",)
    trains = None
    layout = "input/NAME.png beside target/NAME.png\nrain/NAME-1.png beside norain/NAME-1.png or gt/NAME-1.png"
    folders: ClassVar = {"test": ("test", "coco350")}
    expected: ClassVar = {"test": 350}


class BDD150(COCO350):
    """150 BDD100K pictures with rain, to test how deraining affects segmentation."""

    title = "BDD150 (Jiang et al., CVPR 2020; BDD* in SSID-KD)"
    folders: ClassVar = {"test": ("test", "bdd150")}
    expected: ClassVar = {"test": 150}


class Rain1200(RainHalves):
    """Three rain strengths with 4,000 training pictures each, and 1,200 test pictures; 512x512 pixels."""

    title = "Rain1200 (Zhang and Patel, CVPR 2018)"
    layout = (
        "DID-MDN-training/Rain_{Heavy,Medium,Light}/train2018new/1.jpg and DID-MDN-test/1.jpg, rainy and clean half\n"
        "{train,test}/1.jpg, both sides in one picture (order: rainy-first, or clean-first)\n"
        "{train,test}/input/NAME.png beside {train,test}/target/NAME.png"
    )
    folders: ClassVar = {"train": ("train", "train_c"), "test": ("did-mdn-test", "test", "test_c", "test1200")}
    expected: ClassVar = {"train": 12000, "test": 1200}
    order = "rainy-first"

    def layouts(self) -> tuple[Layout, ...]:
        """For training, the archive's three folders by strength come first."""
        archive = Halves(ANY + r"(?P<folder>rain_heavy|rain_medium|rain_light)/train2018new/([^/]+)")
        return (archive, *super().layouts()) if self.split == "train" else super().layouts()


class Rain1400(RainPictures):
    """1,000 clean pictures, each with 14 rainy versions: 900 for training, 100 for testing."""

    title = "Rain1400 (Fu et al., CVPR 2017)"
    layout = (
        "{training,testing}/rainy_image/1_1.jpg ... 1_14.jpg beside {training,testing}/ground_truth/1.jpg\n"
        "{train,test}/input/1_1.jpg beside {train,test}/target/1_1.jpg or {train,test}/target/1.jpg"
    )
    folders: ClassVar = {"train": ("training", "train"), "test": ("testing", "test")}
    expected: ClassVar = {"train": 12600, "test": 1400}

    def inside(self, place: str) -> tuple[Layout, ...]:
        """Fourteen rainy pictures for each clean one."""
        return (
            Pairs(place + r"input/([^/]+)", place + r"target/([^/]+)"),
            Pairs(place + r"(?:rainy_image|input|rain)/(\d+)_\d+", place + r"(?:ground_truth|target|norain|gt)/(\d+)"),
        )
