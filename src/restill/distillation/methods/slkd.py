"""SLKD: Simultaneous Learning Knowledge Distillation, with two teachers for one student.

Teacher A restores the degraded picture, and the student's encoder learns from A's encoder. Teacher B gets the clean
picture, and the student's decoder learns from B's decoder, which keeps every edge and texture.

    equation                                                     here
    (1) MSCN = (U - mu) / (sigma + C)                            natural_statistics.mscn
    (2) L_NC = sum_k KL(S_ec, TA_ec), BRISQUE's features         SLKD._encoder_loss
    (3) L_ET = sum_k KL(S_dc, TB_dc), PIQE's features            SLKD._decoder_loss
    (4) L_KL = sum P(S_r) log(P(S_r) / P(TA_r))                  SLKD.forward
    (5) L_pixel = mean |S_r - TB_r|                              SLKD.forward
    (6) L_all = L_pixel + 0.5 L_KL + 0.1 (L_NC + L_ET)           SLKD.__init__
    U, features of two networks on one scale (SCM)               ScaleConversion.forward
    alpha, E[m^2]: generalized Gaussian                          natural_statistics.ggd_planes
    nu, eta, sl^2, sr^2: asymmetric generalized Gaussian         natural_statistics.aggd_planes
    v, D: texture and distortion of blocks                       block_statistics.piqe_planes
    P = softmax(z / tau), of planes standardized                 valid_kl

The numbers are the paper's. The rows without a number are ours: the paper does not define the SCM, the output of the
extractors, or how features become distributions. They follow BRISQUE and PIQE, see docs/methods/slkd.md. S is the
student, r its picture, ec and dc encoder and decoder, k a level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, mse_loss

from restill.distillation import block_statistics, natural_statistics
from restill.distillation.feature_paths import FeaturePaths
from restill.distillation.method import Losses, MethodOptions
from restill.distillation.paired import Paired, adapter
from restill.distillation.processes import mean_over_processes
from restill.distillation.scales import NetworkOutput, ObservedNetwork, common_multiple, pad_to_multiple
from restill.distillation.slkd_options import SLKDOptions
from restill.distillation.windows import Batch, clean_windows
from restill.errors import RestillError
from restill.losses.divergence import Direction, kl, picture_kl
from restill.networks.adapter import Adapter
from restill.networks.adapter import adapt as adapt_network
from restill.networks.saved import load_network

Pairs = list[tuple[Tensor, Tensor]]  # the student's and the teacher's features of each level
LIMIT = 6.0  # standard deviations at which the values of a plane are clamped


class ScaleConversion(nn.Module):
    """SCM: bring the features of student and teacher to the same width, size and value scale.

    Args:
        widths: Channels of each level, (student's, teacher's).
        common: (c, h, w) for all levels; None: the teacher's.

    Raises:
        RestillError: A teacher has fewer channels than c.
    """

    def __init__(self, widths: Sequence[tuple[int, int]], common: tuple[int, int, int] | None) -> None:
        super().__init__()
        self.common = common
        narrow = min(teacher for _, teacher in widths)
        if common and common[0] > narrow:
            raise RestillError(
                f"method 'slkd', option 'scm_common': {common[0]} channels are more than a level of the teacher has "
                f"({narrow}); give at most as many"
            )
        targets = [(student, common[0] if common else teacher, teacher) for student, teacher in widths]
        self.adapters = nn.ModuleList(
            # if only the teacher's channels are averaged, equal widths do not mean equal features
            nn.Conv2d(student, target, 1) if target < teacher else adapter(student, target)
            for student, target, teacher in targets
        )

    def forward(self, students: list[Tensor], teachers: list[Tensor]) -> Pairs:
        """Convert both features of every level.

        Args:
            students: [(N, C_S, h', w'), ...].
            teachers: [(N, C_T, h, w), ...].

        Returns:
            [(U_S, U_T), ...], each (N, C_T, h, w) or (N, c, h, w), float32, mean 0 and variance 1 in each sample.
        """
        pairs = []
        for adapt, s, t in zip(self.adapters, students, teachers, strict=True):
            u_s, u_t = adapt(s.float()), t.float()  # (N, C_T, h', w'), (N, C_T, h, w)
            if self.common:
                u_t = natural_statistics.group_mean(u_t, self.common[0])  # (N, c, h, w)
            size = self.common[1:] if self.common else (u_t.shape[-2], u_t.shape[-1])
            u_s, u_t = (u if u.shape[-2:] == size else interpolate(u, size, mode="bilinear") for u in (u_s, u_t))
            pairs.append((_standardize(u_s), _standardize(u_t)))  # U_S, U_T
        return pairs


def _standardize(u: Tensor) -> Tensor:
    var, mean = torch.var_mean(u, dim=(1, 2, 3), keepdim=True, correction=0)  # (N, 1, 1, 1)
    return (u - mean) / torch.sqrt(var + 1e-6)


def valid_kl(student: Tensor, teacher: Tensor, tau: float, direction: Direction) -> Tensor:
    """KL divergence of two sets of planes; the planes and positions of a group form one distribution.

    Every plane is standardized by the teacher's mean and deviation, so that all planes have the same weight. Contrasts
    between planes, samples and positions remain.

    Args:
        student: (N, G, planes, n, n).
        teacher: The same, without gradient.
        tau: Temperature.
        direction: See :func:`restill.losses.divergence.kl`.

    Returns:
        A scalar, 0 or more, mean over samples and groups.
    """
    over = (0, 1, 3, 4)
    mean = mean_over_processes(teacher.mean(over, keepdim=True))  # (1, 1, planes, 1, 1), of the whole batch
    std = mean_over_processes((teacher - mean).square().mean(over, keepdim=True)).sqrt()
    # P = softmax(z / tau), z = (plane - mean_T) / std_T within +-6, over planes and positions
    z_s, z_t = (((x - mean) / (std + 1e-3)).clamp(-LIMIT, LIMIT).flatten(2) for x in (student, teacher))
    return kl(z_s / tau, z_t / tau, direction)


class SLKD(Paired[SLKDOptions]):
    """The whole method. Arguments as in :class:`Paired`; ``teacher`` is teacher A.

    The number of levels is the number of the decoder's paths. If the encoder has more paths, the finest are used and
    the bottleneck is left out.

    Raises:
        RestillError: As :class:`Paired`; or the second teacher does not fit the first.
    """

    name = "slkd"
    paper = "Simultaneous Learning Knowledge Distillation (dual teacher)"
    needs = "an encoder and a decoder each, several features in both; clean frames of the input's size"
    roles = ("encoder", "decoder")
    Options: ClassVar[type[MethodOptions]] = SLKDOptions

    def __init__(
        self,
        teacher: nn.Module,
        student: nn.Module,
        context: int,
        options: SLKDOptions | None = None,
        teacher_feature: FeaturePaths | None = None,
        student_feature: FeaturePaths | None = None,
        student_head: str | None = None,
    ) -> None:
        super().__init__(teacher, student, context, options, teacher_feature, student_feature, student_head)
        o = self.options
        # (6) L_all = L_pixel + alpha1 L_KL + alpha2 (L_NC + L_ET): the loop sums by these weights
        self.default_weights = {
            "reconstruction": 1.0,
            "image_kl": o.alpha1,
            "nc": o.alpha2 * o.nc_scale,
            "et": o.alpha2 * o.et_scale,
        }
        self.shown_clean = frozenset({"teacher"} if o.teacher_b_input == "clean" else ())
        self.teacher_b = load_network(o.teacher_b)[0] if isinstance(o.teacher_b, Path) else o.teacher_b
        self.teacher_b_net = self.teacher_net
        if self.teacher_b is not None:
            self.teacher_b = adapt_network(self.teacher_b, "teacher_b", context)
            if isinstance(self.teacher_b, Adapter) and isinstance(teacher, Adapter) and teacher.example is not None:
                self.teacher_b.fit(teacher.example)
            self.teacher_b.requires_grad_(False)
            self.teacher_b.eval()
            self.teacher_b_net = self._second_teacher(self.teacher_b, teacher_feature)
            self.register_state_dict_post_hook(_without_teacher_b)
        for net in (self.teacher_net, self.teacher_b_net, self.student_net):
            net.paths["encoder"] = net.paths["encoder"][: len(net.paths["decoder"])]
        of_student = {role: self._probe(self.student_net, role) for role in self.roles}
        of_teacher = {"encoder": self._probe(self.teacher_net, "encoder")}
        of_teacher["decoder"] = self._probe(self.teacher_b_net, "decoder")
        self.scm = nn.ModuleDict(
            {
                role: ScaleConversion(list(zip(of_student[role], of_teacher[role], strict=True)), o.scm_common)
                for role in self.roles
            }
        )
        self._levels: dict[str, Tensor] = {}

    def _second_teacher(self, network: nn.Module, paths: FeaturePaths | None) -> ObservedNetwork:
        net = ObservedNetwork.of(network, "teacher_b", self.context, paths, roles=self.roles)
        net.need(*self.roles)
        expected, found = len(self.student_net.paths["decoder"]), len(net.paths["decoder"])
        if found != expected:
            raise RestillError(f"'decoder' has {found} paths in teacher_b but {expected} in the student")
        common = common_multiple(self.teacher_net, self.student_net)
        if common % net.size_multiple:
            raise RestillError(
                f"teacher_b takes sizes that are multiples of {net.size_multiple}, but teacher and student take "
                f"multiples of {common}; give a network of the teacher's kind"
            )
        return net

    # --- one step ------------------------------------------------------------------------------------------------

    def forward(self, batch: Batch, step: int) -> Losses:
        """``reconstruction``: L_pixel, ``image_kl``: L_KL, ``nc``: L_NC, ``et``: L_ET; unweighted, sums over levels."""
        teacher_a = self.run_teacher(batch)
        teacher_b = self._run_teacher_b(batch, teacher_a)
        windows = self.windows(self.student_net, batch)  # (N, K, C, H, W), N = B*L
        student = self.student_net.run(windows)
        clean = self.targets(batch)  # (N, C, H', W')
        h, w = clean.shape[-2:]  # without padding
        s_r, ta_r, tb_r = (seen.picture[..., :h, :w].float() for seen in (student, teacher_a, teacher_b))
        target = tb_r if self.options.pixel_target == "teacher_b" else clean
        losses = {"reconstruction": self.reconstruction(student, windows, target)}  # (5) L_pixel
        self._levels = {}
        with torch.autocast(s_r.device.type, enabled=False):  # float32: small differences and logarithms
            losses["image_kl"] = picture_kl(s_r, ta_r, self.options.img_kl, self.options.kl_dir)  # (4) L_KL
            if self.options.encoder_loss != "none":
                losses["nc"] = self._encoder_loss(self._pairs("encoder", student, self.teacher_net, teacher_a))
            if self.options.decoder_loss != "none":
                losses["et"] = self._decoder_loss(self._pairs("decoder", student, self.teacher_b_net, teacher_b))
        return losses

    @torch.no_grad()
    def _run_teacher_b(self, batch: Batch, teacher_a: NetworkOutput) -> NetworkOutput:
        """Run the second teacher on its input, without gradient."""
        net = self.teacher_b_net
        if self.options.teacher_b_input == "degraded":
            return teacher_a if net is self.teacher_net else net.run(self.windows(net, batch))
        windows = clean_windows(batch, self.context, net.before, net.after).flatten(0, 1)  # (N, K, C, H, W)
        return net.run(pad_to_multiple(windows, common_multiple(self.teacher_net, self.student_net)))

    def _pairs(self, role: str, student: NetworkOutput, net: ObservedNetwork, teacher: NetworkOutput) -> Pairs:
        return self.scm[role](self.student_net.maps(student, role), net.maps(teacher, role))

    def _encoder_loss(self, pairs: Pairs) -> Tensor:
        """(2) L_NC = sum_k KL(P(S_ec), P(TA_ec)), of BRISQUE's features (N, G, 18, 7, 7)."""
        scales = self.options.brisque_scales
        return self._sum("nc", pairs, lambda u: natural_statistics.brisque_planes(u, scales))

    def _decoder_loss(self, pairs: Pairs) -> Tensor:
        """(3) L_ET = sum_k KL(P(S_dc), P(TB_dc)), of PIQE's features (N, G, 2, h/b, w/b); or Table IV's plain ones."""
        kind = self.options.decoder_loss
        if kind == "piqe":
            return self._sum("et", pairs, block_statistics.piqe_planes)
        if kind == "mse":
            return self._keep("et", [mse_loss(u_s, u_t) for u_s, u_t in pairs])
        tau = self.options.tau
        levels = [kl(s.flatten(1) / tau, t.flatten(1) / tau, self.options.kl_dir) for s, t in pairs]  # (N, C_T*h*w)
        return self._keep("et", levels)

    def _sum(self, name: str, pairs: Pairs, extract: Callable[[Tensor], Tensor]) -> Tensor:
        tau, direction = self.options.tau, self.options.kl_dir
        return self._keep(name, [valid_kl(extract(u_s), extract(u_t), tau, direction) for u_s, u_t in pairs])

    def _keep(self, name: str, levels: list[Tensor]) -> Tensor:
        """The sum over levels; each level is also saved for the log."""
        self._levels |= {f"{name}_{k}": level.detach() for k, level in enumerate(levels, start=1)}
        return torch.stack(levels).sum()

    # --- logging and modes ---------------------------------------------------------------------------------------

    def metrics(self) -> dict[str, float]:
        """Each level's share of ``nc`` and ``et`` in the last step."""
        return {name: value.item() for name, value in self._levels.items()}

    def train(self, mode: bool = True) -> SLKD:
        super().train(mode)
        if self.teacher_b is not None:
            self.teacher_b.eval()
        return self


def _without_teacher_b(module: nn.Module, state: dict[str, Tensor], prefix: str, metadata: object) -> None:
    """Leave out the weights of teacher B, which never change, from checkpoints."""
    for key in [key for key in state if key.startswith(f"{prefix}teacher_b.")]:
        del state[key]
