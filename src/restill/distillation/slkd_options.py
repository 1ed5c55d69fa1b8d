"""Options of SLKD: choices that the paper leaves open, and Table IV's switches."""

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
    """Options of SLKD. The defaults are the paper's; where the paper gives no value, they are values that work.

    Attributes:
        alpha1: Weight of the divergence of the pictures, (4) L_KL.
        alpha2: Weight of both feature losses, (2) L_NC and (3) L_ET.
        nc_scale: Another factor of L_NC.
        et_scale: Another factor of L_ET.
        teacher_b: The second teacher: a run's folder or a .safetensors file of Restill, or, from Python, a module.
            None: the first teacher itself, run on the other input.
        teacher_b_input: Input of the second teacher.
        pixel_target: Target of the student's picture in (5) L_pixel: the second teacher's picture, or the clean frame
            ("gt").
        scm_common: (c, h, w) to which all levels are converted before they are compared; None: the teacher's size.
        brisque_scales: 2 adds half the resolution, as in BRISQUE.
        encoder_loss: How encoders are compared: by BRISQUE's features, or "none".
        decoder_loss: How decoders are compared: by PIQE's features; directly after the scale conversion, by the
            divergence of their softmax ("kl") or by mean squared error ("mse"); or "none".
        tau: Temperature of the softmax that turns features into distributions.
        kl_dir: Which distribution comes first in L_KL, L_NC and L_ET: "reverse": the student's, as in the paper;
            "forward": the teacher's.
        img_kl: How a picture becomes a distribution in L_KL: by its values over their "sum", or by a "softmax".
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
