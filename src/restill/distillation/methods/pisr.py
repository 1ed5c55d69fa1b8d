"""PISR, step 2: distillation from a teacher that sees the clean picture (Lee et al., ECCV 2020).

    equation                                                     here
    (1) mu = Conv1x1(PReLU(Conv1x1(f_S)))                        PISR._moments
    (2) b = 0.1 softplus(Conv1x1(PReLU(Conv1x1(f_S)))) + 1e-8    PISR._moments
    (3) L_variational = mean (log 2b + |mu - f_T| / b)           laplace_nll
    (4) L = L_core + w * L_variational                           PISR.__init__

The equation numbers are ours. f_T is a feature of the teacher on the clean picture y, f_S the student's on the degraded
picture x. (3) is the negative log of a Laplace density of f_T around mu. The student's feature predicts the width b
too: for values that x does not determine, b is large and the loss small. (3) is least at mu = f_T; its value there,
log 2b, is not zero and may be negative. The authors' code adds a constant to (3); it has no gradient and is left out.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from restill.distillation.hooks import find_module
from restill.distillation.method import Losses, MethodOptions
from restill.distillation.paired import Paired, PairedOptions
from restill.distillation.scales import NetworkOutput, ObservedNetwork, like
from restill.distillation.supervised import Weight
from restill.distillation.windows import Batch
from restill.errors import RestillError

SUPER_RESOLUTION, SAME_SIZE = 1e-6, 1e-4  # w of (4): the authors', and a start for deraining


class PISROptions(PairedOptions):
    """Options of :class:`PISR`.

    Attributes:
        weight: w of (4); by default 1e-6 if the student's spec has a scale above 1, else 1e-4.
        initialize: The student starts with the weights of the teacher's decoder that have the same name and shape.
        decoder: Path of that decoder in the teacher.
    """

    weight: Weight | None = None
    initialize: bool = True
    decoder: str = "decoder"


class PISR(Paired[PISROptions]):
    """Train the student to predict the features of a teacher that sees the clean picture. See :class:`Paired`.

    Raises:
        RestillError: As :class:`Paired`; or the options name weights to start from, and none of them fits the student.
    """

    name = "pisr"
    paper = "PISR, privileged information (Lee et al., ECCV 2020)"
    needs = "the clean input at training; a teacher that restores the clean picture it is shown: see pisr-teacher"
    roles = ("feature",)
    Options: ClassVar[type[MethodOptions]] = PISROptions
    shown_clean = frozenset({"teacher"})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        o = self.options
        scale = getattr(getattr(self.student, "spec", None), "scale", 1)
        weight = (SUPER_RESOLUTION if scale > 1 else SAME_SIZE) if o.weight is None else o.weight
        self.default_weights = {"reconstruction": 1.0, "variational": weight}  # (4) L = L_core + w L_variational
        widths = self.widths("feature")
        self.mu = nn.ModuleList(two_layers(*width) for width in widths)
        self.b = nn.ModuleList(two_layers(*width) for width in widths)
        # a resumed run replaces these weights by those of its checkpoint
        self._initialized = self._start_from_decoder() if o.initialize else 0.0

    def windows(self, net: ObservedNetwork, batch: Batch) -> Tensor:
        """Degraded windows for the student, (N, K, C, H, W), N = B*L; clean ones for the teacher, (N, K, C, sH, sW)."""
        return self.privileged_windows(net, batch) if net is self.teacher_net else super().windows(net, batch)

    @torch.no_grad()
    def run_teacher(self, batch: Batch) -> NetworkOutput:
        """The teacher on the clean frames.

        Raises:
            RestillError: Its picture has another size than its input.
        """
        windows = self.windows(self.teacher_net, batch)  # (N, K, C, sH, sW)
        seen = self.teacher_net.run(windows)
        shown, given = tuple(windows.shape[-2:]), tuple(seen.picture.shape[-2:])
        if shown != given:
            raise RestillError(
                f"method 'pisr' shows the teacher the clean picture {shown} and must get one of that size, not "
                f"{given}; train one by method 'pisr-teacher'"
            )
        return seen

    def forward(self, batch: Batch, step: int) -> Losses:
        """``reconstruction``; ``variational``, (3), summed over the paths."""
        features, reconstruction = self.run_both(batch, "feature")
        levels = [self._variational(k, f_s, f_t) for k, (f_s, f_t) in enumerate(features)]
        return {"reconstruction": reconstruction, "variational": torch.stack(levels).sum()}

    def _variational(self, k: int, f_s: Tensor, f_t: Tensor) -> Tensor:
        """L_variational at path k, of (N, C_S, h, w) and (N, C_T, h', w')."""
        with torch.autocast(f_s.device.type, enabled=False):  # float32: small differences over small widths
            mu, b = self._moments(k, f_s.float())
            return laplace_nll(mu, b, like(f_t.float(), mu))  # (3)

    def _moments(self, k: int, f_s: Tensor) -> tuple[Tensor, Tensor]:
        """mu and b (N, C_T, h, w) that the student's feature (N, C_S, h, w) predicts at path k."""
        mu = self.mu[k](f_s)  # (N, C_T, h, w): (1)
        b = 0.1 * softplus(self.b[k](f_s)) + 1e-8  # (N, C_T, h, w): (2)
        return mu, b

    def metrics(self) -> dict[str, float]:
        """``initialized``: the share of the student's weights that were copied from the teacher."""
        return {"initialized": self._initialized}

    @torch.no_grad()
    def _start_from_decoder(self) -> float:
        """Copy the weights that fit; return their share of the student's weights."""
        o = self.options
        assert self.teacher is not None  # noqa: S101 - Paired has it
        asked = not {"initialize", "decoder"}.isdisjoint(o.model_fields_set)
        inside = asked or o.decoder in dict(self.teacher.named_modules())
        theirs = find_module(self.teacher, o.decoder).state_dict() if inside else {}
        own = self.student.state_dict()
        fits = {key: theirs[key] for key in own if key in theirs and theirs[key].shape == own[key].shape}
        if asked and not fits:
            raise RestillError(
                f"method 'pisr', option 'decoder': no weight in the teacher's '{o.decoder}' has a name and a shape of "
                f"the {type(self.student).__name__}'s; name the module that is built as the student is, or set "
                "initialize to false"
            )
        for key, value in fits.items():
            own[key].copy_(value)
        return sum(own[key].numel() for key in fits) / max(1, sum(value.numel() for value in own.values()))


def two_layers(student: int, teacher: int) -> nn.Sequential:
    """Conv1x1, PReLU, Conv1x1: from the student's channels to the teacher's."""
    return nn.Sequential(nn.Conv2d(student, student, 1), nn.PReLU(), nn.Conv2d(student, teacher, 1))


def laplace_nll(mu: Tensor, b: Tensor, f: Tensor) -> Tensor:
    """Negative log-likelihood of f under Laplace densities, mean over everything.

    >>> laplace_nll(torch.zeros(1), torch.full((1,), 0.5), torch.ones(1))  # log 1 + 1 / 0.5
    tensor(2.)

    Args:
        mu: Their centers, (N, C, h, w).
        b: Their widths, more than 0, of that shape.
        f: Where they are evaluated, of that shape.
    """
    return (torch.log(2 * b) + (mu - f).abs() / b).mean()  # (3)
