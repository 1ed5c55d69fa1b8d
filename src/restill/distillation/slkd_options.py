"""The choices of SLKD: what its paper leaves open, and Table IV's switches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator
from torch import nn

from restill.distillation.methods.plain import Weight
from restill.distillation.paired import PairedOptions
from restill.losses.divergence import Direction

Positive = Annotated[int, Field(ge=1)]


class SLKDOptions(PairedOptions):
    """Every choice; the defaults are the paper's where it says, and what works where it does not.

    Attributes:
        alpha1: Weight of the pictures' divergence, (4) L_KL.
        alpha2: Weight of both feature losses, (2) L_NC and (3) L_ET.
        nc_scale: Another factor of L_NC alone.
        et_scale: Another factor of L_ET alone.
        teacher_b: The second teacher: a run's folder or a .safetensors file of Restill, or, from Python, a module.
            None: the first teacher's own weights, run on the other input.
        teacher_b_input: What the second teacher sees.
        pixel_target: What (5) L_pixel compares the student's picture with: the second teacher's, or the clean frame
            itself ("gt").
        scm_common: (c, h, w) that all levels are brought to before they are compared; None: the teacher's own size.
        brisque_scales: 2: half the resolution too, as BRISQUE itself.
        encoder_loss: How encoders are compared: through BRISQUE's features, or not.
        decoder_loss: How decoders are compared: through PIQE's features; as they come out of the scale
            conversion, by the divergence of their softmax ("kl") or by mean squared error ("mse"); or not.
        tau: Temperature of the softmax that makes features distributions.
        kl_dir: Whose distribution comes first in L_KL, L_NC and L_ET: "reverse", the student's, as printed; "forward",
            the teacher's.
        img_kl: How a picture becomes a distribution in L_KL: its values over their "sum", or their "softmax".
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
