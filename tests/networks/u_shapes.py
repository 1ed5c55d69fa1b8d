"""For the tests of Restormer and DRSformer: the keys and shapes of the published checkpoints; weights set by hand."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

Shapes = dict[str, tuple[int, ...]]


def u_shape(d: int, blocks: tuple[int, ...], block: dict[str, list[str]], refinement: int = 0) -> Shapes:
    """What both have.

    Args:
        d: Channels of level 1.
        blocks: Of levels 1, 2, 3 and the latent.
        block: A block's keys and their shapes in terms of ``c`` (channels), ``n`` (heads), ``h`` (hidden channels).
        refinement: Blocks of refinement.
    """
    levels = [("encoder_level1", d, 1, blocks[0]), ("decoder_level1", 2 * d, 1, blocks[0])]
    levels += [(f"{side}_level2", 2 * d, 2, blocks[1]) for side in ("encoder", "decoder")]
    levels += [(f"{side}_level3", 4 * d, 4, blocks[2]) for side in ("encoder", "decoder")]
    levels += [("latent", 8 * d, 8, blocks[3]), ("refinement", 2 * d, 1, refinement)]
    shapes: Shapes = {"patch_embed.proj.weight": (d, 3, 3, 3), "output.weight": (3, 2 * d, 3, 3)}
    for name, c, n, number in levels:
        sizes = {"c": c, "3c": 3 * c, "n": n, "h": int(c * 2.66), "2h": 2 * int(c * 2.66)}
        for i in range(number):
            for key, shape in block.items():
                shapes[f"{name}.{i}.{key}"] = tuple(sizes.get(side) or int(side) for side in shape)
    for name, c in (("1_2", d), ("2_3", 2 * d), ("3_4", 4 * d)):
        shapes[f"down{name}.body.0.weight"] = (c // 2, c, 3, 3)
    for name, c in (("4_3", 8 * d), ("3_2", 4 * d), ("2_1", 2 * d)):
        shapes[f"up{name}.body.0.weight"] = (2 * c, c, 3, 3)
    for level, c in ((3, 4 * d), (2, 2 * d)):
        shapes[f"reduce_chan_level{level}.weight"] = (c, 2 * c, 1, 1)
    return shapes


def attention() -> dict[str, list[str]]:
    shapes = "norm1.body.weight c/norm1.body.bias c/norm2.body.weight c/norm2.body.bias c/attn.temperature n 1 1/"
    shapes += "attn.qkv.weight 3c c 1 1/attn.qkv_dwconv.weight 3c 1 3 3/attn.project_out.weight c c 1 1"
    return dict(_split(shapes))


def gated_feed_forward() -> dict[str, list[str]]:
    return dict(_split("ffn.project_in.weight 2h c 1 1/ffn.dwconv.weight 2h 1 3 3/ffn.project_out.weight c h 1 1"))


def mixed_feed_forward() -> dict[str, list[str]]:
    shapes = "ffn.project_in.weight 2h c 1 1/ffn.project_out.weight c 2h 1 1/"
    shapes += "ffn.dwconv3x3.weight 2h 1 3 3/ffn.dwconv5x5.weight 2h 1 5 5/"
    shapes += "ffn.dwconv3x3_1.weight h 2 3 3/ffn.dwconv5x5_1.weight h 2 5 5"
    return dict(_split(shapes))


def _split(text: str) -> Iterator[tuple[str, list[str]]]:
    for line in text.split("/"):
        key, *shape = line.split()
        yield key, shape


def meta(shapes: Shapes) -> dict[str, torch.Tensor]:
    return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}


def set_center(conv: nn.Conv2d, matrix) -> None:
    """All taps zero but the center one, which is ``matrix`` (out, in)."""
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[..., conv.kernel_size[0] // 2, conv.kernel_size[1] // 2] = torch.as_tensor(matrix).float()
