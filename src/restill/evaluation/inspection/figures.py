"""The figures of ``restill inspect``, out of what was seen of a clip and its models."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from restill.evaluation.inspection import pictures
from restill.evaluation.inspection.pictures import Region, common_scale, error_map, fitted, labeled, maps_beside

TALL = 96  # least lines of a temporal profile
CLOSE = 440  # least columns of an enlarged region

_OWN_MEAN = "Each map is over its own mean, so that 1 is average and no network's own scale matters."

# By name: the title, and what is to be seen.
FIGURES = {
    "frames": (
        "Frames",
        "The frame as it came, as each model restored it, and clean where that is known. Framed: what is enlarged "
        "below. The ticks at the sides mark the row that is shown over time.",
    ),
    "crops": ("Enlarged", "The framed region; each pixel is a block."),
    "errors": ("Error maps", "How far each pixel is from the clean frame. All on one scale."),
    "profile": (
        "Temporal profiles",
        "One row of the picture over time, the first frame on top. What stands still is an upright line; rain and "
        "flicker are dots.",
    ),
    "mean_sq": (
        "Features",
        "The map that CSTD and STD compare: all channels averaged, and squared. All on one scale; networks that were "
        "trained apart need not have one in common, so see the next picture too.",
    ),
    "unit_mean_sq": ("Features, each over its own mean", f"The same maps. {_OWN_MEAN}"),
    "sum_of_squares": ("Attention, sum of squares", f"STD's mapping (1), and AT's. {_OWN_MEAN}"),
    "sum_of_abs": ("Attention, sum of absolute values", f"STD's mapping (2). {_OWN_MEAN}"),
    "max_of_squares": ("Attention, largest square", f"STD's mapping (3). {_OWN_MEAN}"),
}


@dataclass
class Figure:
    """One picture file.

    Attributes:
        name: One of :data:`FIGURES`; the file is ``NAME.png``.
        panels: What is in it, in order.
        picture: (H, W, 3) RGB uint8.
        scale: Where its colors begin and end, if it has a scale.
        unit: What they mean.
    """

    name: str
    panels: list[str]
    picture: np.ndarray
    scale: tuple[float, float] | None = None
    unit: str | None = None

    @property
    def file(self) -> str:
        """Its name in the folder."""
        return f"{self.name}.png"


@dataclass
class View:
    """One column of every figure: a clip, or what a model made of it."""

    label: str
    what: str
    feature: str | None = None  # where it was looked at
    picture: np.ndarray = field(init=False)  # (H, W, 3) uint8, the frame of the plan
    profile: np.ndarray = field(init=False)  # (T, W, 3) uint8
    maps: dict[str, np.ndarray] = field(default_factory=dict)
    psnr: float | None = None


def draw(views: list[View], truth: View | None, region: Region, row: int, size: tuple[int, int]) -> list[Figure]:
    """Every figure there is something for.

    Args:
        views: The input and what each model made of it.
        truth: The clean clip, if it is known.
        region: What is enlarged.
        row: What is shown over time.
        size: (H, W) of the clip, at which maps are shown.
    """
    shown = [*views, *([truth] if truth else [])]
    names = [view.label for view in shown]
    frames = [
        labeled(
            fitted(pictures.outlined(view.picture, region, row)),
            view.label if view.psnr is None else f"{view.label}  {view.psnr:.2f} dB",
        )
        for view in shown
    ]
    crops = [labeled(fitted(region.cut(view.picture), CLOSE), view.label) for view in shown]
    figures = [
        Figure("frames", names, pictures.beside(frames)),
        Figure("crops", names, pictures.beside(crops)),
        Figure("profile", names, pictures.stacked([labeled(_tall(view.profile), view.label) for view in shown])),
    ]
    if truth is not None:
        errors = {view.label: error_map(view.picture, truth.picture) for view in views}
        figures.insert(2, _maps("errors", errors, "gray levels of 255, mean over R, G, B"))
    looked = [view for view in views if view.maps]
    for kind in looked[0].maps if looked else ():
        unit = "(mean over channels) squared" if kind == "mean_sq" else "times the map's own mean"
        figures.append(_maps(kind, {view.label: view.maps[kind] for view in looked}, unit, size))
    return figures


def _maps(name: str, maps: dict[str, np.ndarray], unit: str, size: tuple[int, int] | None = None) -> Figure:
    scale = common_scale(maps.values())
    return Figure(name, list(maps), maps_beside(maps, unit, scale, size), scale, unit)


def _tall(profile: np.ndarray) -> np.ndarray:
    """A profile (T, W, 3) as wide as a panel; each frame is several lines where there are few."""
    _, most = pictures.SIDE
    if profile.shape[1] > most:  # columns alone: averages over time would hide what it is to show
        profile = cv2.resize(profile, (most, len(profile)), interpolation=cv2.INTER_AREA)
    profile = fitted(profile)
    return profile.repeat(max(1, -(-TALL // len(profile))), axis=0)
