"""What one network shows to a method: its feature, and its picture, at several scales."""

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
class Seen:
    """What one run of a network showed.

    Attributes:
        picture: (N, C, sH, sW).
        found: What stood at each tap path: (N, C', h, w), or (N, C', T, h, w).
    """

    picture: Tensor
    found: dict[str, Tensor]


@dataclass
class Tapped:
    """A network and where to look in it.

    Attributes:
        network: Maps (B, K, C, H, W) to (B, C, sH, sW).
        side: "teacher" or "student", for error messages.
        before: Frames of context before the center.
        after: Frames after it.
        places: Tap paths by role, see :mod:`restill.distillation.feature_paths`.
        head: Path of the module that turns the feature into the picture; None if there is none.
        residual: The head's output is added to the center frame.
        upsample: How the center frame is enlarged for that.
        size_multiple: The network wants heights and widths that are multiples of this.
    """

    network: nn.Module
    side: str
    before: int
    after: int
    places: dict[str, tuple[str, ...]]
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
    ) -> Tapped:
        """Everything that is not given comes from ``network.spec``; a network without one sees the whole context.

        Raises:
            RestillError: A path leads nowhere.
        """
        spec: NetworkSpec | None = getattr(network, "spec", None)
        places = find_feature_paths(network, side, given, roles)
        if spec is not None:
            places.setdefault("feature", (spec.feature,))  # for the coarser pictures
        if spec is not None and head is None and places["feature"] == (spec.feature,):
            head = spec.head
        if head is not None:
            find_module(network, head)
        return cls(
            network,
            side,
            before=spec.frames_before if spec else context,
            after=spec.frames_after if spec else context,
            places=places,
            head=head,
            residual=spec.residual if spec else False,
            upsample=spec.upsample if spec else "bilinear",
            size_multiple=spec.size_multiple if spec else 1,
        )

    def need(self, *roles: str) -> None:
        """Fail now, not at the first step, when there is nothing to distil.

        Raises:
            RestillError: No path is known for a role.
        """
        for role in roles:
            if not self.places.get(role):
                what = f"{self.side}_feature" if role == "feature" else f"{self.side}_feature={{'{role}': ...}}"
                raise RestillError(
                    f"the {self.side} {class_name(self.network)} has no spec that says where {ROLES[role]} "
                    f"is found; give {what}, module paths such as 'body.5' or 'head:input'"
                )

    def run(self, windows: Tensor) -> Seen:
        """One run of the network, with a tap at every place.

        Args:
            windows: (N, K, C, H, W), sizes that the network takes.
        """
        if isinstance(self.network, Adapter) and self.network.frames is None:
            self.network.fit(windows)  # tries the network several times: not while its features are recorded
        with ExitStack() as stack:
            paths = dict.fromkeys(path for paths in self.places.values() for path in paths)
            taps = [stack.enter_context(FeatureHook(self.network, path)) for path in paths]
            picture = self.network(windows)
        return Seen(picture, {tap.path: tap.value for tap in taps})

    def maps(self, seen: Seen, role: str) -> list[Tensor]:
        """The maps of one role: [(N, C', h, w), ...]. A temporal axis is averaged away.

        Raises:
            RestillError: What was found at a path is not a map.
        """
        return [self._map(path, seen.found[path]) for path in self.places.get(role, ())]

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
        """Pictures and features of every scale, finest first.

        Args:
            windows: (N, K, C, H, W), sizes that the network takes.
            levels: How many scales, each half of the one before.
            source: "features": one run; the feature, with all its channels, is pooled, and the head turns each into
                a picture (without a head the picture itself is pooled). "frames": a run per scale, on pooled frames.

        Returns:
            pictures [(N, C, sH, sW), ...]; features [(N, C', h, w), ...], empty when no feature is tapped. A picture
            may be larger than pooling the finest one would make it (padding, at the right and the bottom).
        """
        if source == "frames":
            runs = [self.run(pad_to_multiple(w, self.size_multiple)) for w in window_pyramid(windows, levels)]
            return [seen.picture for seen in runs], [f for seen in runs for f in self.maps(seen, "feature")]
        seen = self.run(windows)
        features = [p for f in self.maps(seen, "feature") for p in pyramid(f, levels)]
        return self.pictures(seen, windows, levels), features

    def pictures(self, seen: Seen, windows: Tensor, levels: int) -> list[Tensor]:
        """The picture of a run and ``levels - 1`` coarser ones, as :meth:`scales` makes them from features."""
        if levels == 1 or self.head is None or "feature" not in self.places:
            return pyramid(seen.picture, levels)
        has_time = seen.found[self.places["feature"][0]].dim() == 5
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
    """:func:`pyramid` of the frames of (N, K, C, H, W)."""
    n = windows.shape[0]
    return [frames.unflatten(0, (n, -1)) for frames in pyramid(windows.flatten(0, 1), levels)]


def pad_to_multiple(windows: Tensor, multiple: int) -> Tensor:
    """(N, K, C, H, W) with the last row and column repeated until both sizes are multiples."""
    h, w = windows.shape[-2:]
    down, right = -h % multiple, -w % multiple
    if not down and not right:
        return windows
    n = windows.shape[0]
    return pad(windows.flatten(0, 1), (0, right, 0, down), mode="replicate").unflatten(0, (n, -1))


def common_multiple(*networks: Tapped) -> int:
    """The size multiple that suits all of them, so that their features cover the same area."""
    return lcm(*(network.size_multiple for network in networks))


def channel_map(feature: Tensor, agg: str) -> Tensor:
    """One channel of many (Gao et al., 2018, as CSTD and STD read it), so that any two networks can be compared.

    Args:
        feature: (N, C, h, w).
        agg: "mean_sq": (mean over C)^2. "sum_sq": (sum over C)^2, which grows with the square of C. "unit_mean_sq":
            the first over its own mean over (h, w), which no scale of the feature changes.

    Returns:
        (N, 1, h, w), float32.
    """
    feature = feature.float()
    squared = (feature.sum(dim=1, keepdim=True) if agg == "sum_sq" else feature.mean(dim=1, keepdim=True)) ** 2
    if agg == "unit_mean_sq":
        return squared / (squared.mean(dim=(2, 3), keepdim=True) + 1e-6)
    return squared


def attention_map(feature: Tensor, kind: Attention = "sum_of_squares") -> Tensor:
    """Where a feature is strong (Zagoruyko and Komodakis, 2017), in the three forms that STD compares.

    Args:
        feature: (N, C, h, w).
        kind: Over C, see below.

    Returns:
        (N, 1, h, w), float32, 0 or more.
    """
    feature = feature.float()
    if kind == "sum_of_abs":
        return feature.abs().sum(dim=1, keepdim=True)  # (1) M_sum of STD: sum_c |F_c|
    if kind == "max_of_squares":
        return feature.square().amax(dim=1, keepdim=True)  # (3) M_max2 of STD: max_c |F_c|^2
    return feature.square().sum(dim=1, keepdim=True)  # (2) M_sum2 of STD: sum_c |F_c|^2; AT's too


def unit_map(q: Tensor) -> Tensor:
    """Each map over its own L2 norm, Q / (||Q|| + 1e-6): what is strong where, not how strong; (N, 1, h, w)."""
    return q / (torch.linalg.vector_norm(q, dim=(1, 2, 3), keepdim=True) + 1e-6)


def like(teachers: Tensor, students: Tensor) -> Tensor:
    """The teacher's map (B, 1, h, w) at the size of the student's: areas averaged, or bilinear where it grows."""
    size = (students.shape[-2], students.shape[-1])
    if teachers.shape[-2:] == students.shape[-2:]:
        return teachers
    if teachers.shape[-1] > size[1]:
        return adaptive_avg_pool2d(teachers, size)
    return interpolate(teachers, size, mode="bilinear")
