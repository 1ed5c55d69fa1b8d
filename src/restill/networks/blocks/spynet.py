"""SPyNet (Ranjan and Black, CVPR 2017): coarse-to-fine optical flow, and warping by it.

It aligns frames in runs that reproduce papers, when training and when evaluating checkpoints. Students ship without
it. One flow costs 239,904 * 4/3 multiply-accumulates a pixel, as much as a small student.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, grid_sample, interpolate

from restill.errors import RestillError
from restill.networks.published import Published

LEVELS = 6
MULTIPLE = 2 ** (LEVELS - 1)  # the coarsest level is 1/32 of the picture
WEIGHTS = "aligner.safetensors"  # in the folder of a run aligned by SPyNet
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, needed by the published weights


class SPyNet(nn.Module):
    """Six levels of five 7x7 convolutions: 1,440,300 parameters. ``levels`` runs from the coarsest to the finest."""

    mean: Tensor
    std: Tensor
    published: ClassVar[Published] = Published(
        "XPixelGroup/BasicSR (spynet_sintel_final), sniklaus/pytorch-spynet",
        rename=((r"^\w+\.(\d)\.\w+\.(\d)\.", r"levels.\1.\2."),),
        ignore=("^mean$", "^std$"),
    )

    def __init__(self) -> None:
        super().__init__()
        self.levels = nn.ModuleList(_level() for _ in range(LEVELS))
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, reference: Tensor, neighbour: Tensor) -> Tensor:
        """Find each pixel of the reference in the neighbor.

        Args:
            reference: (B, 3, H, W) RGB in [0, 1], any H and W; resized to multiples of 32 inside.
            neighbour: The other frame, the same shape.

        Returns:
            (B, 2, H, W): displacement (x, y) in pixels, reference to neighbour.
        """
        height, width = reference.shape[-2:]
        size = [-(-side // MULTIPLE) * MULTIPLE for side in (height, width)]  # H', W'
        references = self._pyramid(reference, size)
        neighbours = self._pyramid(neighbour, size)
        batch, _, coarse_h, coarse_w = references[0].shape
        flow = reference.new_zeros(batch, 2, coarse_h, coarse_w)  # (B, 2, H'/32, W'/32)
        for number, (level, ref, nbr) in enumerate(zip(self.levels, references, neighbours, strict=True)):
            if number:
                flow = 2 * interpolate(flow, scale_factor=2, mode="bilinear", align_corners=True)  # (B, 2, h, w)
            flow = flow + level(torch.cat([ref, warp(nbr, flow), flow], dim=1))  # 8 channels to 2
        flow = interpolate(flow, (height, width), mode="bilinear", align_corners=False)  # (B, 2, H, W)
        return flow * flow.new_tensor([width / size[1], height / size[0]]).view(1, 2, 1, 1)

    def _pyramid(self, frame: Tensor, size: list[int]) -> list[Tensor]:
        """(B, 3, H, W) -> six normalized pictures (B, 3, H'/32, W'/32) .. (B, 3, H', W')."""
        frame = (frame - self.mean) / self.std
        pictures = [interpolate(frame, size, mode="bilinear", align_corners=False)]
        while len(pictures) < LEVELS:
            pictures.append(avg_pool2d(pictures[-1], 2))
        return pictures[::-1]


def _level() -> nn.Sequential:
    """One level: (reference, warped neighbor, flow so far) -> flow update."""
    widths = (8, 32, 64, 32, 16, 2)
    layers: list[nn.Module] = []
    for c_in, c_out in pairwise(widths):
        layers += [nn.Conv2d(c_in, c_out, 7, padding=3), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def warp(frame: Tensor, flow: Tensor) -> Tensor:
    """Backward bilinear warp, borders clamped: out(x) = frame(x + flow(x)).

    Args:
        frame: (B, C, H, W).
        flow: (B, 2, H, W), (x, y) in pixels.

    Returns:
        (B, C, H, W).
    """
    height, width = frame.shape[-2:]
    x = torch.arange(width, device=flow.device) + flow[:, 0]  # (B, H, W)
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]  # (B, H, W)
    # -1 and 1 are the centers of the first and last pixel
    grid = torch.stack([2 * x / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1], dim=-1)  # (B, H, W, 2)
    return grid_sample(frame, grid, mode="bilinear", padding_mode="border", align_corners=True)


@torch.no_grad()
def align_window(net: nn.Module, window: Tensor, centre: int) -> Tensor:
    """Warp all frames of a window onto the center frame, which does not change.

    Args:
        net: A :class:`SPyNet` or a module with its ``forward``.
        window: (B, K, 3, H, W) RGB in [0, 1].
        centre: Index of the center.

    Returns:
        (B, K, 3, H, W), without gradient.
    """
    reference = window[:, centre]  # (B, 3, H, W)
    frames = [
        neighbour if index == centre else warp(neighbour, net(reference, neighbour))
        for index, neighbour in enumerate(window.unbind(1))
    ]
    return torch.stack(frames, dim=1)


def spynet_windows(net: nn.Module, degraded: Tensor, context: int) -> Tensor:
    """Align a window at every center of a clip, for a batch's ``windows``. Flow uses the degraded frames.

    Args:
        net: A :class:`SPyNet` on the clip's device.
        degraded: (B, T, 3, H, W) RGB in [0, 1], T = L + 2 * context.
        context: Frames on each side of a center.

    Returns:
        (B, L, K, 3, H, W), K = 2 * context + 1, without gradient.
    """
    batch, frames = degraded.shape[:2]
    centres = range(context, frames - context)
    slices = [degraded[:, t - context : t + context + 1] for t in centres]  # L times (B, K, 3, H, W)
    windows = torch.stack(slices, dim=1).flatten(0, 1)  # (B * L, K, 3, H, W)
    return align_window(net, windows, context).unflatten(0, (batch, len(centres)))


def load_spynet(path: Path) -> SPyNet:
    """Load SPyNet, frozen.

    Args:
        path: A .safetensors file whose keys are those of :class:`SPyNet`'s state dict.

    Raises:
        RestillError: The file is missing, is not safetensors, or its weights do not fit.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise RestillError(f"{path}: cannot be read as a .safetensors file of SPyNet's weights") from error
    net = SPyNet()
    try:
        net.load_state_dict(tensors)
    except RuntimeError as error:
        raise RestillError(
            f"{path}: its weights are not SPyNet's; the keys are levels.0.0.weight, levels.0.0.bias, "
            "levels.0.2.weight and so on, level 0 the coarsest"
        ) from error
    return net.eval().requires_grad_(False)


def save_spynet(net: SPyNet, path: Path) -> None:
    """Write SPyNet's weights so that :func:`load_spynet` reads them."""
    partial = path.with_suffix(".partial")
    save_file({key: value.detach().contiguous() for key, value in net.state_dict().items()}, partial)
    partial.replace(path)
