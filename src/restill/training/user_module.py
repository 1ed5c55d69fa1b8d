"""A PyTorch module of one's own with the facts that export and evaluation need: frames, sizes, scale, alignment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from restill.errors import RestillError
from restill.networks import NetworkSpec
from restill.networks.adapter import Adapter, Picture, adapt, class_name, unwrapped
from restill.progress import say

# of heights and widths, tried in turn: powers of two, and the windows that transformers have
MULTIPLES = (1, 2, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 48, 56, 64, 96, 112, 128)
LEAST = 48  # pixels: the least side that is tried


@dataclass(frozen=True)
class ModuleFacts:
    """What must be said of a module, since it does not say it itself.

    Attributes:
        context: Frames on either side of the one that is restored.
        align: How the runtime brings neighbors onto the center frame: "none" or "dis".
        picture: Which output is the picture, where it gives several: an index or a key.
        size: (height, width) in pixels, for a network that takes one size only.
        multiple: Heights and widths must be multiples of this; found by trying where it is not given.
        task: What it does.
    """

    context: int | None = None
    align: str | None = None
    picture: Picture | None = None
    size: Sequence[int] | None = None
    multiple: int | None = None
    task: str = "derain"

    def given(self) -> list[str]:
        """The names of what was said."""
        return [name for name, value in vars(self).items() if value is not None and name != "task"]


def wrap_module(module: Any, facts: ModuleFacts) -> nn.Module:
    """A module as a network with a spec, in eval mode.

    Args:
        module: Any, one of Restill's own too.
        facts: What is to be said of it.

    Raises:
        RestillError: It is no module, takes no window of any size that was tried, or a fact about it is not right.
    """
    _check(facts)
    network = adapt(
        module.eval() if isinstance(module, nn.Module) else module, "network", facts.context or 0, facts.picture
    )
    spec = getattr(unwrapped(network), "spec", None)
    if isinstance(spec, NetworkSpec):
        if facts.context not in (None, spec.frames_before):
            raise RestillError(f"{class_name(network)} has {spec.frames_before} frames of context, not {facts.context}")
        if isinstance(network, Adapter):  # in another type than float32
            network.context, network.spec = spec.frames_before, spec
        return network
    assert isinstance(network, Adapter)  # noqa: S101 - adapt wraps what has no spec
    multiple = 1 if facts.size else _fit(network, facts)
    if facts.size:
        network.fit(_window(facts.context or 0, facts.size))
    context = (network.frames or 0) // 2
    if context < (facts.context or 0):
        say(f"note: {class_name(network)} takes {max(network.frames or 0, 1)} frames, so its context is {context}")
    network.context = context
    network.spec = NetworkSpec(
        task=facts.task,
        paper="",
        frames_before=context,
        frames_after=context,
        feature="",
        scale=network.scale,
        size_multiple=multiple,
    )
    return network


def _fit(network: Adapter, facts: ModuleFacts) -> int:
    """Try sizes until the module takes them; the multiple that they have in common."""
    first: RestillError | None = None
    for multiple in (facts.multiple,) if facts.multiple else MULTIPLES:
        try:
            for sides in sizes(multiple):
                network.fit(_window(facts.context or 0, sides))
        except RestillError as error:
            network.frames = None
            first = first or error
        else:
            return multiple
    tried = f"multiples of {facts.multiple}" if facts.multiple else f"multiples of {', '.join(map(str, MULTIPLES))}"
    raise RestillError(
        f"{first}; sizes that were tried: {tried}. If it takes one size only, give size=(height, width); if it needs "
        "other multiples, multiple="
    ) from first


def sizes(multiple: int) -> list[tuple[int, int]]:
    """(height, width) to try a network at: odd numbers of multiples, so that no larger multiple is hidden in them."""
    cells = max(-(-LEAST // multiple) | 1, 3)
    return [(cells * multiple, (cells + 2) * multiple), ((cells + 4) * multiple, cells * multiple)]


def _window(context: int, size: Sequence[int]) -> torch.Tensor:
    return torch.rand(1, 2 * context + 1, 3, *size, generator=torch.Generator().manual_seed(0))


def _check(facts: ModuleFacts) -> None:
    """Facts that cannot be right are refused by name."""
    if facts.context is not None and not (isinstance(facts.context, int) and 0 <= facts.context <= 100):
        raise RestillError(f"context must be a whole number of frames, 0 or more, not {facts.context!r}")
    if facts.align not in (None, "none", "dis"):
        raise RestillError(f"align must be 'none' or 'dis', not {facts.align!r}")
    if facts.multiple is not None and not (isinstance(facts.multiple, int) and 1 <= facts.multiple <= 1024):
        raise RestillError(f"multiple must be a whole number of pixels from 1 to 1024, not {facts.multiple!r}")
    if facts.size is not None:
        sides = list(facts.size) if isinstance(facts.size, Sequence) else []
        if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
            raise RestillError(f"size must be (height, width) in pixels, not {facts.size!r}")
