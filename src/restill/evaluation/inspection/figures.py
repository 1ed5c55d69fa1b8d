"""Draw the figures of ``restill inspect`` from a clip and its models' outputs."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from restill.evaluation.inspection import pictures
from restill.evaluation.inspection.pictures import Region, common_scale, error_map, fitted, labeled, maps_beside

TALL = 96  # minimum height of a temporal profile
CLOSE = 440  # minimum width of an enlarged region

_OWN_MEAN = "Each map is divided by its own mean, so that 1 is average and the scales of networks do not matter."

# By name: the title and the caption.
FIGURES = {
    "frames": (
        "Frames",
        "The input frame, the output of each model, and the clean frame if it is given. The box marks the region "
        "enlarged below. The ticks at the sides mark the row of the temporal profiles.",
    ),
    "crops": ("Enlarged", "The region in the box; each pixel is a block."),
    "errors": ("Error maps", "The difference of each pixel from the clean frame. All maps share one scale."),
    "profile": (
        "Temporal profiles",
        "One row of the picture over time, the first frame on top. Still objects are vertical lines; rain and "
        "flicker are dots.",
    ),
    "mean_sq": (
        "Features",
        "The map that CSTD and STD compare: the mean over channels, squared. All maps share one scale; networks that "
        "were trained separately may differ in scale, so see the next picture too.",
    ),
    "unit_mean_sq": ("Features, each divided by its own mean", f"The same maps. {_OWN_MEAN}"),
    "sum_of_squares": ("Attention, sum of squares", f"STD's mapping (1), and AT's. {_OWN_MEAN}"),
    "sum_of_abs": ("Attention, sum of absolute values", f"STD's mapping (2). {_OWN_MEAN}"),
    "max_of_squares": ("Attention, largest square", f"STD's mapping (3). {_OWN_MEAN}"),
}


@dataclass
class Figure:
    """One picture file.

    Attributes:
        name: One of :data:`FIGURES`; the file is ``NAME.png``.
        panels: The labels of its panels, in order.
        picture: (H, W, 3) RGB uint8.
        scale: The values of its first and last color, if it has a scale.
        unit: The unit of the scale.
    """

    name: str
    panels: list[str]
    picture: np.ndarray
    scale: tuple[float, float] | None = None
    unit: str | None = None

    @property
    def file(self) -> str:
        """The file name in the folder."""
        return f"{self.name}.png"


@dataclass
class View:
    """One column of every figure: a clip, or a model's output."""

    label: str
    what: str
    feature: str | None = None  # the module path of its feature
    picture: np.ndarray = field(init=False)  # (H, W, 3) uint8, the frame of the plan
    profile: np.ndarray = field(init=False)  # (T, W, 3) uint8
    maps: dict[str, np.ndarray] = field(default_factory=dict)
    psnr: float | None = None


def draw(views: list[View], truth: View | None, region: Region, row: int, size: tuple[int, int]) -> list[Figure]:
    """Draw every figure for which there are data.

    Args:
        views: The input and each model's output.
        truth: The clean clip, if it is given.
        region: The region to enlarge.
        row: The row of the temporal profiles.
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
    """A profile (T, W, 3) as wide as a panel; a short one is stretched in time."""
    _, most = pictures.SIDE
    if profile.shape[1] > most:  # shrink columns only: averaging over time would hide flicker
        profile = cv2.resize(profile, (most, len(profile)), interpolation=cv2.INTER_AREA)
    profile = fitted(profile)
    return profile.repeat(max(1, -(-TALL // len(profile))), axis=0)
