"""Natural scene statistics of feature maps: BRISQUE's features (Mittal et al., TIP 2012), local and differentiable.

BRISQUE removes the local mean and contrast of a picture and describes the distribution of the values that remain.
This module treats each channel of a feature map as a picture. It fits the distributions in windows, over groups of
channels. The SLKD paper numbers only the MSCN equation. All functions keep the dtype of their input.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

from restill.losses.gaussian import gaussian_blur
from restill.losses.pyramid import pyramid

CONTRAST = 0.02  # C of (1) MSCN for features of variance 1; BRISQUE uses 1 for pictures of 0..255
GROUPS = 8
TILES = 8  # half windows per side; they form 7x7 windows that overlap by half
NEIGHBORS = ((0, 1), (1, 0), (1, 1), (1, -1))  # (down, right)
SHAPES = (0.2, 4.0)  # above 4, the slope d(shape)/d(ratio) exceeds 61
Local = Callable[[Tensor], Tensor]  # mean over windows and channel groups, (B, C, H, W) -> (B, G, n, n)


def mscn(u: Tensor) -> Tensor:
    """Subtract the local mean and divide by the local contrast ("mean subtracted, contrast normalized").

    Args:
        u: (B, C, H, W), with variance about 1. Each channel is a separate map.

    Returns:
        (B, C, H, W), between -3 and 3.
    """
    mu, square = gaussian_blur(torch.cat([u, u * u], 1), 7, 7 / 6, "replicate").chunk(2, dim=1)  # (B, C, H, W) each
    var = (square - mu * mu).clamp_min(0)  # rounding can make it negative
    return (u - mu) / (torch.sqrt(var + 1e-6) + CONTRAST)  # (1) MSCN = (U - mu) / (sigma + C)


def brisque_planes(u: Tensor, scales: int = 1) -> Tensor:
    """Return BRISQUE's 18 features per scale in each of 7x7 windows.

    A window's side is a quarter of the map's, at least 4. Windows overlap by half. If 8 half windows do not divide
    the side, they differ by one pixel. A side below 16 has fewer half windows. The second scale uses the same windows
    on the map averaged over 2x2.

    Args:
        u: (B, C, H, W), with variance about 1.
        scales: 1, or 2 as in BRISQUE.

    Returns:
        (B, G, 18 * scales, 7, 7), G = 8 groups of neighboring channels, see :func:`group_mean`.
    """
    rows, columns = (min(TILES, max(2, side // 2)) for side in u.shape[-2:])
    sizes = torch.tensor([part.shape[1] for part in _split(u)], dtype=u.dtype, device=u.device)  # (G,)

    def local(x: Tensor) -> Tensor:
        half_windows = adaptive_avg_pool2d(group_mean(x), (rows, columns))  # (B, G, 8, 8)
        return avg_pool2d(half_windows, 2, stride=1)  # (B, G, 7, 7)

    planes: list[Tensor] = []
    for scale in pyramid(u, scales):
        m = mscn(scale)  # (B, C, H, W)
        count = sizes[:, None, None] * (4 * m.shape[-2] * m.shape[-1] / (rows * columns))  # values in a window
        planes += ggd_planes(m, local)
        for down, right in NEIGHBORS:
            # Wrap around at the edge, as BRISQUE's own code does.
            planes += aggd_planes(m * m.roll((-down, -right), dims=(2, 3)), local, count)
    return torch.stack(planes, dim=2)  # (B, G, 18 * scales, 7, 7)


def ggd_planes(m: Tensor, local: Local) -> list[Tensor]:
    """Fit a generalized Gaussian to m. Return log shape and log variance, each (B, G, n, n).

    Args:
        m: (B, C, H, W).
        local: E[.].
    """
    square = local(m * m)
    alpha = shape_of(local(m.abs()) ** 2 / (square + 1e-6))  # alpha = rho^-1(E[|m|]^2 / E[m^2])
    return [alpha.log(), (square + 1e-3).log()]


def aggd_planes(q: Tensor, local: Local, count: Tensor) -> list[Tensor]:
    """Fit an asymmetric generalized Gaussian to q. Return log shape, mean, left and right log variance.

    Args:
        q: (B, C, H, W), products of neighbors.
        local: E[.].
        count: (G, 1, 1), the number of values that E[.] averages.

    Returns:
        Four tensors (B, G, n, n).
    """
    below = (q < 0).to(q)
    share = local(below)  # fraction of negative values
    left, right = local(q * q * below), local(q * q * (1 - below))
    var_l = left * count / (share * count + 1e-3)  # E[q^2; q < 0]
    var_r = right * count / ((1 - share).clamp_min(0) * count + 1e-3)  # E[q^2; q >= 0]
    sigma_l, sigma_r = torch.sqrt(var_l + 1e-6), torch.sqrt(var_r + 1e-6)
    g = (sigma_l / sigma_r).clamp(1e-2, 1e2)
    skew = (g**3 + 1) * (g + 1) / (g * g + 1) ** 2
    nu = shape_of(local(q.abs()) ** 2 / (left + right + 1e-6) * skew)  # nu = rho^-1(R)
    one, two, three = (torch.lgamma(n / nu) for n in (1, 2, 3))
    eta = (sigma_r - sigma_l) * torch.exp((one - three) / 2 + two - one)  # eta, the mean
    return [nu.log(), eta, (var_l + 1e-3).log(), (var_r + 1e-3).log()]


def rho(shape: Tensor) -> Tensor:
    """Return E[|x|]^2 / E[x^2] of a generalized Gaussian by its shape (1: Laplace, 2: Gauss).

    >>> rho(torch.tensor([0.5, 1.0, 2.0]))
    tensor([0.3000, 0.5000, 0.6366])
    """
    one, two, three = (torch.lgamma(n / shape) for n in (1, 2, 3))
    return torch.exp(2 * two - one - three)


def shape_of(ratio: Tensor) -> Tensor:
    """Invert :func:`rho` by linear interpolation in a table over :data:`SHAPES` in steps of 0.001.

    Takes tensors of any size. A ratio outside the table gives its end, without gradient.
    """
    ratios, shapes, slopes = _table(ratio.dtype, ratio.device)
    inside = ratio.clamp(float(ratios[0]), float(ratios[-1]))
    at = (torch.searchsorted(ratios, inside.detach()) - 1).clamp(0, len(slopes) - 1)
    return shapes[at] + slopes[at] * (inside - ratios[at])


def group_mean(x: Tensor, groups: int = GROUPS) -> Tensor:
    """Average groups of neighboring channels: (B, C, ...) -> (B, G, ...).

    If G does not divide C, the first groups have one more channel. If C < G, each channel is a group.
    """
    return torch.stack([part.mean(1) for part in _split(x, groups)], dim=1)


def _split(x: Tensor, groups: int = GROUPS) -> tuple[Tensor, ...]:
    return x.tensor_split(min(groups, x.shape[1]), dim=1)


@functools.cache
def _table(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return ascending ratios, their shapes, and the slopes between them, computed in float64."""
    first, last = (round(1000 * shape) for shape in SHAPES)
    shapes = torch.arange(first, last + 1, dtype=torch.float64, device="cpu") / 1000  # (3801,)
    ratios = rho(shapes)
    slopes = shapes.diff() / ratios.diff()  # (3800,)
    return ratios.to(device, dtype), shapes.to(device, dtype), slopes.to(device, dtype)
