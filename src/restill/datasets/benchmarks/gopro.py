"""Motion blur: GoPro (Nah et al., CVPR 2017) and HIDE (Shen et al., ICCV 2019), 1280x720 pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal, get_args

from restill.datasets.picture_sets import ANY, Layout, Pairs, PictureSet, below
from restill.errors import RestillError

Blur = Literal["blur", "blur_gamma"]


class GoPro(PictureSet):
    """2,103 training and 1,111 test pictures.

    Args:
        root: The folder.
        split: "test" or "train".
        clips: Names of pictures, or a text file of names; None for all.
        blur: The folder of blurred pictures to use: "blur" or "blur_gamma".
    """

    title = "GoPro (Nah et al., CVPR 2017)"
    layout = (
        "{train,test}/GOPR0384_11_00/blur/000001.png beside {train,test}/GOPR0384_11_00/sharp/000001.png\n"
        "{train,test}/input/NAME.png beside {train,test}/target/NAME.png"
    )
    expected: ClassVar = {"train": 2103, "test": 1111}

    def __init__(
        self, root: str | Path, split: str = "test", clips: Sequence[str] | Path | None = None, *, blur: Blur = "blur"
    ) -> None:
        if blur not in get_args(Blur):
            raise RestillError(f"blur should be {' or '.join(get_args(Blur))}, not '{blur}'")
        self.blur = blur
        super().__init__(root, split, clips)

    def layouts(self) -> tuple[Layout, ...]:
        """The archive's layout with a folder per video, or all videos in one folder."""
        place = below(self.split)
        return (
            Pairs(place + rf"(?P<folder>gopr\w+)/{self.blur}/(\d+)", place + r"(gopr\w+)/sharp/(\d+)"),
            *((Pairs(place + r"input/([^/]+)", place + r"target/([^/]+)"),) if self.blur == "blur" else ()),
        )


class HIDE(PictureSet):
    """2,025 test pictures of people, as close-ups and long shots."""

    title = "HIDE (Shen et al., ICCV 2019)"
    layout = (
        "test/{test-close-ups,test-long-shot}/NAME.png and train/NAME.png beside GT/NAME.png\n"
        "{train,test}/input/NAME.png beside {train,test}/target/NAME.png\n"
        "input/NAME.png beside target/NAME.png, to test on"
    )
    expected: ClassVar = {"test": 2025}

    def layouts(self) -> tuple[Layout, ...]:
        """The archive's layout with one clean folder for both splits, or two folders."""
        here = r"test/(?:test-close-ups|test-long-shot)" if self.split == "test" else "train"
        place = below(self.split)
        two = (Pairs(place + r"input/([^/]+)", place + r"target/([^/]+)"),)
        root = (Pairs(r"input/([^/]+)", r"target/([^/]+)"),) if self.split == "test" else ()
        return (Pairs(ANY + here + r"/([^/]+)", ANY + r"gt/([^/]+)", shared=True), *two, *root)
