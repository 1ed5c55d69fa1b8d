"""A user's PyTorch module with the facts that export and evaluation need: frames, sizes, scale, alignment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from restill.alignment import ALIGNERS
from restill.errors import RestillError
from restill.networks import NetworkSpec
from restill.networks.adapter import Adapter, Picture, adapt, class_name, unwrapped
from restill.progress import say

# of heights and widths, tried in turn: powers of two and window sizes of transformers
MULTIPLES = (1, 2, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 48, 56, 64, 96, 112, 128)
LEAST = 48  # pixels: smallest side to try


@dataclass(frozen=True)
class ModuleFacts:
    """What the user says about a module without a spec.

    Attributes:
        context: Frames on either side of the restored one.
        align: The aligner with which the module was trained (:mod:`restill.alignment`), or "none": the runtime then
            does not align neighbors to the center frame.
        picture: Index or key of the picture, if there are several outputs.
        size: (height, width) in pixels, for a network that takes only one size.
        multiple: Heights and widths must be multiples of this; found by trying if not given.
        task: The module's task.
    """

    context: int | None = None
    align: str | None = None
    picture: Picture | None = None
    size: Sequence[int] | None = None
    multiple: int | None = None
    task: str = "derain"

    def given(self) -> list[str]:
        """The names of the facts that were given."""
        return [name for name, value in vars(self).items() if value is not None and name != "task"]


def wrap_module(module: Any, facts: ModuleFacts) -> nn.Module:
    """Turn a module into a network with a spec, in eval mode.

    Args:
        module: Any module, also one of Restill's.
        facts: Facts about it.

    Raises:
        RestillError: It is not a module, it takes no window of the sizes that were tried, or a fact is wrong.
    """
    _check(facts)
    network = adapt(
        module.eval() if isinstance(module, nn.Module) else module, "network", facts.context or 0, facts.picture
    )
    spec = getattr(unwrapped(network), "spec", None)
    if isinstance(spec, NetworkSpec):
        if facts.context not in (None, spec.frames_before):
            raise RestillError(f"{class_name(network)} has {spec.frames_before} frames of context, not {facts.context}")
        if isinstance(network, Adapter):  # not in float32
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
    """Try sizes until the module takes them; returns their common multiple."""
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
    """(height, width) to try: odd counts of the multiple, so that they are not multiples of its double."""
    cells = max(-(-LEAST // multiple) | 1, 3)
    return [(cells * multiple, (cells + 2) * multiple), ((cells + 4) * multiple, cells * multiple)]


def _window(context: int, size: Sequence[int]) -> torch.Tensor:
    return torch.rand(1, 2 * context + 1, 3, *size, generator=torch.Generator().manual_seed(0))


def _check(facts: ModuleFacts) -> None:
    """Reject facts that cannot be right, by name."""
    if facts.context is not None and not (isinstance(facts.context, int) and 0 <= facts.context <= 100):
        raise RestillError(f"context must be a whole number of frames, 0 or more, not {facts.context!r}")
    if facts.align not in (None, *(known := ("none", *ALIGNERS))):
        raise RestillError(f"align must be one of {', '.join(known)}, not {facts.align!r}")
    if facts.multiple is not None and not (isinstance(facts.multiple, int) and 1 <= facts.multiple <= 1024):
        raise RestillError(f"multiple must be a whole number of pixels from 1 to 1024, not {facts.multiple!r}")
    if facts.size is not None:
        sides = list(facts.size) if isinstance(facts.size, Sequence) else []
        if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
            raise RestillError(f"size must be (height, width) in pixels, not {facts.size!r}")
