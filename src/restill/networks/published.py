"""How the published checkpoints of a network name its weights."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """From the keys of a published checkpoint to ours; ``restill convert`` applies it and checks that nothing is left.

    Attributes:
        source: Whose checkpoints these are, for ``--help`` and the docs.
        rename: (regular expression, replacement) pairs; :func:`re.sub` with each, in this order, makes our key.
        ignore: Regular expressions, found anywhere in published keys that hold no weights (index tables, counters).
    """

    source: str
    rename: tuple[tuple[str, str], ...]
    ignore: tuple[str, ...] = ()

    def our_key(self, key: str) -> str | None:
        """What we call this published key; None if it holds no weights."""
        if any(re.search(pattern, key) for pattern in self.ignore):
            return None
        for pattern, replacement in self.rename:
            key = re.sub(pattern, replacement, key)
        return key
