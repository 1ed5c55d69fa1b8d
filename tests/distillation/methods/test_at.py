"""Attention transfer against plain arithmetic; what all methods must do is in test_every_method.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from foreign_networks import TinyUnet, clip
from test_srkd import around, pairs, shown
from torch.nn.functional import adaptive_avg_pool2d

from restill.distillation import create_method

torch.set_num_threads(1)


def unit(f: torch.Tensor) -> np.ndarray:
    """(N, C, h, w) -> (N, h, w), picture by picture."""
    maps = (f.double().numpy() ** 2).sum(1)
    return np.stack([q / (np.linalg.norm(q) + 1e-6) for q in maps])


def test_it_is_the_mean_difference_of_unit_maps_level_by_level():
    method, batch = around("at"), clip(batch=2)
    levels = pairs(method, batch, "encoder", "decoder", "refine")
    want = sum(abs(unit(s) - unit(t)).mean() for s, t in levels)
    assert method(batch, 0)["attention"].item() == pytest.approx(want, rel=1e-4)
    assert method.default_weights == {"reconstruction": 1.0, "attention": 1.0}
    assert around("at", weight=1e3).default_weights["attention"] == 1e3


@pytest.mark.parametrize(("at", "place"), [("feature", "refine"), ("lr", "bottleneck")])
def test_one_place_may_be_chosen(at, place):
    method, batch = around("at", at=at), clip()
    ((s, t),) = pairs(method, batch, place)
    assert method(batch, 0)["attention"].item() == pytest.approx(abs(unit(s) - unit(t)).mean(), rel=1e-4)


def test_a_teacher_with_larger_features_says_the_same():
    method, batch = around("at", at="feature"), clip()
    before = method(batch, 0)["attention"].item()
    assert method.teacher is not None
    with torch.no_grad():
        for parameter in method.teacher.get_submodule("refine").parameters():
            parameter.mul_(30)
    assert method(batch, 0)["attention"].item() == pytest.approx(before, rel=1e-4)


def test_maps_of_other_sizes_take_the_students_before_the_norm():
    method = create_method("at", TinyUnet(4), TinyUnet(4), 1, teacher_feature="encoder", student_feature="bottleneck")
    assert method.teacher is not None
    batch = clip()
    s, t = shown(method.student, batch, "bottleneck"), shown(method.teacher, batch, "encoder")
    q_t = adaptive_avg_pool2d(t.square().sum(1, keepdim=True), (6, 6)).sqrt()
    assert method(batch, 0)["attention"].item() == pytest.approx(abs(unit(s) - unit(q_t)).mean(), rel=1e-4)
