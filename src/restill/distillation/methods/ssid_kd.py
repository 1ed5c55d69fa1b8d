"""SSID-KD: semi-supervised image deraining by knowledge distillation (TCSVT 2022), its second stage.

One network is both teacher and student: teacher on rendered rain, where the clean frame is known, student on real rain,
where it is not. Its code of real rain should match its code of rendered rain, and its pictures should have
the statistics of clear ones. The first stage is the method ``plain`` with -SSIM; see recipes/ssid.

    equation                                         here
    (1) O = B + R                                    networks.sid.SID.forward
    (2) to (4) PFFB, (5) MFFB                        networks.sid_blocks.PFFB.forward, MFFB.forward
    (6) L_T = -SSIM(X_syn, B), stage 1               losses.reconstruction.neg_ssim
    (7) L_S = L_sup + l1 L_KL + l2 L_DC + l3 L_TV    SSIDKD.__init__
    (8) L_KL = KL(P_real, P_syn), P = softmax(V)     SSIDKD._kl
    (9) D(x) = min_{y in N(x)} min_c |X_c(y)|        losses.dark_channel.dark_channel
    (10) L_DC = |D_syn| + |D_real|                   SSIDKD._dark_channel
    (11) L_TV = |grad X_syn| + |grad X_real|         SSIDKD._total_variation, losses.total_variation
    L_sup, the loss on the rendered side in stage 2  SSIDKD.forward

The numbers are the paper's. L_sup has none: it is in the authors' code and not in the paper. O is the rainy picture, B
the clean one, X the network's output for O, R = O - X the predicted rain, V the code in the middle of the network.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from restill.distillation.feature_paths import FeaturePaths
from restill.distillation.method import Losses, MethodOptions
from restill.distillation.scales import NetworkOutput, pad_to_multiple
from restill.distillation.supervised import Supervised, SupervisedOptions, Weight
from restill.distillation.windows import Batch, centre_windows, unpaired_windows
from restill.errors import RestillError
from restill.losses.dark_channel import dark_channel
from restill.losses.divergence import kl
from restill.losses.reconstruction import Kind
from restill.losses.total_variation import total_variation

BATCH, PATCH = (
    2,
    128,
)  # the authors' second stage: batch size, and picture size in pixels
LAMBDA = 1e-6  # l1 = l2 = l3, paper and code

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "effective": {"lambda_kl": 1e-2},
    "code": {
        "reconstruction": "l1",
        "sup_weight": 20.0,
        "lambda_dc": LAMBDA * BATCH,
        "lambda_tv": LAMBDA * BATCH,
        "kl_over": "elements",
        "kl_detach": False,
        "dc_window": None,
        "dc_shift": True,
        "tv_border": "zero",
        "priors": "sum",
    },
}


class SSIDKDOptions(SupervisedOptions):
    """Options of :class:`SSIDKD`. Options that are given take precedence over the preset.

    Attributes:
        preset: "paper"; "code": reductions, shifts and weights of the authors' code; "effective": the paper's, with a
            weight at which the KL has an effect.
        reconstruction: The loss L_sup on the rendered side.
        sup_weight: Its weight.
        lambda_kl: l1 of (7) L_S.
        lambda_dc: l2 of (7) L_S. The authors' 1e-6 is for the sum over two pictures of 128x128. Here a loss is a mean
            over samples and pixels, so the weight is 1e-6 * 2 * 128 * 128.
        lambda_tv: l3 of (7) L_S, likewise.
        kl_over: (8) L_KL is the mean over "positions", or over all "elements", which divides it by the channels too.
        kl_detach: Use the code of rendered rain as a pseudo-label, without gradient.
        dc_of: Input of (10) L_DC: the derained "picture" X, as the authors' code does; or the predicted "streaks"
            R, as printed in the paper: |1 - maxpool3d(R)|.
        dc_window: Pixels on a side of N of (9) D; None: as large as the picture.
        dc_shift: Take (9) D of (X + 1) / 2, which halves its gradient.
        tv_border: (11) L_TV compares the first row and column with nothing ("none") or with zero.
        priors: (10) L_DC and (11) L_TV are means over a picture's pixels, or sums.
    """

    preset: Literal["paper", "code", "effective"] = "paper"
    reconstruction: Kind = "neg_ssim"
    sup_weight: Weight = 1.0
    lambda_kl: Weight = LAMBDA
    lambda_dc: Weight = LAMBDA * BATCH * PATCH**2
    lambda_tv: Weight = LAMBDA * BATCH * PATCH**2
    kl_over: Literal["positions", "elements"] = "positions"
    kl_detach: bool = True
    dc_of: Literal["picture", "streaks"] = "picture"
    dc_window: Annotated[int, Field(ge=1)] | None = 15
    dc_shift: bool = False
    tv_border: Literal["none", "zero"] = "none"
    priors: Literal["mean", "sum"] = "mean"

    @model_validator(mode="before")
    @classmethod
    def _on_the_preset(cls, given: Any) -> Any:
        return PRESETS.get(str(given.get("preset")), {}) | given


class SSIDKD(Supervised[SSIDKDOptions]):
    """One network, trained on pairs and on unpaired degraded frames. Arguments as in :class:`Supervised`.

    Raises:
        RestillError: There is no module at a path, or no path is known for the code.
    """

    name = "ssid-kd"
    paper = "Semi-Supervised Image Deraining Using Knowledge Distillation (TCSVT 2022)"
    needs = "no teacher; one feature map, the code in the middle; unpaired degraded frames"
    has_teacher = False
    roles = ("embedding",)
    Options: ClassVar[type[MethodOptions]] = SSIDKDOptions

    def __init__(
        self,
        student: nn.Module,
        context: int,
        options: SSIDKDOptions | None = None,
        student_feature: FeaturePaths | None = None,
        student_head: str | None = None,
    ) -> None:
        super().__init__(student, context, options, student_feature, student_head)
        self.student_net.need("embedding")
        # (7) L_S = L_sup + l1 L_KL + l2 L_DC + l3 L_TV: the loop sums by these weights
        self.default_weights = {
            "reconstruction": self.options.sup_weight,
            "kl": self.options.lambda_kl,
            "dark_channel": self.options.lambda_dc,
            "tv": self.options.lambda_tv,
        }

    def forward(self, batch: Batch, step: int) -> Losses:
        """``reconstruction``: L_sup, ``kl``: L_KL, ``dark_channel``: L_DC, ``tv``: L_TV; unweighted."""
        synthetic, reconstruction = self.run_student(batch)  # L_sup(X_syn, B)
        real = self._run_real(batch)
        h, w = batch["clean"].shape[-2:]  # without padding
        pictures = [seen.picture[..., :h, :w].float() for seen in (synthetic, real)]  # X: 2 x (B*L, C, H, W)
        codes = (self.student_net.maps(seen, "embedding") for seen in (synthetic, real))  # V: 2 x [(B*L, C', h, w)]
        with torch.autocast(pictures[0].device.type, enabled=False):  # float32: small differences
            return {
                "reconstruction": reconstruction,
                "kl": torch.stack([self._kl(v_syn, v_real) for v_syn, v_real in zip(*codes, strict=True)]).sum(),
                "dark_channel": self._dark_channel(self._with_dark_channel(batch, pictures)),
                "tv": self._total_variation(pictures),
            }

    def _run_real(self, batch: Batch) -> NetworkOutput:
        """Run the network on the unpaired degraded frames."""
        paired, unpaired = batch["degraded"], batch.get("unpaired")
        if unpaired is not None and unpaired.shape != paired.shape:
            raise RestillError(
                f"a batch's 'unpaired' is {tuple(unpaired.shape)}; it must be as large as 'degraded', "
                f"{tuple(paired.shape)}, since their codes are compared position by position"
            )
        net = self.student_net
        windows = unpaired_windows(batch, self.context, net.before, net.after).flatten(0, 1)  # (B*L, K, C, H, W)
        return net.run(pad_to_multiple(windows, self.size_multiple))

    def _kl(self, v_syn: Tensor, v_real: Tensor) -> Tensor:
        """Divergence of the code of real rain from the code of rendered rain, position by position.

        Args:
            v_syn: (B*L, C', h, w).
            v_real: (B*L, C', h, w).
        """
        if self.options.kl_detach:
            v_syn = v_syn.detach()
        syn, real = (v.float().movedim(1, -1) for v in (v_syn, v_real))  # (B*L, h, w, C')
        # (8) L_KL: mean over (B*L, h, w) of sum_c P_real log(P_real / P_syn), P = softmax over C'
        value = kl(real, syn)
        return value if self.options.kl_over == "positions" else value / real.shape[-1]

    def _with_dark_channel(self, batch: Batch, pictures: list[Tensor]) -> list[Tensor]:
        """The pictures whose dark channel (10) L_DC uses, from X: 2 x (B*L, C, H, W).

        Raises:
            RestillError: The network changes the size, so that there is no R = O - X.
        """
        if self.options.dc_of == "picture":
            return pictures
        found = []
        for key, x in zip(("degraded", "unpaired"), pictures, strict=True):
            o = centre_windows({"degraded": batch[key]}, self.context, 0, 0)[:, :, 0].flatten(0, 1)  # O
            if o.shape != x.shape:
                raise RestillError(
                    f"method 'ssid-kd', option 'dc_of': 'streaks' needs pictures of the input's size {tuple(o.shape)}, "
                    f"but the network makes {tuple(x.shape)}; take 'picture'"
                )
            found.append(1 - (o - x))  # 1 - maxpool3d(R) is the dark channel of 1 - R
        return found

    def _dark_channel(self, pictures: list[Tensor]) -> Tensor:
        """Dark channel loss of [(B*L, C, H, W), ...]. Rain is bright and raises it."""
        total = pictures[0].new_zeros(())
        for x in pictures:
            x = (x + 1) / 2 if self.options.dc_shift else x  # (B*L, C, H, W)
            d = dark_channel(x, self.options.dc_window).abs()  # (9) D: (B*L, 1, H, W)
            total = total + (d.mean() if self.options.priors == "mean" else d.flatten(1).sum(1).mean())  # (10) L_DC
        return total

    def _total_variation(self, pictures: list[Tensor]) -> Tensor:
        """Total variation loss of [(B*L, C, H, W), ...]. Rain streaks increase it."""
        total = pictures[0].new_zeros(())
        for x in pictures:
            sums = total_variation(x, self.options.tv_border)  # (11) L_TV: |grad_h X| + |grad_v X|, (B*L,)
            pixels = x.shape[-2] * x.shape[-1] if self.options.priors == "mean" else 1
            total = total + sums.mean() / pixels
        return total
