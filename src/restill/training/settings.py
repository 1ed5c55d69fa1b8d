"""The settings that a resumed run must share with the run that it goes on with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from restill.errors import RestillError

# where a run may differ from its first part: how long, how fast, where, what is written; never what is learned
MAY_DIFFER = {
    *("steps", "threads", "log_every", "save_every", "output", "name", "validation"),
    *("data.workers", "data.cache", "data.root", "data.aligner", "data.damaged", "data.held_out", "data.clips"),
    *("data.never", "data.unpaired.root", "teacher.checkpoint", "student.checkpoint"),
}


def check_same(written: str, settings: Mapping[str, Any], done: int, folder: Path) -> None:
    """A resumed run must ask for what its first part asked for.

    Args:
        written: The first part's settings, as :func:`as_text` made them; empty if it wrote none.
        settings: The present ones, as a recipe has them.
        done: Steps that are done.
        folder: The run's.

    Raises:
        RestillError: Names the settings that differ, or fewer steps are asked for than are done.
    """
    if settings["steps"] < done:
        raise RestillError(
            f"{folder}: {done} steps are done, so a resumed run cannot stop at {settings['steps']}; give more steps, "
            "or start anew with overwrite"
        )
    before, now = _flat(json.loads(written or "{}")), _flat(json.loads(as_text(settings)))
    names = [name for name in sorted(before.keys() | now.keys()) if _must_match(name)] if before else []
    names = [name for name in names if before.get(name) != now.get(name)]
    for cause, effects in (("method", "options."), ("student.", "trained weights")):  # the cause says enough
        if any(name.startswith(cause) for name in names):
            names = [name for name in names if not name.startswith(effects)]
    other = [f"{name} was {before.get(name)!r} and is {now.get(name)!r}" for name in names]
    if other:
        raise RestillError(
            f"{folder}: the run there had other settings: {'; '.join(other)}. To resume give the same; else start anew "
            "with overwrite, or in another folder"
        )


def as_text(settings: Mapping[str, Any]) -> str:
    """Settings as JSON; what JSON has no form for is named by its type."""
    return json.dumps(settings, sort_keys=True, default=_named)


def seed_of(written: str) -> int | None:
    """The seed of written settings, if any were written."""
    return json.loads(written or "{}").get("seed")


def _named(value: Any) -> str:
    return str(value) if isinstance(value, Path) else type(value).__name__


def _must_match(name: str) -> bool:
    return not any(name == free or name.startswith(f"{free}.") for free in MAY_DIFFER)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{name}.")
        elif value not in (None, {}):  # what is left at its default
            flat[f"{prefix}{name}"] = value
    return flat
