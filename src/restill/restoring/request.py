"""What one restoration is asked to do: the same for the command line, for Python and for the sandbox."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from restill.errors import RestillError
from restill.restoring.compare import LAYOUTS, Layout
from restill.runtime import Model
from restill.video import EncodeSettings
from restill.video.limits import USUAL, Limits


@dataclass(frozen=True)
class Request:
    """One input, its output, and how to get there; :func:`restill.restore` explains each field.

    Raises:
        RestillError: The layout is unknown.
    """

    src: Path
    dst: Path
    model: str | os.PathLike[str] | Model | None = None
    compare: Layout | None = None
    settings: EncodeSettings = field(default_factory=EncodeSettings)
    backend: str = "auto"
    precision: str | None = None
    threads: int | None = None
    tile: int | None = None
    alone: bool | None = None
    overwrite: bool = False
    limits: Limits = USUAL
    quiet: bool = False

    def __post_init__(self) -> None:
        if self.compare is not None and self.compare not in LAYOUTS:
            raise RestillError(f"compare '{self.compare}' is unknown; it is one of {', '.join(LAYOUTS)}")

    @property
    def model_name(self) -> str | os.PathLike[str] | None:
        """The model as it was named; None for the default student. Not for a loaded model."""
        assert not isinstance(self.model, Model)  # noqa: S101
        return self.model
