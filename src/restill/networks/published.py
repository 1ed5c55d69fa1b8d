"""How the published checkpoints of a network name its weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """From the keys of a published checkpoint to ours; ``restill convert`` applies it and checks that nothing is left.

    Attributes:
        source: Whose checkpoints these are, for ``--help`` and the docs.
        rename: (regular expression, replacement) pairs; :func:`re.sub` with each, in this order, makes our key.
        ignore: Regular expressions of published keys that hold no weights (index tables, counters).
    """

    source: str
    rename: tuple[tuple[str, str], ...]
    ignore: tuple[str, ...] = ()
