"""3-D convolutions on a CPU: in float32 PyTorch takes a slow path, in bfloat16 the gradient of the weights is wrong."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv3d, pad

_backward = torch.ops.aten.convolution_backward


class Conv3d(nn.Conv3d):
    """A 3-D convolution of stride one whose weights get a true gradient in bfloat16 on a CPU.

    What PyTorch 2.13 gets of oneDNN there reads memory that is not the tensor's own: it holds NaN at times, with
    32 channels and 64x64 pixels say, and once the process ended by it. The gradient of a 2-D convolution is sound, and
    that of a 3-D one is as many of those as its kernel has frames. The output is the same.
    """

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(B, C, T, H, W) -> (B, C', T', H', W')."""
        cast = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
        half = cast or input.dtype == torch.bfloat16
        if not (half and torch.is_grad_enabled() and input.device.type == "cpu"):
            return super()._conv_forward(input, weight, bias)
        padding = [int(side) for side in self.padding]
        if input.shape[2] == 1:  # frames of nothing but padding give nothing, and go wrong too
            weight, padding = weight[:, :, padding[0] : padding[0] + 1], [0, *padding[1:]]
        parts = [None if part is None else part.to(torch.bfloat16) for part in (input, weight, bias)]
        return _TrueGradient.apply(*parts, padding)


class _TrueGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None, padding: list[int]) -> Tensor:
        ctx.save_for_backward(input, weight)
        ctx.padding, ctx.bias = padding, bias is not None
        return conv3d(input, weight, bias, padding=padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        grad, (input, weight) = grad_outputs[0], ctx.saved_tensors
        ones, none = [1, 1, 1], [0, 0, 0]
        of_input = of_bias = None
        if ctx.needs_input_grad[0]:
            mask = [True, False, False]
            of_input = _backward(grad, input, weight, None, ones, ctx.padding, ones, False, none, 1, mask)[0]
        if ctx.bias and ctx.needs_input_grad[2]:
            of_bias = grad.sum((0, 2, 3, 4), dtype=torch.float32).to(grad.dtype)
        of_weight = _of_weight(grad, input, weight, ctx.padding) if ctx.needs_input_grad[1] else None
        return of_input, of_weight, of_bias, None


def _of_weight(grad: Tensor, input: Tensor, weight: Tensor, padding: list[int]) -> Tensor:
    """The gradient of the weights, one frame of the kernel after the other: (C', C, K, h, w)."""
    frames, (before, *around) = grad.shape[2], padding
    own = _pictures(grad)  # (B T', C', H', W')
    padded = pad(input, (0, 0, 0, 0, before, before))
    mask = [False, True, False]
    parts = [
        _backward(own, _pictures(padded[:, :, k : k + frames]), weight[:, :, k].contiguous(), None,
                  [1, 1], around, [1, 1], False, [0, 0], 1, mask)[1]
        for k in range(weight.shape[2])
    ]  # fmt: skip
    return torch.stack(parts, 2)


def _pictures(frames: Tensor) -> Tensor:
    """(B, C, T, H, W) -> (B T, C, H, W)."""
    return frames.transpose(1, 2).flatten(0, 1).contiguous()


def quick_conv3d(network: nn.Module) -> None:
    """Let oneDNN do a network's 3-D convolutions, for inference on a CPU; what they give does not change.

    Measured on PredNet's Student #1 at 320x240, float32, one thread of a shared x86-64 CPU: 0.5 s instead of 8 s.

    Args:
        network: Changed in place; no gradient is to go through it any more.
    """
    if not torch.backends.mkldnn.is_available():
        return
    for layer in network.modules():
        if isinstance(layer, nn.Conv3d) and layer.padding_mode == "zeros" and not isinstance(layer.padding, str):
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last_3d)
            layer._conv_forward = partial(_by_onednn, layer)


def _by_onednn(layer: nn.Conv3d, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """(B, C, T, H, W) -> (B, C', T', H', W')."""
    padding = [int(side) for side in layer.padding]
    input = input.contiguous(memory_format=torch.channels_last_3d)
    return torch.mkldnn_convolution(
        input, weight, bias, padding, list(layer.stride), list(layer.dilation), layer.groups
    )
