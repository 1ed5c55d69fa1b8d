"""The settings of one restoration, shared by the command line, Python and the sandbox."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from restill.alignment import Aligner
from restill.errors import RestillError
from restill.restoring.compare import LAYOUTS, Layout
from restill.runtime import Model
from restill.runtime.strength import check_strength
from restill.video import EncodeSettings
from restill.video.limits import USUAL, Limits
from restill.video.moment import Moment

ROTATIONS = (0, 90, 180, 270)


@dataclass(frozen=True)
class Request:
    """One input, its output and all settings; :func:`restill.restore` documents each field.

    Raises:
        RestillError: The layout, the rotation or the aligner is unknown, the strength is out of range, or both
            ``model`` and ``fast`` are given.
    """

    src: Path
    dst: Path
    model: str | os.PathLike[str] | Model | None = None
    compare: Layout | None = None
    preview: Moment | None = None
    settings: EncodeSettings = field(default_factory=EncodeSettings)
    backend: str = "auto"
    precision: str | None = None
    threads: int | None = None
    tile: int | None = None
    alone: bool | None = None
    fast: bool = False
    guard: bool = True
    rotate: int = 0
    aligner: str = "auto"
    strength: float = 1.0
    overwrite: bool = False
    limits: Limits = USUAL
    quiet: bool = False

    def __post_init__(self) -> None:
        if self.compare is not None and self.compare not in LAYOUTS:
            raise RestillError(f"compare '{self.compare}' is unknown; use one of {', '.join(LAYOUTS)}")
        if self.rotate not in ROTATIONS:
            raise RestillError(f"rotate {self.rotate} is not possible; use 90, 180 or 270 (degrees clockwise), or 0")
        Aligner(self.aligner)  # raises if there is none of this name
        check_strength(self.strength)
        if self.fast and self.model is not None:
            raise RestillError("fast and model both choose the student; leave out one of them")

    @property
    def model_name(self) -> str | os.PathLike[str] | None:
        """The name or path of the model; None for the default. Not for a loaded model."""
        assert not isinstance(self.model, Model)  # noqa: S101
        return self.model
