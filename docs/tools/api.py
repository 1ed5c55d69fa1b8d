"""The page of the public names of ``restill``, from their docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from docs.tools.text import docstring

import restill

INTRODUCTION = """# The Python interface

These are all public names of the package. A name loads its libraries when you first use it. What trains, distills,
evaluates, exports and loads into PyTorch needs the extra `train`: `pip install 'restill[train]'`.
"""


def page() -> str:
    """The page, as Markdown."""
    lines = [INTRODUCTION]
    for name in sorted(set(restill.__all__) - {"__version__"}, key=str.lower):
        found = getattr(restill, name)
        lines += [f"## `restill.{name}`", ""]
        if not inspect.isclass(found):
            lines += ["```python", *_signature(name, found), "```", ""]
        lines += docstring(inspect.getdoc(found) or "")
    return "\n".join(lines)


def _signature(name: str, function: Callable[..., Any]) -> list[str]:
    """A line for each parameter. The package's annotations are text, which is shown as it is written."""
    signature = inspect.signature(function)
    lines, keywords = [], False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not keywords:
            lines, keywords = [*lines, "    *,"], True
        stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
        default = "" if parameter.default is parameter.empty else f" = {_value(parameter.default)}"
        lines.append(f"    {stars}{parameter.name}: {parameter.annotation}{default},")
    return [f"restill.{name}(", *lines, f") -> {signature.return_annotation}"]


def _value(default: Any) -> str:
    """A default as one would write it."""
    text = repr(default)
    return text if len(text) < 40 and "<" not in text else "..."
