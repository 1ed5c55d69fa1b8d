"""A short queue between two threads whose writer never waits."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Newest(Generic[T]):
    """Keeps the newest items. If it is full, the oldest is dropped.

    Args:
        most: Items to keep.
        on_drop: Called for each dropped item, in the thread of the writer.
    """

    def __init__(self, most: int, on_drop: Callable[[], object]) -> None:
        self._most, self._on_drop = most, on_drop
        self._items: deque[T] = deque()
        self._ready = threading.Condition()
        self._closed = False

    def put(self, item: T) -> None:
        """Add an item."""
        with self._ready:
            full = len(self._items) >= self._most
            if full:
                self._items.popleft()
            self._items.append(item)
            self._ready.notify()
        if full:
            self._on_drop()

    def put_back(self, item: T) -> None:
        """Return the item that was taken last."""
        with self._ready:
            self._items.appendleft(item)

    def keep(self, newest: int) -> int:
        """Drop all but the newest items; return how many were dropped, without a call of ``on_drop``."""
        with self._ready:
            dropped = max(0, len(self._items) - newest)
            for _ in range(dropped):
                self._items.popleft()
            return dropped

    def get(self, until: float = 0.0) -> T | None:
        """Take the oldest item.

        Args:
            until: Wait for one up to this time (:func:`time.monotonic`); 0 does not wait.

        Returns:
            The item; None if there is none.
        """
        with self._ready:
            while not self._items and not self._closed:
                # short waits, so that the main thread notices Ctrl-C on every platform
                left = until - time.monotonic()
                if left <= 0:
                    break
                self._ready.wait(min(left, 0.2))
            return self._items.popleft() if self._items else None

    def close(self) -> None:
        """No more items will come."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    @property
    def ended(self) -> bool:
        """Whether it is closed and empty."""
        return self._closed and not self._items

    def __len__(self) -> int:
        return len(self._items)
