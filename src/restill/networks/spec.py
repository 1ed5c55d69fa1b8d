"""What a network must tell about itself, once, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NetworkSpec:
    """Facts that training, distillation, export and the runtime need of a network.

    A network maps a window ``(B, K, C, H, W)``, RGB in [0, 1], ``K = frames_before + 1 + frames_after``, to the
    restored centre frame ``(B, C, scale*H, scale*W)``.

    Attributes:
        task: What it was made for: "derain".
        paper: Where it comes from.
        frames_before: Frames of context before the centre.
        frames_after: Frames of context after the centre (look-ahead).
        feature: Tap on the feature to distil (see :mod:`restill.distillation.taps`): a module path for that module's
            output, or ``path:input`` for what goes into it.
        head: Path of the module that turns that feature into the picture (or into its residual); None if there is
            no such single module.
        residual: True if the head's output is added to the centre frame.
        scale: Output size over input size.
        size_multiple: Height and width must be multiples of this; callers pad.
    """

    task: str
    paper: str
    frames_before: int
    frames_after: int
    feature: str
    head: str | None = None
    residual: bool = False
    scale: int = 1
    size_multiple: int = 1

    @property
    def frames(self) -> int:
        """Frames in a window."""
        return self.frames_before + 1 + self.frames_after
