"""Feature maps of a checkpoint while it restores a clip: the maps that distillation methods compare."""

from __future__ import annotations

from typing import get_args

import numpy as np
import torch
from torch import Tensor

from restill.distillation.hooks import FeatureHook
from restill.distillation.scales import Attention, NetworkOutput, ObservedNetwork, attention_map, channel_map
from restill.evaluation.models import Checkpoint

AGGREGATIONS = ("mean_sq", "unit_mean_sq")
MAPPINGS: tuple[str, ...] = get_args(Attention)


class Look:
    """A hook in a checkpoint's network that records a feature while the clip streams.

    Args:
        checkpoint: From :func:`restill.evaluation.models.load_checkpoint`.
        label: What an error calls it.
        path: Where to look, such as "body.1" or "head:input"; its spec's feature by default.

    Raises:
        RestillError: If there is no module at the path.
    """

    def __init__(self, checkpoint: Checkpoint, label: str, path: str | None = None) -> None:
        self._net = ObservedNetwork.of(checkpoint.network, f"network of {label}", 0, path)
        self._multiple = checkpoint.info.size_multiple
        (self.path,) = self._net.paths["feature"]
        self.tap = FeatureHook(checkpoint.network, self.path)

    def maps(self, size: tuple[int, int]) -> dict[str, np.ndarray]:
        """The maps of the last restored frame.

        Args:
            size: (H, W) of the frame; what the padding beyond it brought is cut off.

        Returns:
            By aggregation and by mapping, (h, w) float32. "mean_sq" as it is; all others over their own means.

        Raises:
            RestillError: If the output of the module is not a map.
        """
        (feature,) = self._net.maps(
            NetworkOutput(torch.empty(0), {self.path: self.tap.value}), "feature"
        )  # (1, C, h', w')
        padded = (-(-side // self._multiple) * self._multiple for side in size)
        h, w = (round(n * side / full) for n, side, full in zip(feature.shape[2:], size, padded, strict=True))
        feature = feature[:, :, : max(h, 1), : max(w, 1)]  # (1, C, h, w)
        found = {agg: channel_map(feature, agg) for agg in AGGREGATIONS}
        found |= {kind: _over_mean(attention_map(feature, kind)) for kind in get_args(Attention)}
        return {name: values[0, 0].cpu().numpy() for name, values in found.items()}


def _over_mean(q: Tensor) -> Tensor:
    """(1, 1, h, w) divided by its mean, so that 1 is average for every network."""
    return q / (q.mean() + 1e-12)
