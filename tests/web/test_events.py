"""Server-sent events: all items first, then what changes."""

from __future__ import annotations

import asyncio
import json

import pytest

from restill.web.events import Events
from restill.web.items import Items


def data(event: str) -> dict:
    kind, line = event.strip().split("\n")
    assert kind == "event: items"
    return json.loads(line.removeprefix("data: "))


def test_a_page_hears_of_every_change(tmp_path):
    async def watch() -> None:
        items = Items(tmp_path)
        kept, removed = items.add(name="a"), items.add(name="b")
        events = Events(items)
        events.begin()
        stream = events.stream()
        first = data(await anext(stream))
        assert [item["name"] for item in first["items"]] == ["a", "b"]
        assert first["gone"] == []
        assert "source" not in first["items"][0]
        await asyncio.to_thread(items.change, kept.id, state="checking")
        await asyncio.to_thread(items.remove, removed.id)
        second = data(await anext(stream))
        assert [(item["id"], item["state"]) for item in second["items"]] == [(kept.id, "checking")]
        assert second["gone"] == [removed.id]
        events.end()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    asyncio.run(watch())


def test_state_survives_and_half_an_item_does_not(tmp_path):
    items = Items(tmp_path)
    item = items.add(name="a")
    items.change(item.id, state="ready", frames=7)
    broken = items.add(name="b")
    (items.home(broken.id) / "item.json").write_text("{")
    again = Items(tmp_path)
    assert [(one.id, one.state, one.frames) for one in again.all()] == [(item.id, "ready", 7)]
