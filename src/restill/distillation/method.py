"""Base class of all distillation methods: a module that owns the networks and returns named losses."""

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
    """A distillation method: the student, the frozen teacher if there is one, and the modules between them.

    A training loop optimizes the parameters that require a gradient, sums the weighted losses, calls
    :meth:`after_step`, and logs the losses and :meth:`metrics`. Everything that a resumed run needs is a parameter or
    a buffer. Only ``student`` is saved as the result.

    Attributes:
        name: Its name in recipes; by default the name of the class.
        paper: Its source.
        needs: What it needs from the networks and the data, in words.
        has_teacher: Its constructor takes (teacher, student, context, options, paths), else (student, context, ...).
        student: The network that is trained.
        teacher: The network that the student learns from: frozen, always in eval mode; None if there is none.
        default_weights: Weight of each named loss, 1 where none is given; a recipe may override them.
        warmup: Steps before distillation starts.
        shown_clean: Which of "teacher" and "student" get clean frames as input.
        trains_others: Losses that train other networks than the student.
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
        """One dict of losses for each optimizer step of this batch; most methods have one step.

        The loop steps the optimizer before it takes the next dict. The sum of a loss over the dicts is the batch's
        loss of that name.
        """
        yield self(batch, step)

    def shown(self, batch: Batch) -> Tensor:
        """The student's input for a batch: every window, (B*L, K, C, H, W). Validation uses it."""
        return self._seen_by(self.student, batch)

    def shown_to_teacher(self, batch: Batch) -> Tensor:
        """The teacher's input for a batch: every window, (B*L, K, C, H, W); only if there is a teacher."""
        return self._seen_by(self.teacher, batch)

    def _seen_by(self, network: nn.Module | None, batch: Batch) -> Tensor:
        spec: NetworkSpec | None = getattr(network, "spec", None)
        before, after = (spec.frames_before, spec.frames_after) if spec else (self.context, self.context)
        return centre_windows(batch, self.context, before, after).flatten(0, 1)

    def after_step(self, losses: dict[str, float]) -> None:
        """Called by the loop after each step, with the values of its losses."""

    def metrics(self) -> dict[str, float]:
        """Further numbers to log."""
        return {}

    def train(self, mode: bool = True) -> Method:
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self
