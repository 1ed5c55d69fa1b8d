"""The share that each loss of a method pulls of the task's gradient: measured during a run, and held if it asks for it.

The pull of a loss is the norm of the gradient of weight * loss in the student's parameters, for one batch. Its share is
that norm divided by the pull of the task, the loss "reconstruction". :mod:`restill.training.gradient_norms` measures
more, after a run.
"""

from __future__ import annotations

import json

import torch
from torch import Tensor

from restill.distillation.method import Losses, Method
from restill.distillation.processes import first_row, mean_over_processes
from restill.errors import RestillError
from restill.progress import say
from restill.training.recipe import BALANCED, Run

EVERY = 200  # steps between two measurements
EVERY_BALANCED = 20  # the same where they set the weights
AVERAGED = 10  # measurements that the slow average remembers, about
INERT = 0.01  # below this share a method hardly changes what is learned
TASK = "reconstruction"  # the methods' name for the task's loss


class GradientShares:
    """Measures the shares, and gives the weights of the losses.

    With ``weights: balanced`` one factor multiplies the weights of all the method's losses, so that these together pull
    at the wanted share; their proportions stay. The factor is the wanted share times the slow average of the task's
    pull, divided by the slow average of theirs.

    Args:
        method: The method.
        run: The training settings.
        state: :meth:`state` of the run to resume.
    """

    def __init__(self, method: Method, run: Run, state: str = "") -> None:
        self._method = method
        self._given = method.default_weights | run.loss_weights
        self._wanted = run.balanced
        self._parameters = [p for p in method.student.parameters() if p.requires_grad]
        self._task, self._pull, self._count = json.loads(state) if state else (0.0, 0.0, 0)
        self._due, self._line = False, False
        self._gradients: dict[str, Tensor] = {}  # (P,) of each weighted loss, P the student's parameters
        self._news: dict[str, float] = {}

    def state(self) -> str:
        """What a resumed run needs."""
        return json.dumps([self._task, self._pull, self._count])

    def weights(self) -> dict[str, float]:
        """The weight of each loss."""
        factor = self._factor()
        return {name: weight * (factor if self._is_methods(name) else 1.0) for name, weight in self._given.items()}

    def start(self, step: int) -> None:
        """Begin a batch. Call :meth:`look` for each group of its losses, then :meth:`finish`."""
        since = step - self._method.warmup
        self._due = since >= 0 and since % (EVERY_BALANCED if self._wanted else EVERY) == 0
        self._line = since == 0
        self._gradients = {}

    def look(self, parts: Losses) -> None:
        """Measure a group of losses if it is time; the gradients of all parameters are then None.

        Raises:
            RestillError: The weights are balanced, and the student cannot be run backward twice.
        """
        if not self._due or not (self._gradients or len(parts) > 1):
            return
        try:
            for name, loss in parts.items():
                if name not in self._method.trains_others and (weight := self._given.get(name, 1.0)):
                    gradient = self._gradient(weight * loss)
                    self._gradients[name] = self._gradients[name] + gradient if name in self._gradients else gradient
        except RuntimeError as error:  # torch.compile frees what a second backward pass needs
            self._due = False
            if self._wanted:
                raise RestillError(
                    "weights: balanced needs several backward passes through the student, which fail (turn off "
                    f"torch.compile, or give the weights as numbers): {str(error).splitlines()[0]}"
                ) from error
        finally:
            self._method.zero_grad(set_to_none=True)
        if self._wanted and not self._count:  # the first batch needs weights before its first step
            self._task, self._pull = self._norms()

    def finish(self) -> None:
        """End a batch: keep what was measured for the log, and move the average."""
        if not self._due or not self._gradients:
            return
        task, pull = self._norms()
        if self._wanted and task and pull:
            self._count += 1
            new = max(1 / self._count, 1 / AVERAGED)
            self._task += new * (task - self._task)
            self._pull += new * (pull - self._pull)
        losses = [name for name in self._gradients if self._is_methods(name)]
        if not task or not losses:
            return
        over = self._factor() / task
        self._news = {f"share_{name}": self._gradients[name].norm().item() * over for name in losses}
        self._news |= {"share": pull * over} | ({"balance": self._factor()} if self._wanted else {})
        if self._line and not self._wanted and pull * over < INERT and first_row(1) == 0:
            say(
                f"the losses of method '{self._method.name}' ({', '.join(losses)}) together have {pull * over:.2g} of "
                "the gradient of the task's loss, so they will hardly change the student; raise their 'weights', or "
                f"set weights: {{{BALANCED}: 0.2}}"
            )

    def take(self) -> dict[str, float]:
        """What was measured since the last call, by name in the log."""
        news, self._news = self._news, {}
        return news

    def _is_methods(self, name: str) -> bool:
        return name != TASK and name not in self._method.trains_others

    def _factor(self) -> float:
        return self._wanted * self._task / self._pull if self._wanted and self._task and self._pull else 1.0

    def _norms(self) -> tuple[float, float]:
        """The pull of the task, and that of all the method's losses together before the factor."""
        zero = torch.zeros(())
        together = sum((g for name, g in self._gradients.items() if self._is_methods(name)), zero)
        return self._gradients.get(TASK, zero).norm().item(), together.norm().item()

    def _gradient(self, loss: Tensor) -> Tensor:
        """The gradient of a loss in the student, mean over the processes: (P,), float32."""
        self._method.zero_grad(set_to_none=True)
        if loss.requires_grad:
            loss.backward(retain_graph=True)
        found = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._parameters]
        return mean_over_processes(torch.cat([g.flatten().float() for g in found]))
