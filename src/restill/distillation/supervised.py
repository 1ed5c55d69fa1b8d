"""Base of the methods that train a student on clean frames: its windows, its pictures and the loss on them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Generic, TypeVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from restill.distillation.feature_paths import FeaturePaths
from restill.distillation.method import Method, MethodOptions
from restill.distillation.scales import NetworkOutput, ObservedNetwork, pad_to_multiple
from restill.distillation.windows import Batch, centre_targets, centre_windows, clean_windows
from restill.errors import RestillError
from restill.losses.reconstruction import Kind, scale_losses
from restill.networks.adapter import Adapter, as_for_use, class_name

PROBE = 32  # pixels: least side of the window that is run to count channels

Weight = Annotated[float, Field(ge=0)]


class SupervisedOptions(MethodOptions):
    """Options of the reconstruction loss.

    Attributes:
        reconstruction: The loss on pictures.
        recon_weights: One weight per scale, finest first; CSTD's are (0.6, 0.2, 0.2).
    """

    reconstruction: Kind = "l1"
    recon_weights: Annotated[tuple[Weight, ...], Field(min_length=1, max_length=5)] = (1.0,)


AnyOptions = TypeVar("AnyOptions", bound=SupervisedOptions)


class Supervised(Method, Generic[AnyOptions]):
    """A student and its features.

    Args:
        student: Any network; without a ``spec`` it sees ``2 * context + 1`` frames.
        context: Frames at either end of a clip that are only context.
        options: The method's own.
        student_feature: Paths of its features, if not its spec's (see :mod:`restill.distillation.feature_paths`).
        student_head: Path of the module that turns its last feature into the picture, if not its spec's; used only
            where ``recon_weights`` asks for coarser pictures.
        teacher: For methods that have one; will be frozen.

    Raises:
        RestillError: There is no module at a path.
    """

    roles: ClassVar[tuple[str, ...]] = ("feature",)
    Options: ClassVar[type[MethodOptions]] = SupervisedOptions
    options: AnyOptions

    def __init__(
        self,
        student: nn.Module,
        context: int,
        options: AnyOptions | None = None,
        student_feature: FeaturePaths | None = None,
        student_head: str | None = None,
        *,
        teacher: nn.Module | None = None,
    ) -> None:
        super().__init__(student, teacher)
        self.options = options or cast(AnyOptions, self.Options())
        self.context = context
        self.student_net = ObservedNetwork.of(
            student, "student", context, student_feature, student_head, roles=self.roles
        )

    @property
    def size_multiple(self) -> int:
        """Heights and widths of windows are multiples of this."""
        return self.student_net.size_multiple

    def windows(self, net: ObservedNetwork, batch: Batch) -> Tensor:
        """Every window of one network, padded: (B*L, K, C, H, W)."""
        windows = centre_windows(batch, self.context, net.before, net.after).flatten(0, 1)
        return pad_to_multiple(windows, self.size_multiple)

    def shown(self, batch: Batch) -> Tensor:
        return self.windows(self.student_net, batch)

    def privileged_windows(self, net: ObservedNetwork, batch: Batch) -> Tensor:
        """Every window of clean frames, padded by the same share: (B*L, K, C, sH, sW)."""
        scale = batch["clean"].shape[-1] // batch["degraded"].shape[-1]
        windows = clean_windows(batch, self.context, net.before, net.after, scale).flatten(0, 1)
        return pad_to_multiple(windows, scale * self.size_multiple)

    def targets(self, batch: Batch) -> Tensor:
        """The clean frames of the centers: (B*L, C, sH, sW)."""
        return centre_targets(batch, self.context).flatten(0, 1)

    def run_student(self, batch: Batch) -> tuple[NetworkOutput, Tensor]:
        """Run the student on a batch; return its output and its reconstruction loss."""
        windows = self.windows(self.student_net, batch)
        seen = self.student_net.run(windows)
        return seen, self.reconstruction(seen, windows, self.targets(batch))

    def reconstruction(self, seen: NetworkOutput, windows: Tensor, targets: Tensor) -> Tensor:
        """The loss on the student's pictures: the weighted sum over scales, a scalar."""
        weights = self.options.recon_weights
        pictures = self.student_net.pictures(seen, windows, len(weights))
        return weighted_sum(scale_losses(pictures, targets, self.options.reconstruction), weights)

    def _probe(self, net: ObservedNetwork, role: str) -> list[int]:
        """Channels at each path of a role, found by running the network once on a small window."""
        window = self._small_window(net)
        with as_for_use(net.network):  # no statistics change
            try:
                return [f.shape[1] for f in net.maps(net.run(window), role)]
            except RestillError:
                raise
            except Exception as error:  # a network may raise anything
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
                raise RestillError(
                    f"the {net.side} {class_name(net.network)} fails on a window {tuple(window.shape)} "
                    f"(B, frames, channels, H, W) of {self.context} frames of context: {reason}"
                ) from error

    def _small_window(self, net: ObservedNetwork) -> Tensor:
        """The window that a user's network was fitted to; for Restill's own networks, a small one."""
        if isinstance(net.network, Adapter) and net.network.example is not None:
            return pad_to_multiple(net.network.example, self.size_multiple)
        some = next(net.network.parameters(), torch.empty(0))
        side = -(-PROBE // self.size_multiple) * self.size_multiple
        return torch.zeros(1, net.before + 1 + net.after, 3, side, side, device=some.device, dtype=some.dtype)


def weighted_sum(values: list[Tensor], weights: tuple[float, ...]) -> Tensor:
    """sum_p w_p * value_p."""
    total = values[0] * weights[0]
    for value, weight in zip(values[1:], weights[1:], strict=True):
        total = total + value * weight
    return total
