"""Look up classes by name in dicts of ``name -> "module:Class"``. A class is imported when it is looked up."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import Any

from restill.errors import RestillError


def look_up(table: dict[str, str], kind: str, name: str) -> Any:
    """Import the class that a name stands for.

    Args:
        table: ``name -> "module:Class"``.
        kind: What the table holds, in the singular, for the error: "network".
        name: The name.

    Raises:
        RestillError: The name is not in the table.
    """
    if name not in table:
        near = "".join(f"; the nearest is {match}" for match in get_close_matches(name, table, n=1))
        raise RestillError(f"{kind} '{name}' is not known; the {kind}s are: {', '.join(table)}{near}")
    module, _, attribute = table[name].partition(":")
    return getattr(import_module(module), attribute)
