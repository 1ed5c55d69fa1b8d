"""Restill: remove rain from video on an ordinary CPU, and train small networks for it by knowledge distillation."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from restill.version import __version__

# Public names and their modules. Each is imported on first use, so that a missing library does not break the others.
_PUBLIC = {
    "RestillError": "restill.errors",
    "restore": "restill.restoring.api",
    "stream": "restill.runtime",
    "load_model": "restill.runtime",
    "load": "restill.training.load",
    "train": "restill.training.experiment",
    "distill": "restill.training.distill",
    "evaluate": "restill.evaluation",
    "compare": "restill.evaluation",
    "export": "restill.training.export",
    "quantize": "restill.training.quantize",
}

__all__ = [
    "RestillError",
    "__version__",
    "compare",
    "distill",
    "evaluate",
    "export",
    "load",
    "load_model",
    "quantize",
    "restore",
    "stream",
    "train",
]

if TYPE_CHECKING:
    from restill.errors import RestillError
    from restill.evaluation import compare, evaluate
    from restill.restoring.api import restore
    from restill.runtime import load_model, stream
    from restill.training.distill import distill
    from restill.training.experiment import train
    from restill.training.export import export
    from restill.training.load import load
    from restill.training.quantize import quantize


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'restill' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
