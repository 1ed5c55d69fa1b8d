"""The losses on pictures, against values worked out another way."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import torch

from restill.errors import RestillError
from restill.losses import pyramid as pyramid_module
from restill.losses import ssim as ssim_module
from restill.losses.pyramid import pool, pyramid
from restill.losses.reconstruction import reconstruction, scale_losses
from restill.losses.ssim import ssim

torch.set_num_threads(1)


def naive_ssim(x: np.ndarray, y: np.ndarray) -> float:
    """SSIM of two planes, pixel by pixel, as the definition reads."""
    at = np.arange(11) - 5
    window = np.exp(-(at[:, None] ** 2 + at[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    px, py = np.pad(x, 5), np.pad(y, 5)
    values = []
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            a, b = px[i : i + 11, j : j + 11], py[i : i + 11, j : j + 11]
            ma, mb = (window * a).sum(), (window * b).sum()
            va, vb = (window * a * a).sum() - ma**2, (window * b * b).sum() - mb**2
            cov = (window * a * b).sum() - ma * mb
            values.append((2 * ma * mb + 1e-4) * (2 * cov + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4)))
    return float(np.mean(values))


def test_ssim_is_the_definition():
    x, y = np.random.default_rng(0).random((2, 3, 14, 9))
    want = np.mean([naive_ssim(a, b) for a, b in zip(x, y, strict=True)])
    got = ssim(torch.from_numpy(x)[None].float(), torch.from_numpy(y)[None].float())
    assert got.item() == pytest.approx(want, abs=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, 1e6, -3.0])
def test_ssim_of_flat_pictures_is_finite_and_so_is_its_gradient(value: float):
    x = torch.full((1, 3, 8, 8), value, requires_grad=True)
    loss = ssim(x, torch.full((1, 3, 8, 8), 0.5))
    loss.backward()
    assert x.grad is not None
    assert torch.isfinite(loss)
    assert torch.isfinite(x.grad).all()


def test_ssim_alone_takes_the_negative_for_the_picture_and_with_l1_it_does_not():
    y = torch.rand(1, 3, 16, 16)
    alone = reconstruction("neg_ssim")(-y, y).item()
    assert alone == pytest.approx(-1, abs=0.05)
    assert reconstruction("neg_ssim_l1")(-y, y).item() == pytest.approx(alone + 2 * y.mean().item(), abs=1e-5)
    assert reconstruction("neg_ssim_l1")(y, y).item() == pytest.approx(-1)


def test_ssim_is_float32_under_autocast():
    x = torch.rand(1, 3, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        assert ssim(x, x).item() == pytest.approx(1.0, abs=1e-5)


def test_pool_averages_what_exists_at_an_odd_edge():
    x = torch.arange(15.0).view(1, 1, 3, 5)
    assert pool(x).tolist() == [[[[3.0, 5.0, 6.5], [10.5, 12.5, 14.0]]]]
    assert [tuple(p.shape[-2:]) for p in pyramid(torch.zeros(1, 1, 7, 1), 4)] == [(7, 1), (4, 1), (2, 1), (1, 1)]


def test_each_kind_on_numbers_worked_by_hand():
    x, y = torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[0.5, 0.0]]]])
    assert reconstruction("mse")(x, y).item() == pytest.approx(0.125)
    assert reconstruction("l1")(x, y).item() == pytest.approx(0.25)
    assert reconstruction("charbonnier")(x, y).item() == pytest.approx((0.250001**0.5 + 1e-3) / 2, abs=1e-7)
    assert reconstruction("neg_ssim")(x, x).item() == pytest.approx(-1)
    two = torch.tensor([[[[0.1]]], [[[0.0]]]])  # 20 dB, and a perfect picture that counts as 50 dB
    assert reconstruction("neg_psnr")(two, torch.zeros(2, 1, 1, 1)).item() == pytest.approx(-0.35, abs=1e-4)
    with pytest.raises(RestillError, match=r"'psnr' is not known; it must be one of: neg_ssim, neg_ssim_l1, neg_psnr"):
        reconstruction("psnr")


def test_scale_losses_crop_padding_and_refuse_what_is_too_small():
    target = torch.rand(2, 3, 9, 12)
    predictions = [torch.nn.functional.pad(t, (0, 3, 0, 2)) for t in pyramid(target, 3)]
    assert [v.item() for v in scale_losses(predictions, target, "mse")] == [0, 0, 0]
    with pytest.raises(RestillError, match="at scale 2"):
        scale_losses([target, target[..., :3, :3]], target, "mse")


@pytest.mark.parametrize("module", [pyramid_module, ssim_module])
def test_examples_in_docstrings(module):
    assert doctest.testmod(module).failed == 0
