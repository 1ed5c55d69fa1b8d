"""Options of CSTD: choices that the paper leaves open, differences in the authors' code, and Table 5's switches."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from restill.distillation.paired import PairedOptions
from restill.distillation.scales import ScaleSource
from restill.distillation.supervised import Weight
from restill.losses.reconstruction import Kind

Term = tuple[str, str]  # (name of the loss, which term of it), such as ("spatial", "l2g2")

# the authors' six optimizer steps per frame, in their order; "raw" stands in for "l2g" without the Connector
ALTERNATE: tuple[tuple[Term, ...], ...] = (
    (
        *(("reconstruction", "1"), ("picture", "1")),
        *(("temporal", "ita"), ("temporal", "cta"), ("spatial", "l2g1"), ("spatial", "raw1")),
    ),
    (("reconstruction", "2"), ("spatial", "l2g2"), ("spatial", "raw2")),
    (("reconstruction", "3"), ("spatial", "l2g3"), ("spatial", "raw3")),
    (("spatial", "g2l3"),),
    (("spatial", "g2l2"),),
    (("spatial", "g2l1"),),
)


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "code": {
        "recon_weights": (1.0, 0.5, 0.5),
        "connector_shared": False,
        "order": "code",
        "scale_source": "frames",
        "optim": "alternate",
        "t_reduction": "sum",
    },
}


class CSTDOptions(PairedOptions):
    """Options of CSTD. Options that are given take precedence over the preset.

    Attributes:
        preset: "paper": what the paper says, and what the authors' code does where it says nothing. "code": what the
            authors' code does where both differ, with the loss of each frame unscaled in its own steps.
        alpha: Weight of the spatial loss.
        beta: Weight of the temporal loss.
        picture: Ours: weight of the loss between both networks' pictures, as in method "output"; 0 turns it off.
        reconstruction: The loss on pictures.
        recon_weights: lambda_p, finest scale first. The authors' code has (1, 0.5, 0.5). The number of weights is the
            number of scales.
        agg: How C channels become one: "sum_sq", (sum)^2, as the authors trained; "mean_sq", (mean)^2, which is C^2
            times smaller and leaves the losses without effect; or "unit_mean_sq", ours, (mean)^2 divided by its own
            mean, for networks whose features differ in scale.
        shrink: Ours: both networks' maps are first average-pooled by this factor. The cells' work falls with its
            square.
        hidden: D, channels of the cells.
        connector_shared: Both passes use one cell; False: one cell for each pass, as in the authors' code.
        g2l_init: Where the pass G2L starts: at the coarsest state of the pass L2G, or at "zeros".
        order: "paper": spatial then temporal, hints from t-1 and t; "code": temporal then spatial, from t and t-1.
        adaptor: "both": the Spatial-Temporal Adaptor gives both hints; "none": it gives none.
        scale_source: "features": the features are pooled; "frames": the network runs again on pooled frames.
        optim: "joint": one optimizer step per batch; "alternate": the authors' six per frame, states detached.
        t_reduction: "mean" or "sum" over the L frames.
        cells: "trained": with the student; "frozen_random": random weights that are not trained.
        detach_state: Stop the gradient between frames in the student's state.
        ms: Use the spatial loss (Table 5's switch MS).
        csc: Compute it through the Connector; off: on the raw pyramid.
        ita: First term of (6) L_temporal, the student alone.
        cta: Second term of (6) L_temporal, the collaborative status.
        sta: The Spatial-Temporal Adaptor.
    """

    preset: Literal["paper", "code"] = "paper"
    alpha: Weight = 0.1
    beta: Weight = 0.1
    picture: Weight = 0.0
    reconstruction: Kind = "neg_ssim"
    recon_weights: Annotated[tuple[Weight, ...], Field(min_length=1, max_length=3)] = (0.6, 0.2, 0.2)
    agg: Literal["mean_sq", "sum_sq", "unit_mean_sq"] = "sum_sq"
    shrink: Annotated[int, Field(ge=1)] = 1
    hidden: Annotated[int, Field(ge=1)] = 16
    connector_shared: bool = True
    g2l_init: Literal["l2g", "zeros"] = "l2g"
    order: Literal["paper", "code"] = "paper"
    adaptor: Literal["both", "none"] = "both"
    scale_source: ScaleSource = "features"
    optim: Literal["joint", "alternate"] = "joint"
    t_reduction: Literal["mean", "sum"] = "mean"
    cells: Literal["trained", "frozen_random"] = "trained"
    detach_state: bool = False
    ms: bool = True
    csc: bool = True
    ita: bool = True
    cta: bool = True
    sta: bool = True

    @model_validator(mode="before")
    @classmethod
    def _on_the_preset(cls, given: Any) -> Any:
        return PRESETS.get(str(given.get("preset")), {}) | given

    @model_validator(mode="after")
    def _switches_fit(self) -> CSTDOptions:
        if self.csc and not self.ms:
            raise ValueError("csc is a way to do ms: with ms off, csc must be off")
        if self.hints and not (self.csc and (self.ita or self.cta)):
            raise ValueError("sta joins csc with ita or cta: without both sides, sta must be off")
        return self

    @property
    def hints(self) -> bool:
        """Whether the two modules give each other hints."""
        return self.sta and self.adaptor == "both"
