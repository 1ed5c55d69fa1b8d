"""SRKD against plain arithmetic; what all methods must do is in test_every_method.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from foreign_networks import UNET_PLACES, TinyUnet, clip
from small_networks import SMALL
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from restill.distillation import create_method
from restill.distillation.method import Method
from restill.errors import RestillError
from restill.networks import NETWORKS, create

torch.set_num_threads(1)
WEIGHTLESS = {"bicubic", "min-median"}
ROLES = ("levels", "feature", "lr")


def around(name: str, **options: Any) -> Method:
    """The method around two TinyUnet of 6 and 4 channels, each role at its own place."""
    torch.manual_seed(0)
    places = {**{role: UNET_PLACES[role] for role in ROLES}, "lr": "bottleneck", "feature": "refine"}
    networks = TinyUnet(6), TinyUnet(4)
    return create_method(name, *networks, 1, teacher_feature=places, student_feature=places, **options)


def shown(network: torch.nn.Module, batch: dict[str, Tensor], place: str) -> Tensor:
    """(B*L, C, h, w) at a place."""
    windows = torch.stack([batch["degraded"][:, t - 1 : t + 2] for t in (1, 2)], 1).flatten(0, 1)
    kept: list[Tensor] = []
    hook = network.get_submodule(place).register_forward_hook(lambda m, i, out: kept.append(out))
    network(windows)
    hook.remove()
    return kept[0].detach()


def pairs(method: Method, batch: dict[str, Tensor], *places: str) -> list[tuple[Tensor, Tensor]]:
    assert method.teacher is not None
    return [(shown(method.student, batch, place), shown(method.teacher, batch, place)) for place in places]


def test_it_is_the_squared_channel_mean_level_by_level():
    method, batch = around("srkd"), clip(batch=2)
    levels = pairs(method, batch, "encoder", "decoder", "refine")
    want = sum(((s.mean(1) ** 2 - t.mean(1) ** 2) ** 2).mean().item() for s, t in levels)
    assert method(batch, 0)["statistic"].item() == pytest.approx(want, rel=1e-5)
    assert method.default_weights == {"reconstruction": 1.0, "statistic": 0.1}
    assert around("srkd", weight=3.0).default_weights["statistic"] == 3.0


def test_the_squared_sum_grows_with_the_channels():
    method, batch = around("srkd", agg="sum_sq"), clip()
    levels = pairs(method, batch, "encoder", "decoder", "refine")
    want = sum(((s.sum(1) ** 2 - t.sum(1) ** 2) ** 2).mean().item() for s, t in levels)
    assert method(batch, 0)["statistic"].item() == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize(("at", "place"), [("feature", "refine"), ("lr", "bottleneck")])
def test_one_place_may_be_chosen(at, place):
    """At "lr" it is STD's baseline KD-M2mean."""
    method, batch = around("srkd", at=at), clip()
    ((s, t),) = pairs(method, batch, place)
    want = ((s.mean(1) ** 2 - t.mean(1) ** 2) ** 2).mean().item()
    assert method(batch, 0)["statistic"].item() == pytest.approx(want, rel=1e-5)


def test_maps_of_other_sizes_take_the_students():
    method = create_method("srkd", TinyUnet(4), TinyUnet(4), 1, teacher_feature="encoder", student_feature="bottleneck")
    assert method.teacher is not None
    batch = clip()
    s, t = shown(method.student, batch, "bottleneck"), shown(method.teacher, batch, "encoder")
    m_t = adaptive_avg_pool2d(t.mean(1, keepdim=True) ** 2, (6, 6))
    want = ((s.mean(1, keepdim=True) ** 2 - m_t) ** 2).mean().item()
    assert method(batch, 0)["statistic"].item() == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("name", ["srkd", "at"])
def test_only_the_places_that_are_looked_at_must_be_known_and_match(name):
    create_method(
        name, TinyUnet(4), TinyUnet(4), 1, teacher_feature={"lr": "encoder"}, student_feature="refine", at="lr"
    )
    with pytest.raises(RestillError, match=r"no spec that names features at several depths"):
        create_method(name, TinyUnet(4), TinyUnet(4), 1, teacher_feature={"lr": "encoder"}, student_feature="refine")
    levels = {"levels": UNET_PLACES["levels"]}
    with pytest.raises(RestillError, match="'levels' has 3 paths in the teacher but 1 in the student"):
        create_method(name, TinyUnet(4), TinyUnet(4), 1, teacher_feature=levels, student_feature="refine")


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - WEIGHTLESS))
def test_it_compares_every_network_at_three_levels(name):
    """The maps that go into the loss, not what the spec says."""
    teacher, student = (create(name, **SMALL[name]) for _ in range(2))
    spec: Any = teacher.spec
    method: Any = create_method("srkd", teacher, student, max(spec.frames_before, spec.frames_after))
    side = max(16, spec.size_multiple)
    windows = torch.rand(1, spec.frames, 3, side, side)
    with torch.no_grad():
        s, t = (net.maps(net.run(windows), "levels") for net in (method.student_net, method.teacher_net))
    assert [m.shape for m in s] == [m.shape for m in t]
    kept = [m for i, m in enumerate(s) if all(m.shape != o.shape or not torch.equal(m, o) for o in s[:i])]
    assert len(kept) == 3
