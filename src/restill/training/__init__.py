"""A student is born: recipe, loop, checkpoint, export."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from restill.training.export import export
    from restill.training.loop import train

__all__ = ["export", "train"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        module = {"export": "restill.training.export", "train": "restill.training.loop"}[name]
        return getattr(import_module(module), name)
    raise AttributeError(f"module 'restill.training' has no attribute '{name}'")
