"""Real rain in pictures, without a clean side: to be scored by NIQE, PIQE or BRISQUE, and to learn from unpaired."""

from __future__ import annotations

from typing import ClassVar

from restill.datasets.picture_sets import ANY, Alone, Layout, PictureSet


class Real275(PictureSet):
    """275 pictures of many sizes."""

    title = "Real275 (as SSID-KD uses it)"
    splits = ("test",)
    trains = None
    layout = "test/rain/norain-1.png\nrain/norain-1.png\nnorain-1.png"
    expected: ClassVar = {"test": 275}

    def layouts(self) -> tuple[Layout, ...]:
        """In a folder of their own, or in the root itself."""
        return (Alone(ANY + r"(?:rain|rainy|input)/([^/]+)"), Alone(r"([^/]+)"))


class IVIPC(Real275):
    """128 pictures."""

    title = "IVIPC (as SSID-KD uses it)"
    layout = "test/rain/NAME.png\nrain/NAME.png\nNAME.png"
    expected: ClassVar = {"test": 128}
