"""Evaluation: metrics, protocols, and the scores of a model on a data set."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from restill.evaluation.evaluator import evaluate
    from restill.evaluation.pages.compare import Comparison, compare
    from restill.evaluation.report import Report
    from restill.evaluation.scores import Scores, score

__all__ = ["Comparison", "Report", "Scores", "compare", "evaluate", "score"]

_PUBLIC = {
    "evaluate": "restill.evaluation.evaluator",
    "score": "restill.evaluation.scores",
    "compare": "restill.evaluation.pages.compare",
    "Comparison": "restill.evaluation.pages.compare",
    "Report": "restill.evaluation.report",
    "Scores": "restill.evaluation.scores",
}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'restill.evaluation' has no attribute '{name}'")
