"""Options that make each network small enough for the fast tests; every network of NETWORKS has a line here."""

from __future__ import annotations

from typing import Any

SMALL: dict[str, dict[str, Any]] = {
    "prednet-teacher": {"channels": 8},
    "prednet-student1": {"channels": 8},
    "prednet-student2": {"channels": 8},
    "prednet-student3": {"channels": 8},
    "rill-s": {"channels": 8},
    "rill-l": {"channels": 8},
}
