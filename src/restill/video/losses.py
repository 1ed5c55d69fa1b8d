"""What the results of pictures do not keep, said once for all pictures of a job."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from restill.video.picture_extras import all_lost
from restill.video.picture_names import listed
from restill.video.ticket import FrameInfo


class Losses:
    """Collects what was lost of each picture; :meth:`say` names it, with some names and a count."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, None]] = {}  # a name once, in order

    def add(self, ticket: FrameInfo, unkept: Iterable[str] | None) -> None:
        """Of one picture.

        Args:
            ticket: The picture's.
            unkept: Sentences on what its file could not keep; None for an output that keeps nothing beside pixels.
        """
        unkept = all_lost(ticket.extras) if unkept is None else unkept
        for sentence in (*ticket.extras.lost, *unkept):
            self._names.setdefault(sentence, {})[ticket.file or ticket.name] = None

    def say(self) -> None:
        """Warn of each kind of loss."""
        for sentence, names in self._names.items():
            warnings.warn(f"{sentence}: {listed(list(names))}", UserWarning, stacklevel=2)
