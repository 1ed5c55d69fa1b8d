"""The choices of SLKD: what its paper leaves open, and Table IV's switches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator
from torch import nn

from restill.distillation.paired import PairedOptions
from restill.distillation.plain import Weight
from restill.losses.divergence import Direction

Positive = Annotated[int, Field(ge=1)]


class SLKDOptions(PairedOptions):
    """Every choice; the defaults are the paper's where it says, and what works where it does not.

    Attributes:
        alpha1: Weight of the image KL (3).
        alpha2: Weight of both feature losses, (4) and (5).
        nc_scale: Another factor of (4) alone.
        et_scale: Another factor of (5) alone.
        teacher_b: The second teacher: a run's folder or a .safetensors file of Restill, or, from Python, a module.
            None: the first teacher's own weights, run on the other input.
        teacher_b_input: What the second teacher sees.
        pixel_target: What the student's picture is compared with in (2): the second teacher's, or the clean frame
            itself ("gt").
        scm_common: (c, h, w) that all levels are brought to before they are compared; None: the teacher's own size.
        brisque_scales: 2: half the resolution too, as BRISQUE itself.
        encoder_loss: How encoders are compared: through BRISQUE's features, (4), or not.
        decoder_loss: How decoders are compared: through PIQE's features, (5); as they come out of (6), by the
            divergence of their softmax ("kl") or by mean squared error ("mse"); or not.
        tau: Temperature of the softmax of (11).
        kl_dir: Whose distribution comes first in (3), (4) and (5): "reverse", the student's, as printed; "forward",
            the teacher's.
        img_kl: How a picture becomes a distribution in (3): its values over their "sum", or their "softmax".
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    alpha1: Weight = 0.5
    alpha2: Weight = 0.1
    nc_scale: Weight = 1.0
    et_scale: Weight = 1.0
    teacher_b: Path | nn.Module | None = None
    teacher_b_input: Literal["clean", "degraded"] = "clean"
    pixel_target: Literal["teacher_b", "gt"] = "teacher_b"
    scm_common: tuple[Positive, Positive, Positive] | None = None
    brisque_scales: Literal[1, 2] = 1
    encoder_loss: Literal["brisque", "none"] = "brisque"
    decoder_loss: Literal["piqe", "kl", "mse", "none"] = "piqe"
    tau: Annotated[float, Field(gt=0)] = 1.0
    kl_dir: Direction = "reverse"
    img_kl: Literal["sum", "softmax"] = "sum"

    @field_validator("teacher_b", mode="before")
    @classmethod
    def _path_or_module(cls, given: Any) -> Any:
        if given is not None and not isinstance(given, str | Path | nn.Module):
            raise ValueError(f"must be the path of a checkpoint, or a module, not {given!r}")
        return given
