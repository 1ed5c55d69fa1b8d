"""The description of a network, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class NetworkSpec:
    """The facts about a network that training, distillation, export and the runtime need.

    A network maps a window ``(B, K, C, H, W)``, RGB in [0, 1], ``K = frames_before + 1 + frames_after``, to the
    restored centre frame ``(B, C, scale*H, scale*W)``. A network for single pictures has ``K = 1``.

    Each feature below is a path (see :mod:`restill.distillation.hooks`): a module path for that module's output, or
    ``path:input`` for its input. A feature is a map (B, C', h, w) or (B, C', T, h, w).

    Attributes:
        task: Its task: "derain", "restore" (one picture: rain, blur, noise) or "super-resolution".
        paper: Its source.
        frames_before: Frames of context before the centre.
        frames_after: Frames of context after the centre (look-ahead).
        feature: The feature to distil: the last one before the picture, at output resolution if there is one.
        head: Path of the module that turns that feature into the picture or its residual; None if this is not one
            module.
        residual: True if the head's output is added to the centre frame.
        scale: Output size divided by input size.
        size_multiple: Height and width must be multiples of this; callers pad.
        upsample: How the centre frame is enlarged before the head's output is added.
        lr_feature: The feature at input resolution, with fused frames, before upsampling (super-resolution).
        levels: Features at about a third, two thirds and the end of the depth, for methods that use several.
        encoder: All features of the encoder that the decoder takes, finest first; the last is the bottleneck's.
        decoder: Features of the decoder, coarsest first.
        embedding: The code in the middle of the network.
        no_export: Why there is no ONNX export; None if there is.
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
    upsample: Literal["bilinear", "bicubic"] = "bilinear"
    lr_feature: str | None = None
    levels: tuple[str, ...] = ()
    encoder: tuple[str, ...] = ()
    decoder: tuple[str, ...] = ()
    embedding: str | None = None
    no_export: str | None = None

    @property
    def frames(self) -> int:
        """Number of frames in a window."""
        return self.frames_before + 1 + self.frames_after
