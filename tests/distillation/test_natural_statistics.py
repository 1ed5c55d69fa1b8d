"""BRISQUE's features of feature maps, against the formulas in plain Python."""

from __future__ import annotations

import doctest
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from restill.distillation import natural_statistics
from restill.distillation.natural_statistics import (
    aggd_planes,
    brisque_planes,
    ggd_planes,
    group_mean,
    mscn,
    rho,
    shape_of,
)

torch.set_num_threads(1)


def maps(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def plain_rho(shape: float) -> float:
    one, two, three = (math.lgamma(n / shape) for n in (1, 2, 3))
    return math.exp(2 * two - one - three)


def plain_shape(ratio: float) -> float:
    """By bisection; rho rises."""
    low, high = 0.2, 4.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if plain_rho(middle) < ratio else (low, middle)
    return low


def plain_mscn(u: np.ndarray) -> np.ndarray:
    """One plane, pixel by pixel."""
    at = np.arange(7) - 3
    window = np.exp(-(at[:, None] ** 2 + at[None, :] ** 2) / (2 * (7 / 6) ** 2))
    window /= window.sum()
    padded, out = np.pad(u, 3, mode="edge"), np.empty_like(u)
    for i in range(u.shape[0]):
        for j in range(u.shape[1]):
            part = padded[i : i + 7, j : j + 7]
            mu = (window * part).sum()
            var = max((window * part**2).sum() - mu**2, 0)
            out[i, j] = (u[i, j] - mu) / (math.sqrt(var + 1e-6) + 0.02)
    return out


def plain_planes(m: np.ndarray, group: slice, rows: slice, columns: slice) -> list[float]:
    """The 18 features of one window of one group of channels; m is (C, H, W)."""
    values = m[group, rows, columns]
    square = (values**2).mean()
    planes = [math.log(plain_shape(np.abs(values).mean() ** 2 / (square + 1e-6))), math.log(square + 1e-3)]
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        neighbor = np.empty_like(m)
        for i in range(m.shape[1]):
            for j in range(m.shape[2]):
                neighbor[:, i, j] = m[:, (i + down) % m.shape[1], (j + right) % m.shape[2]]
        q = (m * neighbor)[group, rows, columns]
        sl2, sr2 = ((q[side] ** 2).sum() / (side.sum() + 1e-3) for side in (q < 0, q >= 0))
        sl, sr = math.sqrt(sl2 + 1e-6), math.sqrt(sr2 + 1e-6)
        g = min(max(sl / sr, 1e-2), 1e2)
        nu = plain_shape(np.abs(q).mean() ** 2 / ((q**2).mean() + 1e-6) * (g**3 + 1) * (g + 1) / (g**2 + 1) ** 2)
        eta = (sr - sl) * math.sqrt(math.gamma(1 / nu) / math.gamma(3 / nu)) * math.gamma(2 / nu) / math.gamma(1 / nu)
        planes += [math.log(nu), eta, math.log(sl2 + 1e-3), math.log(sr2 + 1e-3)]
    return planes


def test_examples():
    assert doctest.testmod(natural_statistics).failed == 0


def test_rho_at_known_shapes():
    found = rho(torch.tensor([0.2, 0.5, 1.0, 2.0, 4.0], dtype=torch.float64)).tolist()
    assert found == pytest.approx([0.06294, 0.3, 0.5, 2 / math.pi, 0.70711], abs=5e-6)  # 2/pi = 0.63662


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_inverse_of_rho(dtype):
    shapes = [0.2, 0.3137, 0.5, 1.0, 1.7304, 2.0, 3.9996, 4.0]
    ratios = torch.tensor([plain_rho(shape) for shape in shapes], dtype=dtype)
    assert shape_of(ratios).tolist() == pytest.approx(shapes, abs=1e-5 if dtype == torch.float64 else 1e-4)
    assert shape_of(ratios).dtype == dtype
    ratios = torch.tensor([0.0, 0.06, 0.5, 0.8], dtype=dtype, requires_grad=True)
    shape_of(ratios).sum().backward()
    slope = (plain_shape(0.5001) - plain_shape(0.4999)) / 0.0002
    assert shape_of(ratios).tolist() == pytest.approx([0.2, 0.2, 1.0, 4.0], abs=1e-5)
    assert ratios.grad is not None
    assert ratios.grad.tolist() == pytest.approx([0, 0, slope, 0], rel=2e-3)  # nothing beyond the table


def test_mscn_of_one_bright_value():
    u = torch.zeros(1, 1, 15, 15, dtype=torch.float64)
    u[0, 0, 7, 7] = 1
    weights = [math.exp(-(at**2) / (2 * (7 / 6) ** 2)) for at in range(-3, 4)]
    center, beside = (weight / sum(weights) for weight in weights[3:5])
    found = mscn(u)[0, 0]
    for at, mu, value in ((7, center * center, 1), (8, center * beside, 0)):
        want = (value - mu) / (math.sqrt(mu - mu * mu + 1e-6) + 0.02)
        assert found[7, at].item() == pytest.approx(want, rel=1e-9)
    assert found[0, 0].item() == 0
    assert 2 < found.max() < 3


def test_mscn_pixel_by_pixel_and_of_nothing():
    u = maps(1, 2, 5, 9)
    want = np.stack([plain_mscn(plane) for plane in u[0].numpy()])
    assert np.allclose(mscn(u)[0].numpy(), want, atol=1e-9)
    assert mscn(torch.full((1, 1, 8, 8), 3.0, dtype=torch.float64)).abs().max() < 1e-9


def mean_of_all(x: Tensor) -> Tensor:
    return x.mean((1, 2, 3)).view(1, 1, 1, 1)


def test_a_generalized_gaussian_by_hand():
    m = torch.tensor([0.0, 0.0, 1.0, -1.0], dtype=torch.float64).view(1, 1, 2, 2)
    alpha, variance = ggd_planes(m, mean_of_all)  # E[|m|]^2 / E[m^2] = 0.25 / 0.5: Laplace
    assert alpha.item() == pytest.approx(math.log(1), abs=1e-4)
    assert variance.item() == pytest.approx(math.log(0.501))


def test_an_asymmetric_one_by_hand():
    q = torch.tensor([-1.0, 0.0, 0.0, 2.0], dtype=torch.float64).view(1, 1, 2, 2)
    nu, eta, left, right = aggd_planes(q, mean_of_all, torch.full((1, 1, 1), 4.0, dtype=torch.float64))
    assert left.item() == pytest.approx(math.log(1 / 1.001 + 1e-3))
    assert right.item() == pytest.approx(math.log(4 / 3.001 + 1e-3))  # zeros count on the right
    sl, sr = math.sqrt(1 / 1.001 + 1e-6), math.sqrt(4 / 3.001 + 1e-6)
    g = sl / sr
    shape = plain_shape(0.75**2 / (1.25 + 1e-6) * (g**3 + 1) * (g + 1) / (g * g + 1) ** 2)
    assert nu.item() == pytest.approx(math.log(shape), abs=1e-5)
    ratio = math.sqrt(math.gamma(1 / shape) / math.gamma(3 / shape)) * math.gamma(2 / shape) / math.gamma(1 / shape)
    assert eta.item() == pytest.approx((sr - sl) * ratio, rel=1e-5)


@pytest.mark.parametrize("bounds", [range(0, 17, 2), [0, 2, 4, 6, 8, 9, 10, 11, 12], range(4)])
def test_every_feature_of_a_window_and_group(bounds):
    u = maps(1, bounds[-1], 16, 16)
    m = np.stack([plain_mscn(plane) for plane in u[0].numpy()])
    found = brisque_planes(u)[0]
    assert found.shape == (len(bounds) - 1, 18, 7, 7)
    for g, group in enumerate(slice(*pair) for pair in pairwise(bounds)):
        for y, x in ((0, 0), (3, 5), (6, 6)):
            rows, columns = slice(2 * y, 2 * y + 4), slice(2 * x, 2 * x + 4)  # a quarter of 16, by half of that
            assert found[g, :, y, x].tolist() == pytest.approx(plain_planes(m, group, rows, columns), abs=2e-4)


def test_seven_windows_on_a_side_whatever_the_size():
    for side in (16, 32, 64, 128):
        assert brisque_planes(maps(2, 8, side, side)).shape == (2, 8, 18, 7, 7)
    assert brisque_planes(maps(1, 9, 36, 70)).shape == (1, 8, 18, 7, 7)
    assert brisque_planes(maps(1, 9, 8, 12)).shape == (1, 8, 18, 3, 5)  # windows of 4
    assert brisque_planes(maps(1, 2, 1, 3)).shape == (1, 2, 18, 1, 1)


def test_the_second_scale_is_half_the_map_in_the_same_windows():
    small = maps(1, 8, 32, 32)
    planes = brisque_planes(small.repeat_interleave(2, 2).repeat_interleave(2, 3), scales=2)
    assert planes.shape == (1, 8, 36, 7, 7)
    assert torch.allclose(planes[:, :, 18:], brisque_planes(small))


def test_groups_of_neighbors():
    x = torch.arange(10.0).view(1, 10, 1)
    assert group_mean(x, 4).flatten().tolist() == [1.0, 4.0, 6.5, 8.5]  # 3, 3, 2 and 2 channels
    assert torch.equal(group_mean(x, 12), x)


@pytest.mark.parametrize("scales", [1, 2])
def test_the_gradient_is_that_of_finite_differences(scales):
    u, towards = maps(1, 9, 16, 16), maps(1, 9, 16, 16, seed=1)
    weights = maps(1, 8, 18 * scales, 7, 7, seed=2)
    at = u.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((weights * brisque_planes(at, scales)).sum(), at)
    ahead, behind = ((weights * brisque_planes(u + step * towards, scales)).sum() for step in (1e-7, -1e-7))
    assert (gradient * towards).sum().item() == pytest.approx(((ahead - behind) / 2e-7).item(), rel=1e-4)
