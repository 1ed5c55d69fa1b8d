"""Look at each complete upload in the sandbox process: what it is, or why it cannot be used."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from restill.errors import RestillError, boundary
from restill.restoring import sandbox
from restill.video.limits import USUAL, Limits
from restill.web import thumbnails, work
from restill.web.items import Item, Items
from restill.web.names import for_the_page
from restill.web.unpacking import unpack

WORKERS = 2  # uploads that are looked at at a time


class Checks:
    """Looks at complete uploads, some at a time.

    Args:
        items: The items.
        limits: The limits for each.
    """

    def __init__(self, items: Items, limits: Limits = USUAL) -> None:
        self._items, self._limits = items, limits
        self._pool = ThreadPoolExecutor(WORKERS, "restill-check")

    def begin(self) -> None:
        """Look at those that an earlier server left."""
        for item in self._items.all():
            if item.state == "checking":
                self._pool.submit(self._check, item)

    def add(self, item: Item) -> None:
        """Look at an item."""
        self._items.change(item.id, state="checking")
        self._pool.submit(self._check, item)

    def end(self) -> None:
        """Look at no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _check(self, item: Item) -> None:
        home, source = self._items.home(item.id), self._items.source(item)
        answer = home / "probe.json"
        picture = answer.with_suffix(".jpg")
        try:
            with boundary(f"'{item.name}'"):
                if source.suffix.lower() == ".zip":
                    item, source = self._unpacked(item), home / "source"
                sandbox.run(work.probe, work.Look(source, answer, self._limits), notes=[])
                found = json.loads(answer.read_bytes())
                (home / thumbnails.FOLDER).mkdir(exist_ok=True)
                picture.replace(home / thumbnails.FOLDER / thumbnails.FIRST)
        except RestillError as error:
            self._items.change(item.id, state="failed", message=for_the_page(str(error), home / "source", home))
            return
        finally:
            with suppress(OSError):
                answer.unlink(missing_ok=True)
                picture.unlink(missing_ok=True)
        if found.pop("photographs"):
            self._split(item)
        else:
            self._items.change(item.id, only_if=("checking",), state="ready", **found)

    def _unpacked(self, item: Item) -> Item:
        """Replace an archive by its pictures; returns the item, which is a folder now."""
        home, archive = self._items.home(item.id), self._items.source(item)
        unpacked = home / "unpacked"
        shutil.rmtree(unpacked, ignore_errors=True)
        sandbox.run(unpack, work.Look(archive, unpacked, self._limits), notes=[])
        self._items.change(item.id, source="", name=Path(item.name).stem)
        archive.unlink()
        for file in unpacked.iterdir():
            file.replace(archive.parent / file.name)
        unpacked.rmdir()
        return self._items.get(item.id)

    def _split(self, item: Item) -> None:
        """Make an item of each picture of a folder of photographs."""
        for file in sorted(self._items.source(item).iterdir()):
            one = self._items.add(name=f"{item.name}/{file.name}", task=item.task, source=file.name, state="checking")
            file.replace(self._items.source(one))
            self._check(one)
        self._items.remove(item.id)
