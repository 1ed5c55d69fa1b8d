"""Validate a run at some of its steps, and keep what a person wants to see of it."""

from __future__ import annotations

import torch

from restill.distillation.method import Method
from restill.progress import say_once
from restill.training.feed import Feed
from restill.training.run_log import TEACHER, VALIDATION, RunLog


class Validation:
    """Validates the student of a run. Only the student's PSNR can fail the run: the rest is for looking.

    Args:
        method: The method with its networks.
        feed: With ``validate``.
        device: The device of the method.
        log: The log of the run; None in processes that write nothing.
    """

    def __init__(self, method: Method, feed: Feed, device: torch.device, log: RunLog | None) -> None:
        assert feed.validate is not None  # noqa: S101
        self._validate, self._show = feed.validate, feed.show
        self._device, self._log = device, log
        self._teacher_due = method.teacher is not None

    def __call__(self, step: int) -> float:
        """The student's PSNR, dB. It is logged, the first time with the teacher's, and samples are kept."""
        psnr = self._validate(self._device)
        if self._log:
            self._log.write(step, {VALIDATION: psnr, **self._teachers()})
            try:
                self._log.show(step, self._show(self._device) if self._show else [])
            except Exception as error:
                say_once(f"the held-out samples were not kept: {error}")
        return psnr

    def _teachers(self) -> dict[str, float]:
        if not self._teacher_due:
            return {}
        self._teacher_due = False
        try:
            return {TEACHER: self._validate(self._device, teacher=True)}
        except Exception as error:  # a method may use a teacher's features alone, so it need not give pictures
            say_once(f"the teacher's PSNR on the held-out crops is not known: {str(error).splitlines()[0]}")
            return {}
