"""The validation set ``foreign-pictures``: held-out pictures in rain that Restill did not render.

:mod:`restill.datasets.make_foreign_pictures` makes it::

    ROOT/rain/NAME.KIND.jpg   ROOT/gt/NAME.png
"""

from __future__ import annotations

from typing import ClassVar

from restill.datasets.foreign_rain import KINDS
from restill.datasets.foreign_renderers import RENDERED
from restill.datasets.held_out import PHOTOGRAPHS, SCORED
from restill.datasets.picture_sets import ANY, Layout, Pairs, PictureSet


class ForeignPictures(PictureSet):
    """Pictures named NAME.KIND, of a photograph or clip and a kind of rain."""

    title = "the validation set foreign-pictures (restill data make foreign-pictures)"
    splits = ("test",)
    trains = None
    layout = "rain/NAME.KIND.jpg beside gt/NAME.png"
    expected: ClassVar = {"test": (len(PHOTOGRAPHS) + len(SCORED)) * (len(KINDS) + len(RENDERED))}

    def layouts(self) -> tuple[Layout, ...]:
        """The rainy pictures of all kinds share the clean one."""
        return (Pairs(ANY + r"rain/([^/]+)\.[^/.]+", ANY + r"gt/([^/]+)"),)

    def kind_of(self, name: str) -> str:
        """The kind of rain: what stands after the last point."""
        return name.rpartition(".")[2]
