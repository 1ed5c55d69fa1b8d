"""Feature MSE against plain arithmetic; what all methods must do is in test_every_method.py."""

from __future__ import annotations

import pytest
import torch
from foreign_networks import TinyUnet
from torch import nn

from restill.distillation import create_method
from restill.errors import RestillError

torch.set_num_threads(1)


def clip(side: int = 8) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {key: torch.rand(2, 4, 3, side, side) for key in ("degraded", "clean")}


def windows(batch: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.stack([batch["degraded"][:, t - 1 : t + 2] for t in (1, 2)], 1).flatten(0, 1)


def test_it_is_the_mean_squared_difference_after_the_adapter():
    teacher, student, batch = TinyUnet(6), TinyUnet(4), clip()
    method = create_method("mse", teacher, student, 1, teacher_feature="refine", student_feature="refine", weight=3.0)
    loss = method(batch, 0)["feature"]
    seen: list[torch.Tensor] = []
    for network in (student, teacher):
        network.refine.register_forward_hook(lambda m, i, out: seen.append(out))
        network(windows(batch))
    (conv,) = method.adapters  # type: ignore[misc]
    weight = conv.weight[:, :, 0, 0]
    adapted = torch.einsum("ts,nshw->nthw", weight, seen[0]) + conv.bias.view(1, -1, 1, 1)
    assert loss.item() == pytest.approx((adapted - seen[1]).square().mean().item(), rel=1e-5)
    assert method.default_weights == {"reconstruction": 1.0, "feature": 3.0}


def test_several_levels_add_up_and_need_as_many_on_both_sides():
    teacher, student, batch = TinyUnet(4), TinyUnet(4), clip()
    both = ["encoder", "decoder"]
    parts = [
        create_method("mse", teacher, student, 1, teacher_feature=path, student_feature=path)(batch, 0)["feature"]
        for path in both
    ]
    method = create_method("mse", teacher, student, 1, teacher_feature=both, student_feature=both)
    assert all(isinstance(adapter, nn.Identity) for adapter in method.adapters)  # type: ignore[union-attr]
    assert method(batch, 0)["feature"].item() == pytest.approx(sum(part.item() for part in parts), rel=1e-5)
    with pytest.raises(RestillError, match="'feature' has 2 paths in the teacher but 1 in the student"):
        create_method("mse", teacher, student, 1, teacher_feature=both, student_feature="encoder")


def test_places_are_checked_by_role_and_by_path():
    with pytest.raises(RestillError, match="names the role 'encoder', but this method uses: 'feature'"):
        create_method("mse", TinyUnet(4), TinyUnet(4), 1, teacher_feature={"encoder": "encoder"})
    with pytest.raises(RestillError, match=r"TinyUnet has no module 'encodr'.*did you mean encoder"):
        create_method("mse", TinyUnet(4), TinyUnet(4), 1, teacher_feature="encodr")
    with pytest.raises(RestillError, match=r"the student TinyUnet has no spec .* give student_feature"):
        create_method("mse", TinyUnet(4), TinyUnet(4), 1, teacher_feature="encoder")


def test_sizes_that_differ_take_the_students():
    method = create_method("mse", TinyUnet(4), TinyUnet(4), 1, teacher_feature="encoder", student_feature="decoder")
    assert torch.isfinite(method(clip(), 0)["feature"])
