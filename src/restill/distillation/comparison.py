"""Base of the methods that have one distillation loss: a distance between features, summed over the levels."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar

from torch import Tensor

from restill.distillation.method import Losses
from restill.distillation.paired import Paired, PairedOptions
from restill.distillation.supervised import Weight
from restill.distillation.windows import Batch


class ComparisonOptions(PairedOptions):
    """Options of :class:`FeatureComparison`.

    Attributes:
        weight: Weight of the distillation loss.
    """

    weight: Weight = 1.0


AnyOptions = TypeVar("AnyOptions", bound=ComparisonOptions)


class FeatureComparison(Paired[AnyOptions], Generic[AnyOptions]):
    """A student, a frozen teacher, and one distance between their features. See :class:`Paired` for the arguments.

    A subclass sets ``loss`` and ``roles``, and writes :meth:`compare`.

    Attributes:
        loss: Name of the distillation loss.
    """

    loss: ClassVar[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.default_weights = {"reconstruction": 1.0, self.loss: self.options.weight}

    def forward(self, batch: Batch, step: int) -> Losses:
        """``reconstruction``, and the sum over the levels of :meth:`compare` under the name :attr:`loss`."""
        (role,) = self.wanted()
        features, reconstruction = self.run_both(batch, role)
        levels = [self.compare(level, f_s, f_t) for level, (f_s, f_t) in enumerate(features)]
        return {"reconstruction": reconstruction, self.loss: sum(levels[1:], levels[0])}

    def compare(self, level: int, f_s: Tensor, f_t: Tensor) -> Tensor:
        """The distance at one level, a scalar.

        Args:
            level: Index of the level, from 0.
            f_s: The student's feature, (B*L, C_S, h, w).
            f_t: The teacher's feature, (B*L, C_T, h', w').
        """
        raise NotImplementedError
