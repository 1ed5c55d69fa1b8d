"""SLKD around two tiny networks, and its arithmetic in plain numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from foreign_networks import UNET_PLACES, TinyUnet
from torch import Tensor, nn

from restill.distillation import create_method
from restill.distillation.methods.slkd import SLKD

PLACES = {role: UNET_PLACES[role] for role in ("encoder", "decoder")}


def clip(side: int = 16, frames: int = 3) -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {key: torch.rand(2, frames, 3, side, side) for key in ("degraded", "clean")}


def around(teacher: nn.Module, student: nn.Module, **options: Any) -> SLKD:
    method = create_method(
        "slkd", teacher, student, 1, teacher_feature=PLACES, student_feature=PLACES, student_head="last", **options
    )
    assert isinstance(method, SLKD)
    return method


def tiny(student: int = 4, **options: Any) -> SLKD:
    torch.manual_seed(0)
    return around(TinyUnet(8), TinyUnet(student), **options)


def seen(network: nn.Module, window: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """A network's picture, and what came out of each of its modules."""
    found: dict[str, Tensor] = {}
    modules = dict(network.named_children())
    handles = [m.register_forward_hook(lambda *a, name=n: found.update({name: a[2]})) for n, m in modules.items()]
    with torch.no_grad():
        picture = network(window)
    for handle in handles:
        handle.remove()
    return picture, found


def standard(u: Tensor) -> Tensor:
    flat = u.flatten(1)
    mean, var = flat.mean(1), flat.var(1, correction=0)
    return (u - mean.view(-1, 1, 1, 1)) / (var + 1e-6).sqrt().view(-1, 1, 1, 1)


def plain_kl(student: np.ndarray, teacher: np.ndarray) -> float:
    """sum P_S log(P_S / P_T) of two softmaxes, mean over rows."""
    p, q = (np.exp(z) / np.exp(z).sum(-1, keepdims=True) for z in (student, teacher))
    return float((p * np.log(p / q)).sum(-1).mean())


def plain_valid_kl(student: Tensor, teacher: Tensor, tau: float = 1.0, forward: bool = False) -> float:
    s, t = student.detach().double().numpy(), teacher.detach().double().numpy()
    z_s, z_t = np.empty_like(s), np.empty_like(t)
    for plane in range(t.shape[2]):
        mean, std = t[:, :, plane].mean(), t[:, :, plane].std()
        for x, z in ((s, z_s), (t, z_t)):
            z[:, :, plane] = np.clip((x[:, :, plane] - mean) / (std + 1e-3), -6, 6) / tau
    rows_s, rows_t = (z.reshape(z.shape[0] * z.shape[1], -1) for z in (z_s, z_t))
    return plain_kl(rows_t, rows_s) if forward else plain_kl(rows_s, rows_t)
