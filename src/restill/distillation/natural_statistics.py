"""Natural scene statistics of feature maps: BRISQUE's features (Mittal et al., TIP 2012), local and differentiable.

BRISQUE looks at how the values of a picture are distributed once their local mean and contrast are taken out. Here each
channel of a feature map is such a picture, and the distributions are fitted in windows, over groups of channels. Of
this SLKD's paper numbers MSCN alone. Everything keeps the dtype of what it is given.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

from restill.losses.gaussian import gaussian_blur
from restill.losses.pyramid import pyramid

CONTRAST = 0.02  # C of (1) MSCN for features of variance 1; BRISQUE's is 1, for pictures of 0..255
GROUPS = 8
TILES = 8  # half windows on a side: 7x7 windows that overlap by half
NEIGHBORS = ((0, 1), (1, 0), (1, 1), (1, -1))  # (down, right)
SHAPES = (0.2, 4.0)  # beyond 4 the slope d(shape)/d(ratio) is above 61
Local = Callable[[Tensor], Tensor]  # the mean over windows and groups of channels, (B, C, H, W) -> (B, G, n, n)


def mscn(u: Tensor) -> Tensor:
    """The values without their local mean, over their local contrast ("mean subtracted, contrast normalized").

    Args:
        u: (B, C, H, W), each channel a map of its own, of variance about 1.

    Returns:
        (B, C, H, W), between -3 and 3.
    """
    mu, square = gaussian_blur(torch.cat([u, u * u], 1), 7, 7 / 6, "replicate").chunk(2, dim=1)  # (B, C, H, W) each
    var = (square - mu * mu).clamp_min(0)  # below 0 only by rounding
    return (u - mu) / (torch.sqrt(var + 1e-6) + CONTRAST)  # (1) MSCN = (U - mu) / (sigma + C)


def brisque_planes(u: Tensor, scales: int = 1) -> Tensor:
    """BRISQUE's 18 features of each scale in each of 7x7 windows.

    A window has a quarter of the map's side, at least 4, and overlaps its neighbors by half; where 8 half windows do
    not divide the side they differ by a pixel, and a side below 16 has fewer of them. The second scale is the map
    averaged over 2x2, in the same windows.

    Args:
        u: (B, C, H, W), of variance about 1.
        scales: 1, or 2 as BRISQUE itself.

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
            # the neighbor of a value at the edge is at the opposite edge, as in BRISQUE's own code
            planes += aggd_planes(m * m.roll((-down, -right), dims=(2, 3)), local, count)
    return torch.stack(planes, dim=2)  # (B, G, 18 * scales, 7, 7)


def ggd_planes(m: Tensor, local: Local) -> list[Tensor]:
    """The generalized Gaussian that fits m: log shape and log variance, each (B, G, n, n).

    Args:
        m: (B, C, H, W).
        local: E[.].
    """
    square = local(m * m)
    alpha = shape_of(local(m.abs()) ** 2 / (square + 1e-6))  # alpha = rho^-1(E[|m|]^2 / E[m^2])
    return [alpha.log(), (square + 1e-3).log()]


def aggd_planes(q: Tensor, local: Local, count: Tensor) -> list[Tensor]:
    """The asymmetric generalized Gaussian that fits q: log shape, mean, log variances of the left and the right side.

    Args:
        q: (B, C, H, W), products of neighbors.
        local: E[.].
        count: (G, 1, 1), how many values E[.] is a mean of.

    Returns:
        Four tensors (B, G, n, n).
    """
    below = (q < 0).to(q)
    share = local(below)  # of the values that are negative
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
    """E[|x|]^2 / E[x^2] of a generalized Gaussian, by its shape (1 is Laplace's, 2 is Gauss's).

    >>> rho(torch.tensor([0.5, 1.0, 2.0]))
    tensor([0.3000, 0.5000, 0.6366])
    """
    one, two, three = (torch.lgamma(n / shape) for n in (1, 2, 3))
    return torch.exp(2 * two - one - three)


def shape_of(ratio: Tensor) -> Tensor:
    """The inverse of :func:`rho`, any shape: linear in a table of steps of 0.001 over :data:`SHAPES`.

    A ratio that is outside gives the end of the table, without gradient.
    """
    ratios, shapes, slopes = _table(ratio.dtype, ratio.device)
    inside = ratio.clamp(float(ratios[0]), float(ratios[-1]))
    at = (torch.searchsorted(ratios, inside.detach()) - 1).clamp(0, len(slopes) - 1)
    return shapes[at] + slopes[at] * (inside - ratios[at])


def group_mean(x: Tensor, groups: int = GROUPS) -> Tensor:
    """Means of groups of neighboring channels: (B, C, ...) -> (B, G, ...).

    Where G does not divide C, the first groups have one channel more; fewer channels than groups are a group each.
    """
    return torch.stack([part.mean(1) for part in _split(x, groups)], dim=1)


def _split(x: Tensor, groups: int = GROUPS) -> tuple[Tensor, ...]:
    return x.tensor_split(min(groups, x.shape[1]), dim=1)


@functools.cache
def _table(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Ratios (ascending), their shapes, and the slope from each to the next; made in float64."""
    first, last = (round(1000 * shape) for shape in SHAPES)
    shapes = torch.arange(first, last + 1, dtype=torch.float64, device="cpu") / 1000  # (3801,)
    ratios = rho(shapes)
    slopes = shapes.diff() / ratios.diff()  # (3800,)
    return ratios.to(device, dtype), shapes.to(device, dtype), slopes.to(device, dtype)
