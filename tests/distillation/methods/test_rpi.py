"""RPI against plain arithmetic; what all methods must do is in test_every_method.py."""

from __future__ import annotations

import pytest
import torch
from foreign_networks import TinyUnet
from torch import Tensor, nn

from restill.distillation import create_method
from restill.distillation.method import Method
from restill.errors import RestillError

torch.set_num_threads(1)


class Linear(nn.Module):
    """A network whose feature is linear in the frames, so that a background cancels exactly."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.feature: nn.Module = nn.Conv2d(9, width, 3, padding=1)
        self.last = nn.Conv2d(width, 3, 1)

    def forward(self, window: Tensor) -> Tensor:
        return self.last(self.feature(window.flatten(1, 2)))


def clip(scenes: int = 2, side: int = 8, seed: int = 1) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    clean, rain = (torch.rand(scenes, 4, 3, side, side, generator=generator) / 2 for _ in range(2))
    return {"degraded": clean + rain, "clean": clean}


def rpi(teacher: nn.Module, student: nn.Module, place: str = "feature", **options: float) -> Method:
    return create_method("rpi", teacher, student, 1, teacher_feature=place, student_feature=place, **options)


def test_it_is_the_distance_of_the_changes_after_the_adapter():
    teacher, student, batch = TinyUnet(6), TinyUnet(4), clip()
    method = rpi(teacher, student, "refine", weight=3.0)
    loss = method(batch, 0)["prior"]
    seen: list[Tensor] = []
    for network in (student, teacher):
        network.refine.register_forward_hook(lambda m, i, out: seen.append(out))
        for side in ("degraded", "clean"):
            network(torch.stack([batch[side][:, t - 1 : t + 2] for t in (1, 2)], 1).flatten(0, 1))
    (conv,) = method.adapters  # type: ignore[misc]
    adapted = torch.einsum("ts,nshw->nthw", conv.weight[:, :, 0, 0], seen[0] - seen[1])
    assert loss.item() == pytest.approx((adapted - (seen[2] - seen[3])).square().mean().item(), rel=1e-5)
    assert method.default_weights == {"reconstruction": 1.0, "prior": 3.0}


def test_the_background_cancels_and_the_rain_does_not():
    torch.manual_seed(0)
    method, batch = rpi(Linear(6), Linear(4)), clip()
    other = torch.rand(batch["clean"].shape, generator=torch.Generator().manual_seed(5)) / 2
    moved = {side: value + other for side, value in batch.items()}  # another scene, the same rain
    dry = dict.fromkeys(batch, batch["clean"])
    rainier = {"degraded": batch["clean"] + 2 * (batch["degraded"] - batch["clean"]), "clean": batch["clean"]}
    losses = [method(given, 0)["prior"].item() for given in (batch, moved, dry, rainier)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert losses[2] == 0
    assert losses[3] == pytest.approx(4 * losses[0], rel=1e-4)


def test_it_trains_the_student_and_the_adapter_and_keeps_the_statistics():
    student = Linear(4)
    student.feature = nn.Sequential(student.feature, nn.BatchNorm2d(4))
    method = rpi(Linear(6), student).train()
    method(clip(), 0)["prior"].backward()
    for parameter in (*method.adapters.parameters(), student.get_parameter("feature.0.weight")):  # type: ignore[union-attr]
        assert parameter.grad.abs().sum() > 0
    assert student.get_buffer("feature.1.num_batches_tracked") == 1  # of the rainy frames alone


def test_clean_frames_that_do_not_match_are_refused():
    method, batch = rpi(Linear(6), Linear(4)), clip()
    large = batch | {"clean": batch["clean"].repeat(1, 1, 1, 2, 2)}
    with pytest.raises(RestillError, match="sees the clean input must restore at scale 1"):
        method(large, 0)
    aligned = batch | {"windows": torch.rand(2, 2, 3, 3, 8, 8)}
    with pytest.raises(RestillError, match=r"needs data\.align none"):
        method(aligned, 0)
