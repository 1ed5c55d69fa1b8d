"""Small pictures of the frames of items."""

from __future__ import annotations

from pathlib import Path

from restill.restoring import sandbox
from restill.video.limits import USUAL, Limits
from restill.web import work
from restill.web.items import Conflict, Item, Items
from restill.web.on_demand import OnDemand

FOLDER, FIRST = "thumbnails", "000000.jpg"  # the first frame, drawn when an upload is looked at
KEPT = 200  # of each item
STRIP = 160  # pixels of the longer side of a picture in a strip


class Thumbnails:
    """Makes thumbnails when a page asks for them.

    Args:
        items: The items.
        limits: The limits for each.
    """

    def __init__(self, items: Items, limits: Limits = USUAL) -> None:
        self._items, self._limits = items, limits
        self.files = OnDemand(items, FOLDER, KEPT)

    def one(self, item: Item, at: float) -> Path:
        """The frame at a time, to a tenth of a second.

        Raises:
            Conflict: The item is not known yet.
            RestillError: The frame cannot be read.
        """
        tenths = 0 if item.kind == "picture" else round(at * 10)
        return self._get(item, f"{tenths:06d}.jpg", (tenths / 10,), work.THUMBNAIL)

    def strip(self, item: Item, count: int) -> Path:
        """Frames from the whole clip side by side, each from the middle of its part; a picture gives one.

        Raises:
            Conflict: The item is not known yet, or does not say how long it is.
            RestillError: A frame cannot be read.
        """
        if item.kind == "picture":
            return self.one(item, 0.0)
        if item.kind is not None and not item.duration:
            raise Conflict(f"'{item.name}' does not say how long it is")
        times = tuple((number + 0.5) * (item.duration or 0.0) / count for number in range(count))
        return self._get(item, f"strip-{count}.jpg", times, STRIP)

    def _get(self, item: Item, name: str, times: tuple[float, ...], side: int) -> Path:
        if item.kind is None:
            raise Conflict(f"'{item.name}' has no picture: it is {item.state}")
        source = self._items.source(item)

        def make(path: Path) -> None:
            sandbox.run(work.thumbnails, work.Look(source, path, self._limits, times, side), notes=[])

        return self.files.get(item, name, make)
