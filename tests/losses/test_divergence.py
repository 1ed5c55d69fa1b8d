"""Divergences and the Gaussian window, against plain arithmetic."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import torch

from restill.losses import divergence, gaussian
from restill.losses.divergence import kl, picture_kl
from restill.losses.gaussian import gaussian_blur

torch.set_num_threads(1)


@pytest.mark.parametrize("module", [divergence, gaussian])
def test_examples(module):
    assert doctest.testmod(module).failed == 0


def test_a_divergence_is_never_negative_and_not_the_same_both_ways():
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 5, 9), torch.randn(2, 5, 9)
    reverse, forward = kl(student, teacher), kl(student, teacher, "forward")
    assert min(reverse, forward) > 0
    assert reverse != forward
    assert kl(student, student) == 0
    assert kl(student + 7, teacher) == pytest.approx(reverse.item(), abs=1e-6)  # a softmax knows no constant


@pytest.mark.parametrize("value", [0.0, 1.0, -1e8, 1e8])
@pytest.mark.parametrize("kind", ["sum", "softmax"])
def test_pictures_of_any_values(value, kind):
    picture = torch.full((1, 3, 4, 4), value)
    picture[0, 0, 0, 0] = 0.5
    student = picture.clone().requires_grad_()
    loss = picture_kl(student, torch.rand(1, 3, 4, 4), kind)
    loss.backward()
    assert torch.isfinite(loss)
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()
    assert picture_kl(picture, picture, kind) == 0


@pytest.mark.parametrize(("border", "mode"), [("zero", "constant"), ("replicate", "edge")])
def test_a_window_is_its_definition(border, mode):
    x = np.random.default_rng(0).random((4, 6))
    at = np.arange(5) - 2
    window = np.exp(-(at[:, None] ** 2 + at[None, :] ** 2) / (2 * 1.5**2))
    padded = np.pad(x, 2, mode=mode)
    want = [[(window / window.sum() * padded[i : i + 5, j : j + 5]).sum() for j in range(6)] for i in range(4)]
    found = gaussian_blur(torch.from_numpy(x).view(1, 1, 4, 6).repeat(1, 2, 1, 1), 5, 1.5, border)
    assert np.allclose(found[0], want)
