"""Is the declared encoder all that the decoder takes? Asked by cutting a network there."""

from __future__ import annotations

from contextlib import ExitStack

import torch
from torch import Tensor, nn

from restill.distillation.hooks import FeatureHook, FeatureReplacement


def decode(network: nn.Module, window: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """The network's feature from one window, its encoder's features being another's; and the feature of that other.

    The two are equal where nothing but the features of ``spec.encoder`` reaches ``spec.feature``.

    Args:
        network: With a spec.
        window: (B, K, 3, H, W).
        other: The same.
    """
    spec = network.spec
    with torch.no_grad(), ExitStack() as stack:
        feature = stack.enter_context(FeatureHook(network, spec.feature))  # type: ignore[union-attr]
        taps = [(place, stack.enter_context(FeatureHook(network, place))) for place in spec.encoder]  # type: ignore[union-attr]
        network(other)
        expected = feature.value
        with FeatureReplacement(network, {place: tap.value for place, tap in taps}):
            network(window)
        return feature.value, expected
