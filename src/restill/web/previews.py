"""Previews: a moment of an item as its job would make it, before above after, while the queue goes on."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from restill.errors import RestillError, boundary
from restill.restoring import sandbox
from restill.video.limits import USUAL, Limits
from restill.video.moment import Moment
from restill.web import jobs
from restill.web.items import Conflict, Item, Items, Missing, Settings, Task
from restill.web.names import for_the_page, new_id

KEPT = 6  # previews of each item
FOLDER = "previews"


@dataclass
class Preview:
    """One preview.

    Attributes:
        id: A random id.
        item: The id of its item.
        name: The name of its file.
        frames: Its frames; those so far while it runs.
        stop: Ends it when set.
    """

    id: str
    item: str
    name: str
    fps: float | None
    width: int | None
    height: int | None
    state: Literal["running", "done", "failed"] = "running"
    message: str = ""
    frames: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def shown(self) -> dict[str, Any]:
        """What the page gets."""
        names = ("id", "item", "state", "message", "frames", "fps", "width", "height")
        address = f"/api/previews/{self.id}/{self.name}" if self.state == "done" else None
        picture = self.name.endswith(".jpg")
        more = {"video": None if picture else address, "image": address if picture else None}
        return {name: getattr(self, name) for name in names} | more


class Previews:
    """Makes previews, one at a time. A new one of an item ends the one that is being made.

    Args:
        items: The items.
        limits: The limits for each.
    """

    def __init__(self, items: Items, limits: Limits = USUAL) -> None:
        self._items, self._limits = items, limits
        self._made: dict[str, Preview] = {}
        self._pool = ThreadPoolExecutor(1, "restill-preview")
        for item in items.all():
            shutil.rmtree(items.home(item.id) / FOLDER, ignore_errors=True)  # of an earlier server

    def make(self, item: Item, settings: Settings, task: Task, at: float, seconds: float) -> Preview:
        """Begin a preview.

        Raises:
            Conflict: The item is not known yet.
        """
        if item.kind is None:
            raise Conflict(f"'{item.name}' has no preview: it is {item.state}")
        still = item.kind == "picture"
        name = "preview.jpg" if still else "preview.mp4"
        made = Preview(new_id(), item.id, name, item.fps, item.width, item.height)
        older = [other for other in self._made.values() if other.item == item.id]
        for other in older:
            other.stop.set()
        for other in older[: max(0, len(older) + 1 - KEPT)]:
            del self._made[other.id]
            shutil.rmtree(self._home(other), ignore_errors=True)
        self._made[made.id] = made
        self._pool.submit(self._make, made, item, settings, task, None if still else Moment(at, seconds))
        return made

    def get(self, preview_id: str) -> Preview:
        """The preview of an id.

        Raises:
            Missing: There is none.
        """
        made = self._made.get(preview_id)
        if made is None or self._items.find(made.item) is None:
            raise Missing("there is no such preview; make it again")
        return made

    def file(self, preview_id: str, name: str) -> Path:
        """The file of a finished preview.

        Raises:
            Missing: There is none.
        """
        made = self.get(preview_id)
        if made.state != "done" or name != made.name:
            raise Missing("there is no such file")
        return self._items.own_file(self._items.get(made.item), FOLDER, made.id, made.name)

    def forget(self, item_id: str) -> None:
        """End and forget the previews of an item that is deleted."""
        for made in [made for made in self._made.values() if made.item == item_id]:
            made.stop.set()
            self._made.pop(made.id, None)

    def end(self) -> None:
        """End all that are being made."""
        for made in list(self._made.values()):
            made.stop.set()
        self._pool.shutdown(cancel_futures=True)

    def _make(self, made: Preview, item: Item, settings: Settings, task: Task, moment: Moment | None) -> None:
        home, source = self._home(made), self._items.source(item)

        def step() -> None:
            made.frames += 1

        try:
            if made.stop.is_set():
                raise sandbox.Stopped("another preview was asked for")
            with boundary(f"'{item.name}'"):
                home.mkdir(parents=True)
                asked = jobs.preview(source, home / made.name, settings, task, moment, self._limits)
                made.frames = sandbox.run(asked.work, asked.request, step, stop=made.stop, notes=[]).frames
            made.state = "done"
        except RestillError as error:
            made.message = for_the_page(str(error), source.parent, home)
            made.state = "failed"

    def _home(self, made: Preview) -> Path:
        return self._items.home(made.item) / FOLDER / made.id
