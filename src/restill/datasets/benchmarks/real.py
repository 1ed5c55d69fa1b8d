"""Pictures with real rain and no clean side, for scoring with NIQE, PIQE or BRISQUE and for unpaired training."""

from __future__ import annotations

from typing import ClassVar

from restill.datasets.picture_sets import ANY, Alone, Layout, PictureSet


class Real275(PictureSet):
    """275 pictures of various sizes."""

    title = "Real275 (as SSID-KD uses it)"
    splits = ("test",)
    trains = None
    layout = "test/rain/norain-1.png\nrain/norain-1.png\nnorain-1.png"
    expected: ClassVar = {"test": 275}

    def layouts(self) -> tuple[Layout, ...]:
        """Pictures in a subfolder, or directly in the root."""
        return (Alone(ANY + r"(?:rain|rainy|input)/([^/]+)"), Alone(r"([^/]+)"))


class IVIPC(Real275):
    """128 pictures."""

    title = "IVIPC (as SSID-KD uses it)"
    layout = "test/rain/NAME.png\nrain/NAME.png\nNAME.png"
    expected: ClassVar = {"test": 128}
