"""The settings that must not change when a run is resumed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from restill.errors import RestillError

# What may change: length, speed, paths and logging, but nothing that changes what is learned.
MAY_DIFFER = {
    *("steps", "threads", "log_every", "save_every", "output", "name", "validation"),
    *("data.workers", "data.cache", "data.root", "data.aligner", "data.damaged", "data.held_out", "data.clips"),
    *("data.never", "data.unpaired.root", "data.unlabeled.root", "data.unlabeled.rainy.root"),
    *("teacher.checkpoint", "student.checkpoint"),
}


def check_same(written: str, settings: Mapping[str, Any], done: int, folder: Path) -> None:
    """Check that a resumed run has the settings of its first part.

    Args:
        written: Settings of the first part, from :func:`as_text`; empty if it wrote none.
        settings: The present settings.
        done: Steps done.
        folder: Folder of the run.

    Raises:
        RestillError: Settings differ (the message names them), or fewer steps are asked for than are done.
    """
    if settings["steps"] < done:
        raise RestillError(
            f"{folder}: {done} steps are done, so a resumed run cannot stop at {settings['steps']}; give more steps, "
            "or restart with overwrite"
        )
    before, now = _flat(json.loads(written or "{}")), _flat(json.loads(as_text(settings)))
    names = [name for name in sorted(before.keys() | now.keys()) if _must_match(name)] if before else []
    names = [name for name in names if before.get(name) != now.get(name)]
    for cause, effects in (("method", "options."), ("student.", "trained weights")):  # name only the cause
        if any(name.startswith(cause) for name in names):
            names = [name for name in names if not name.startswith(effects)]
    other = [f"{name} was {before.get(name)!r} and is {now.get(name)!r}" for name in names]
    if other:
        raise RestillError(
            f"{folder}: the run there had other settings: {'; '.join(other)}. To resume, use the same; or restart "
            "with overwrite, or in another folder"
        )


def as_text(settings: Mapping[str, Any]) -> str:
    """Settings as JSON. Values that JSON cannot hold are replaced by the name of their type."""
    return json.dumps(settings, sort_keys=True, default=_named)


def seed_of(written: str) -> int | None:
    """The seed in written settings, or None."""
    return json.loads(written or "{}").get("seed")


def _named(value: Any) -> str:
    return str(value) if isinstance(value, Path) else type(value).__name__


def _must_match(name: str) -> bool:
    return not any(name == free or name.startswith(f"{free}.") for free in MAY_DIFFER)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as a flat dict with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{name}.")
        elif value not in (None, {}):  # skip defaults
            flat[f"{prefix}{name}"] = value
    return flat
