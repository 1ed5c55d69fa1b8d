"""Small pictures of the frames of items."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from restill.errors import RestillError
from restill.restoring import sandbox
from restill.video.limits import USUAL, Limits
from restill.web import work
from restill.web.items import Conflict, Item, Items
from restill.web.names import for_the_page

KEPT = 200  # of each item
WORKERS = 2


class Thumbnails:
    """Makes thumbnails when they are asked for, and keeps some.

    Args:
        items: The items.
        limits: The limits for each.
    """

    def __init__(self, items: Items, limits: Limits = USUAL) -> None:
        self._items, self._limits = items, limits
        self._pool = ThreadPoolExecutor(WORKERS, "restill-thumbnail")
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str], Future[None]] = {}

    def get(self, item: Item, at: float) -> Path:
        """The thumbnail of the frame at a time; waits until it is there.

        Raises:
            Conflict: The item is not known yet.
            RestillError: The frame cannot be read.
        """
        if item.kind is None:
            raise Conflict(f"'{item.name}' has no picture: it is {item.state}")
        at = 0.0 if item.kind == "picture" else round(at, 1)
        name = f"{round(at * 10):06d}.jpg"
        path = self._items.home(item.id) / "thumbnails" / name
        if not path.exists():
            with self._lock:
                future = self._made.get((item.id, name))
                if future is None:
                    future = self._made[item.id, name] = self._pool.submit(self._make, item, at, path)
            try:
                future.result()
            finally:
                with self._lock:
                    self._made.pop((item.id, name), None)
        return self._items.own_file(item, "thumbnails", name)

    def end(self) -> None:
        """Make no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _make(self, item: Item, at: float, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        unfinished = path.with_name(f"unfinished-{path.name}")
        source = self._items.source(item)
        try:
            sandbox.run(work.thumbnail, work.Look(source, unfinished, self._limits, at))
        except RestillError as error:
            raise RestillError(for_the_page(str(error), source.parent)) from error
        unfinished.replace(path)
        kept = sorted(path.parent.glob("0*.jpg"), key=lambda file: file.stat().st_mtime)
        for old in kept[:-KEPT]:
            old.unlink(missing_ok=True)
