"""Reproduce the papers' results tables: the paper's numbers next to ours."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from restill.tables.result import TableResult
    from restill.tables.runner import reproduce

__all__ = ["TableResult", "reproduce"]

_PUBLIC = {"reproduce": "restill.tables.runner", "TableResult": "restill.tables.result"}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'restill.tables' has no attribute '{name}'")
