"""What every distillation method is: one module that owns the networks and returns named losses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from restill.distillation.windows import Batch, centre_windows
from restill.networks.spec import NetworkSpec

Losses = dict[str, Tensor]


class MethodOptions(BaseModel):
    """Base of each method's options: an unknown name is an error, values are checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Method(nn.Module):
    """Owner of the student, of the frozen teacher if there is one, and of what joins them.

    A training loop needs to know no more than this: it optimizes the parameters that require a gradient, adds up the
    losses by weight, calls :meth:`after_step`, and logs losses and :meth:`metrics`. Everything that must survive a
    resumed run is a parameter or a buffer. Only ``student`` is ever shipped.

    Attributes:
        name: What recipes call it; of a class of one's own the class's name if left out.
        paper: Where it comes from.
        needs: What the networks must offer, in words.
        has_teacher: Its constructor is (teacher, student, context, options, paths), else (student, context, ...).
        student: The network that is trained.
        teacher: The network it learns from: frozen, always in eval mode; None when there is none.
        default_weights: Weight of each named loss, 1 where none is given; a recipe may override them.
        warmup: Steps before it distils at all.
        shown_clean: Which of "teacher" and "student" are shown clean frames.
        trains_others: Losses that are for what the method trains beside the student.
    """

    name: ClassVar[str]
    _named: ClassVar[bool]
    paper: ClassVar[str]
    needs: ClassVar[str]
    has_teacher: ClassVar[bool] = True
    Options: ClassVar[type[MethodOptions]] = MethodOptions

    student: nn.Module
    teacher: nn.Module | None
    default_weights: dict[str, float]
    context: int
    warmup: int = 0
    shown_clean: frozenset[str] = frozenset()
    trains_others: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._named = "name" in vars(cls) or any(getattr(base, "_named", False) for base in cls.__bases__)
        if not cls._named:
            cls.name = cls.__name__

    def __init__(self, student: nn.Module, teacher: nn.Module | None = None) -> None:
        super().__init__()
        self.default_weights = dict(getattr(type(self), "default_weights", {}))
        self.student = student
        self.teacher = teacher
        if teacher is not None:
            teacher.requires_grad_(False)
            teacher.eval()

    def forward(self, batch: Batch, step: int) -> Losses:
        """Named scalar losses, unweighted, with gradients.

        Args:
            batch: ``degraded`` (B, T, C, H, W) and ``clean`` (B, T, C, sH, sW), RGB in [0, 1]; perhaps ``windows``.
            step: Steps done before this one.
        """
        raise NotImplementedError

    def loss_groups(self, batch: Batch, step: int) -> Iterator[Losses]:
        """One dict of losses for each optimizer step of this batch; nearly every method has one.

        The loop steps the optimizer before it asks for the next. For each name, the sum over the groups is the
        batch's loss of that name.
        """
        yield self(batch, step)

    def shown(self, batch: Batch) -> Tensor:
        """What the student is shown of a batch: every window, (B*L, K, C, H, W); to validate it."""
        return self._seen_by(self.student, batch)

    def shown_to_teacher(self, batch: Batch) -> Tensor:
        """What the teacher is shown of a batch: every window, (B*L, K, C, H, W); only where there is a teacher."""
        return self._seen_by(self.teacher, batch)

    def _seen_by(self, network: nn.Module | None, batch: Batch) -> Tensor:
        spec: NetworkSpec | None = getattr(network, "spec", None)
        before, after = (spec.frames_before, spec.frames_after) if spec else (self.context, self.context)
        return centre_windows(batch, self.context, before, after).flatten(0, 1)

    def after_step(self, losses: dict[str, float]) -> None:
        """Called after each step with the values of its losses."""

    def metrics(self) -> dict[str, float]:
        """More numbers to log."""
        return {}

    def train(self, mode: bool = True) -> Method:
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self
