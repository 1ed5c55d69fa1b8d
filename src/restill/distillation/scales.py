"""Run a network and record its features and picture at several scales."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import lcm
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate, pad

from restill.distillation.feature_paths import ROLES, FeaturePaths, find_feature_paths
from restill.distillation.hooks import FeatureHook, find_module
from restill.errors import RestillError
from restill.losses.pyramid import pyramid
from restill.networks.adapter import Adapter, class_name
from restill.networks.spec import NetworkSpec

ScaleSource = Literal["features", "frames"]
Attention = Literal["sum_of_squares", "sum_of_abs", "max_of_squares"]


@dataclass
class NetworkOutput:
    """The picture and features from one run of a network.

    Attributes:
        picture: (N, C, sH, sW).
        features: The feature at each module path: (N, C', h, w), or (N, C', T, h, w).
    """

    picture: Tensor
    features: dict[str, Tensor]


@dataclass
class ObservedNetwork:
    """A network and the module paths to record features from.

    Attributes:
        network: Maps (B, K, C, H, W) to (B, C, sH, sW).
        side: "teacher" or "student", for error messages.
        before: Context frames before the center frame.
        after: Context frames after it.
        paths: Module paths by role, see :mod:`restill.distillation.feature_paths`.
        head: Path of the module that turns the feature into the picture; None if there is none.
        residual: Whether the head's output is added to the center frame.
        upsample: Interpolation mode that enlarges the center frame for this sum.
        size_multiple: Heights and widths must be multiples of this.
    """

    network: nn.Module
    side: str
    before: int
    after: int
    paths: dict[str, tuple[str, ...]]
    head: str | None
    residual: bool
    upsample: str
    size_multiple: int

    @classmethod
    def of(
        cls,
        network: nn.Module,
        side: str,
        context: int,
        given: FeaturePaths | None = None,
        head: str | None = None,
        roles: Sequence[str] = ("feature",),
    ) -> ObservedNetwork:
        """Read missing values from ``network.spec``. Without a spec, the network uses the whole context.

        Raises:
            RestillError: A path has no module.
        """
        spec: NetworkSpec | None = getattr(network, "spec", None)
        paths = find_feature_paths(network, side, given, roles)
        if spec is not None:
            paths.setdefault("feature", (spec.feature,))  # for the coarser pictures
        if spec is not None and head is None and paths["feature"] == (spec.feature,):
            head = spec.head
        if head is not None:
            find_module(network, head)
        return cls(
            network,
            side,
            before=spec.frames_before if spec else context,
            after=spec.frames_after if spec else context,
            paths=paths,
            head=head,
            residual=spec.residual if spec else False,
            upsample=spec.upsample if spec else "bilinear",
            size_multiple=spec.size_multiple if spec else 1,
        )

    def need(self, *roles: str) -> None:
        """Check before training that every role has a path.

        Raises:
            RestillError: A role has no path.
        """
        for role in roles:
            if not self.paths.get(role):
                what = f"{self.side}_feature" if role == "feature" else f"{self.side}_feature={{'{role}': ...}}"
                raise RestillError(
                    f"the {self.side} {class_name(self.network)} has no spec that names {ROLES[role]}; "
                    f"give {what}, module paths such as 'body.5' or 'head:input'"
                )

    def run(self, windows: Tensor) -> NetworkOutput:
        """Run the network and record the feature at every path.

        Args:
            windows: (N, K, C, H, W), in a size that the network accepts.
        """
        if isinstance(self.network, Adapter) and self.network.frames is None:
            self.network.fit(windows)  # runs the network several times, so do it before recording
        with ExitStack() as stack:
            paths = dict.fromkeys(path for paths in self.paths.values() for path in paths)
            hooks = [stack.enter_context(FeatureHook(self.network, path)) for path in paths]
            picture = self.network(windows)
        return NetworkOutput(picture, {hook.path: hook.value for hook in hooks})

    def maps(self, seen: NetworkOutput, role: str) -> list[Tensor]:
        """Return the feature maps of one role: [(N, C', h, w), ...]. Average a temporal axis.

        Raises:
            RestillError: The feature at a path is not a map.
        """
        return [self._map(path, seen.features[path]) for path in self.paths.get(role, ())]

    def _map(self, path: str, value: Tensor) -> Tensor:
        if value.dim() == 5:
            value = value.mean(dim=2)  # (N, C', T, h, w) -> (N, C', h, w)
        if value.dim() != 4:
            raise RestillError(
                f"the {self.side}'s feature at '{path}' is {tuple(value.shape)}; "
                "it must be (B, C, H, W) or (B, C, T, H, W)"
            )
        return value if value.is_complex() or torch.is_autocast_enabled(value.device.type) else value.float()

    def scales(self, windows: Tensor, levels: int, source: ScaleSource) -> tuple[list[Tensor], list[Tensor]]:
        """Run the network and return pictures and features at every scale, finest first.

        Args:
            windows: (N, K, C, H, W), in a size that the network accepts.
            levels: Number of scales. Each is half the size of the previous one.
            source: "features": run the network once, pool its feature, apply the head to each pooled feature. Without a
                head, pool the picture. "frames": run the network on pooled frames, once per scale.

        Returns:
            pictures [(N, C, sH, sW), ...]; features [(N, C', h, w), ...], empty if none is recorded. Padding at
            the right and the bottom can make a picture larger than the pooled finest one.
        """
        if source == "frames":
            runs = [self.run(pad_to_multiple(w, self.size_multiple)) for w in window_pyramid(windows, levels)]
            return [seen.picture for seen in runs], [f for seen in runs for f in self.maps(seen, "feature")]
        seen = self.run(windows)
        features = [p for f in self.maps(seen, "feature") for p in pyramid(f, levels)]
        return self.pictures(seen, windows, levels), features

    def pictures(self, seen: NetworkOutput, windows: Tensor, levels: int) -> list[Tensor]:
        """Return the picture of a run and ``levels - 1`` coarser ones, as :meth:`scales` does from features."""
        if levels == 1 or self.head is None or "feature" not in self.paths:
            return pyramid(seen.picture, levels)
        has_time = seen.features[self.paths["feature"][0]].dim() == 5
        features = pyramid(self.maps(seen, "feature")[0], levels)
        head = find_module(self.network, self.head)
        centres = pyramid(windows[:, self.before], levels)  # (N, C, H, W), ...
        pictures = [seen.picture]
        weight = next(head.parameters(), features[0])
        for f, centre in zip(features[1:], centres[1:], strict=True):
            f = f.to(weight.dtype)
            out = head(f.unsqueeze(2))[:, :, 0] if has_time else head(f)  # (N, C, ~sH/2, ~sW/2)
            if self.residual:
                scale = seen.picture.shape[-1] // windows.shape[-1]
                base = interpolate(centre, scale_factor=scale, mode=self.upsample) if scale > 1 else centre
                out = out[..., : base.shape[-2], : base.shape[-1]] + base
            pictures.append(out.float())
        return pictures


def window_pyramid(windows: Tensor, levels: int) -> list[Tensor]:
    """Apply :func:`pyramid` to the frames of (N, K, C, H, W)."""
    n = windows.shape[0]
    return [frames.unflatten(0, (n, -1)) for frames in pyramid(windows.flatten(0, 1), levels)]


def pad_to_multiple(windows: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column of (N, K, C, H, W) until both sizes are multiples."""
    h, w = windows.shape[-2:]
    down, right = -h % multiple, -w % multiple
    if not down and not right:
        return windows
    n = windows.shape[0]
    return pad(windows.flatten(0, 1), (0, right, 0, down), mode="replicate").unflatten(0, (n, -1))


def common_multiple(*networks: ObservedNetwork) -> int:
    """Return the networks' least common size multiple, so that their features cover the same area."""
    return lcm(*(network.size_multiple for network in networks))


def channel_map(feature: Tensor, agg: str) -> Tensor:
    """Reduce a feature to one channel to compare any two networks (Gao et al., 2018, as used by CSTD and STD).

    Args:
        feature: (N, C, h, w).
        agg: "mean_sq": (mean over C)^2. "sum_sq": (sum over C)^2, which grows with C^2. "unit_mean_sq": "mean_sq"
            divided by its mean over (h, w), which removes the scale of the feature.

    Returns:
        (N, 1, h, w), float32.
    """
    feature = feature.float()
    squared = (feature.sum(dim=1, keepdim=True) if agg == "sum_sq" else feature.mean(dim=1, keepdim=True)) ** 2
    if agg == "unit_mean_sq":
        return squared / (squared.mean(dim=(2, 3), keepdim=True) + 1e-6)
    return squared


def attention_map(feature: Tensor, kind: Attention = "sum_of_squares") -> Tensor:
    """Return a map of where a feature is strong (Zagoruyko and Komodakis, 2017), in one of STD's three forms.

    Args:
        feature: (N, C, h, w).
        kind: How to reduce the channels.

    Returns:
        (N, 1, h, w), float32, 0 or more.
    """
    feature = feature.float()
    if kind == "sum_of_abs":
        return feature.abs().sum(dim=1, keepdim=True)  # (1) M_sum of STD: sum_c |F_c|
    if kind == "max_of_squares":
        return feature.square().amax(dim=1, keepdim=True)  # (3) M_max2 of STD: max_c |F_c|^2
    return feature.square().sum(dim=1, keepdim=True)  # (2) M_sum2 of STD: sum_c |F_c|^2; also used by AT


def unit_map(q: Tensor) -> Tensor:
    """Divide each map (N, 1, h, w) by its L2 norm + 1e-6, to keep where a feature is strong but not how much."""
    return q / (torch.linalg.vector_norm(q, dim=(1, 2, 3), keepdim=True) + 1e-6)


def like(teachers: Tensor, students: Tensor) -> Tensor:
    """Resize the teacher's map to the student's. Shrink by area averaging, enlarge bilinearly."""
    size = (students.shape[-2], students.shape[-1])
    if teachers.shape[-2:] == students.shape[-2:]:
        return teachers
    if teachers.shape[-1] > size[1]:
        return adaptive_avg_pool2d(teachers, size)
    return interpolate(teachers, size, mode="bilinear")
