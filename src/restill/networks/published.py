"""The names of weights in published checkpoints."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """Maps the keys of a published checkpoint to ours; ``restill convert`` checks that every key matches.

    Attributes:
        source: Origin of the checkpoints, for ``--help`` and the docs.
        rename: (regular expression, replacement) pairs; :func:`re.sub` with each, in this order, gives our key.
        ignore: Regular expressions that match anywhere in keys without weights (index tables, counters).
    """

    source: str
    rename: tuple[tuple[str, str], ...]
    ignore: tuple[str, ...] = ()

    def our_key(self, key: str) -> str | None:
        """Our key for a published one; None if it has no weights."""
        if any(re.search(pattern, key) for pattern in self.ignore):
            return None
        for pattern, replacement in self.rename:
            key = re.sub(pattern, replacement, key)
        return key
