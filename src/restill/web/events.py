"""Server-sent events: which items have changed, to every open page."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

from restill.web.items import Items

PAUSE = 0.2  # seconds between two events of a page
SILENCE = 15.0  # seconds after which a comment keeps the connection


class Events:
    """Tells every open page of changed items. A page that is slow gets several changes at once.

    Args:
        items: The items.
    """

    def __init__(self, items: Items) -> None:
        self._items = items
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pages: dict[asyncio.Event, set[str]] = {}
        self._ended = False

    def begin(self) -> None:
        """Watch the items; called in the server's loop."""
        self._loop = asyncio.get_running_loop()
        self._items.on_change = self.tell

    def tell(self, item_id: str) -> None:
        """Note that an item has changed; from any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: the server ends
                self._loop.call_soon_threadsafe(self._mark, item_id)

    def end(self) -> None:
        """End the streams of all pages."""
        self._ended = True
        for news in self._pages:
            news.set()

    async def stream(self) -> AsyncIterator[str]:
        """The events of one page: first all items, then those that change."""
        news, changed = asyncio.Event(), {item.id for item in self._items.all()}
        self._pages[news] = changed
        news.set()
        try:
            while not self._ended:
                try:
                    await asyncio.wait_for(news.wait(), SILENCE)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                news.clear()
                event = self._event(changed)
                changed.clear()  # before the event is sent, which takes a while
                yield event
                await asyncio.sleep(PAUSE)
        finally:
            del self._pages[news]

    def _event(self, changed: set[str]) -> str:
        there = [item for item in self._items.all() if item.id in changed]
        gone = sorted(changed - {item.id for item in there})
        data = json.dumps({"items": [item.shown() for item in there], "gone": gone})
        return f"event: items\ndata: {data}\n\n"

    def _mark(self, item_id: str) -> None:
        for news, changed in self._pages.items():
            changed.add(item_id)
            news.set()
