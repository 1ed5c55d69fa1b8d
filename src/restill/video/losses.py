"""Collect what picture files cannot keep, and warn once per kind of loss."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from restill.video.picture_extras import all_lost
from restill.video.picture_names import listed
from restill.video.ticket import FrameInfo


class Losses:
    """Collects the losses of all pictures, by kind of loss."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, None]] = {}  # an ordered set of names

    def add(self, ticket: FrameInfo, unkept: Iterable[str] | None) -> None:
        """Add the losses of one picture.

        Args:
            ticket: The ticket of the picture.
            unkept: Sentences on what its file could not keep; None for an output that keeps only pixels.
        """
        unkept = all_lost(ticket.extras) if unkept is None else unkept
        for sentence in (*ticket.extras.lost, *unkept):
            self._names.setdefault(sentence, {})[ticket.file or ticket.name] = None

    def say(self) -> None:
        """Warn of each kind of loss, with some picture names and a count."""
        for sentence, names in self._names.items():
            warnings.warn(f"{sentence}: {listed(list(names))}", UserWarning, stacklevel=2)
