"""A recipe that is run in a moment, and recipes as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

FIRST = {
    "name": "first",
    "steps": 2,
    "batch": 1,
    "threads": 1,
    "student": {"network": "rill-s", "options": {"channels": 8}},
    "data": {"root": "data/clips", "crop": 32, "centres": 1, "workers": 0},
}


def write_recipes(folder: Path, recipes: dict[str, dict[str, Any]]) -> None:
    """``recipes/NAME.yaml`` in the folder for each; ``tables/NAME`` for a table."""
    for name, fields in recipes.items():
        path = folder / "recipes" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(fields))
