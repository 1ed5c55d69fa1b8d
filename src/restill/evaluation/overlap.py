"""Check whether a model was trained on the pictures that it is tested on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from restill.datasets.leaks import digest, remember_tests, trained_on
from restill.errors import RestillError
from restill.runtime import Model

if TYPE_CHECKING:
    from restill.datasets.paired import PairedClip


class OverlapCheck:
    """The pictures that are tested on, for :mod:`restill.datasets.leaks`.

    Args:
        model: What is tested; the run that it is from may say what it was trained on.
        allowed: That it was trained on some is no error.

    Attributes:
        overlap: It was trained on one of those that were added.
    """

    def __init__(self, model: str | os.PathLike[str] | Model, allowed: bool) -> None:
        path = model.path if isinstance(model, Model) else Path(model)
        self.trained, self.allowed, self.overlap = trained_on(path), allowed, False
        self.model, self.new = path, []

    def add(self, clip: PairedClip, index: int, degraded: np.ndarray, clean: np.ndarray) -> None:
        """A frame, as it was read."""
        for file, picture in ((clip.degraded[index], degraded), ((clip.clean or clip.degraded)[index], clean)):
            code = digest(picture)
            if code in self.trained and not self.allowed:
                raise RestillError(
                    f"{file}: {self.model} was trained on this very picture, so that a score on it means nothing; "
                    "take another clip, or pass --allow-test-images"
                )
            self.overlap |= code in self.trained
            self.new.append((str(file), code))

    def remember(self) -> None:
        """What was added is known as test pictures from now on."""
        remember_tests(self.new)
        self.new = []
