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
    """Check test pictures against the pictures that a model was trained on; see :mod:`restill.datasets.leaks`.

    Args:
        model: The model under test; its run's folder may record the training pictures.
        allowed: Do not raise an error when they overlap.

    Attributes:
        overlap: Whether the model was trained on any of the added pictures.
    """

    def __init__(self, model: str | os.PathLike[str] | Model, allowed: bool) -> None:
        path = model.path if isinstance(model, Model) else Path(model)
        self.trained, self.allowed, self.overlap = trained_on(path), allowed, False
        self.model, self.new = path, []

    def add(self, clip: PairedClip, index: int, degraded: np.ndarray, clean: np.ndarray) -> None:
        """Add a frame as it was read; raise if it was trained on and that is not allowed."""
        for file, picture in ((clip.degraded[index], degraded), ((clip.clean or clip.degraded)[index], clean)):
            code = digest(picture)
            if code in self.trained and not self.allowed:
                raise RestillError(
                    f"{file}: {self.model} was trained on this very picture, so its score would be meaningless; "
                    "choose another clip, or pass --allow-test-images"
                )
            self.overlap |= code in self.trained
            self.new.append((str(file), code))

    def remember(self) -> None:
        """Record the added pictures as test pictures."""
        remember_tests(self.new)
        self.new = []
