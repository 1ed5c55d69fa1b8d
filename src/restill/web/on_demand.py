"""Small files of an item that are made when a page asks for them: thumbnails, and pieces to watch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from restill.errors import RestillError, boundary
from restill.web.items import Item, Items
from restill.web.names import for_the_page

WORKERS = 2


class OnDemand:
    """Makes files of one kind, each only once, and keeps the newest of each item.

    Args:
        items: The items.
        folder: The folder in the home of an item.
        kept: How many to keep of each item.
    """

    def __init__(self, items: Items, folder: str, kept: int) -> None:
        self._items, self._folder, self._kept = items, folder, kept
        self._pool = ThreadPoolExecutor(WORKERS, f"restill-{folder}")
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str], Future[None]] = {}

    def get(self, item: Item, name: str, make: Callable[[Path], object]) -> Path:
        """The file of a name; waits until it is there.

        Args:
            item: The item.
            name: The name of the file.
            make: Writes the file, in another thread.

        Raises:
            RestillError: It cannot be made.
        """
        path = self._items.home(item.id) / self._folder / name
        if not path.exists():
            with self._lock:
                future = self._made.get((item.id, name))
                if future is None:
                    future = self._made[item.id, name] = self._pool.submit(self._make, path, make)
            try:
                with boundary(f"'{item.name}'"):
                    future.result()
            except RestillError as error:
                home = self._items.home(item.id)
                raise RestillError(for_the_page(str(error), home / "source", home / "result")) from error
            finally:
                with self._lock:
                    self._made.pop((item.id, name), None)
        return self._items.own_file(item, self._folder, name)

    def end(self) -> None:
        """Make no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _make(self, path: Path, make: Callable[[Path], object]) -> None:
        path.parent.mkdir(exist_ok=True)
        unfinished = path.with_name(f".{path.name}")
        try:
            make(unfinished)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        kept = sorted(path.parent.glob("[!.]*"), key=lambda file: file.stat().st_mtime)
        for old in kept[: -self._kept]:
            old.unlink(missing_ok=True)
