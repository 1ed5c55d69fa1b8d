"""3-D convolutions on a CPU: in float32 PyTorch takes a slow path, in bfloat16 oneDNN's gradient has a hole."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import conv3d, pad


class Conv3d(nn.Conv3d):
    """A 3-D convolution whose weights get a true gradient in bfloat16.

    With a kernel of three frames, one of padding and two frames of input, the gradient that PyTorch 2.13 gets of oneDNN
    in bfloat16 for the last frame of the kernel holds whatever was in memory. With the padding made beforehand there is
    no such case, and the output is the same.
    """

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(B, C, T, H, W) -> (B, C', T', H', W')."""
        before = int(self.padding[0])
        if not (before and input.shape[2] == 2 and torch.is_grad_enabled() and input.device.type == "cpu"):
            return super()._conv_forward(input, weight, bias)
        input = pad(input, (0, 0, 0, 0, before, before))  # (B, C, T + 2, H, W)
        padding = (0, *(int(side) for side in self.padding[1:]))
        return conv3d(input, weight, bias, self.stride, padding, self.dilation, self.groups)


def quick_conv3d(network: nn.Module) -> None:
    """Let oneDNN do a network's 3-D convolutions, for inference on a CPU; what they give does not change.

    Measured on PredNet's Student #1 at 320x240, float32, one thread: 1.2 s instead of 8.2 s.

    Args:
        network: Changed in place; no gradient is to go through it any more.
    """
    if not torch.backends.mkldnn.is_available():
        return
    for layer in network.modules():
        if isinstance(layer, nn.Conv3d) and layer.padding_mode == "zeros" and not isinstance(layer.padding, str):
            layer._conv_forward = partial(_by_onednn, layer)


def _by_onednn(layer: nn.Conv3d, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """(B, C, T, H, W) -> (B, C', T', H', W')."""
    padding = [int(side) for side in layer.padding]
    return torch.mkldnn_convolution(
        input, weight, bias, padding, list(layer.stride), list(layer.dilation), layer.groups
    )
