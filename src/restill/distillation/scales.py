"""What one network shows to a method: its feature, and its picture, at several scales."""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate, pad

from restill.distillation.taps import Tap, find_module
from restill.errors import RestillError
from restill.losses.pyramid import pyramid
from restill.networks.spec import NetworkSpec

ScaleSource = Literal["features", "frames"]


@dataclass
class Tapped:
    """A network and where to look in it.

    Attributes:
        network: Maps (B, K, C, H, W) to (B, C, sH, sW).
        role: "teacher" or "student", for error messages.
        before: Frames of context before the center.
        after: Frames after it.
        feature: Tap path of the feature; None if no method needs it.
        head: Path of the module that turns the feature into the picture; None if there is none.
        residual: The head's output is added to the center frame.
        size_multiple: The network wants heights and widths that are multiples of this.
    """

    network: nn.Module
    role: str
    before: int
    after: int
    feature: str | None
    head: str | None
    residual: bool
    size_multiple: int

    @classmethod
    def of(
        cls, network: nn.Module, role: str, context: int, feature: str | None = None, head: str | None = None
    ) -> Tapped:
        """Everything that is not given comes from ``network.spec``; a network without one sees the whole context.

        Raises:
            RestillError: A path leads nowhere.
        """
        spec: NetworkSpec | None = getattr(network, "spec", None)
        if spec is not None:
            if head is None and feature in (None, spec.feature):
                head = spec.head
            feature = feature or spec.feature
        if feature is not None:
            find_module(network, feature.partition(":")[0])
        if head is not None:
            find_module(network, head)
        return cls(
            network,
            role,
            before=spec.frames_before if spec else context,
            after=spec.frames_after if spec else context,
            feature=feature,
            head=head,
            residual=spec.residual if spec else False,
            size_multiple=spec.size_multiple if spec else 1,
        )

    def need_feature(self) -> None:
        """Fail now, not at the first step, when there is nothing to distil.

        Raises:
            RestillError: No feature path is known.
        """
        if self.feature is None:
            raise RestillError(
                f"the {self.role} {type(self.network).__name__} has no spec that says where its feature is; "
                f"give {self.role}_feature, a module path such as 'body.5' or 'head:input'"
            )

    def run(self, windows: Tensor) -> tuple[Tensor, Tensor | None, bool]:
        """One run of the network.

        Args:
            windows: (N, K, C, H, W), sizes that the network takes.

        Returns:
            picture (N, C, sH, sW); feature (N, C', h, w), without a temporal axis of one; whether it had that axis.

        Raises:
            RestillError: The feature is not a map.
        """
        if self.feature is None:
            return self.network(windows), None, False
        with Tap(self.network, self.feature) as tap:
            picture = self.network(windows)
        feature = tap.value
        has_time = feature.dim() == 5 and feature.shape[2] == 1
        if has_time:
            feature = feature[:, :, 0]  # (N, C', 1, h, w) -> (N, C', h, w)
        if feature.dim() != 4:
            raise RestillError(
                f"the {self.role}'s feature at '{self.feature}' is {tuple(feature.shape)}; "
                "it must be (B, C, H, W) or (B, C, 1, H, W)"
            )
        return picture, feature, has_time

    def features(self, windows: Tensor, levels: int, source: ScaleSource) -> list[Tensor]:
        """Features of every scale, finest first: [(N, C', h, w), (N, C', h/2, w/2), ...]. See :meth:`scales`."""
        if source == "frames":
            found = [self.run(pad_to_multiple(w, self.size_multiple))[1] for w in window_pyramid(windows, levels)]
            return [f for f in found if f is not None]
        _, feature, _ = self.run(windows)
        return [] if feature is None else pyramid(feature, levels)

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
            return [picture for picture, _, _ in runs], [f for _, f, _ in runs if f is not None]
        picture, feature, has_time = self.run(windows)
        features = [] if feature is None else pyramid(feature, levels)
        if self.head is None or not features:
            return pyramid(picture, levels), features
        head = find_module(self.network, self.head)
        centres = pyramid(windows[:, self.before], levels)  # (N, C, H, W), ...
        pictures = [picture]
        for f, centre in zip(features[1:], centres[1:], strict=True):
            out = head(f.unsqueeze(2))[:, :, 0] if has_time else head(f)  # (N, C, ~sH/2, ~sW/2)
            if self.residual:
                scale = picture.shape[-1] // windows.shape[-1]
                base = interpolate(centre, scale_factor=scale, mode="bilinear") if scale > 1 else centre
                out = out[..., : base.shape[-2], : base.shape[-1]] + base
            pictures.append(out)
        return pictures, features


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


def like(teachers: Tensor, students: Tensor) -> Tensor:
    """The teacher's map (B, 1, h, w) at the size of the student's: areas averaged, or bilinear where it grows."""
    size = (students.shape[-2], students.shape[-1])
    if teachers.shape[-2:] == students.shape[-2:]:
        return teachers
    if teachers.shape[-1] > size[1]:
        return adaptive_avg_pool2d(teachers, size)
    return interpolate(teachers, size, mode="bilinear")
