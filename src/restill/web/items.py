"""The items of the page: what each is, in which state, and where its files are.

Everything is in one folder:

    token                      the secret of the address
    lock                       one server at a time
    items/ID/item.json         an item
    items/ID/source/           what was uploaded: one file, or the pictures of a folder
    items/ID/result/           the result, and while the job runs its journal
    uploads/ID.part            an upload that is not complete
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from restill.errors import RestillError
from restill.video.disk import write_whole
from restill.web.names import new_id

State = Literal["uploading", "checking", "ready", "waiting", "running", "paused", "done", "failed", "cancelled"]
Task = Literal["derain", "rain"]
FILE = "item.json"


class Rain(BaseModel):
    """Rain to render, as ``restill rain`` takes it."""

    model_config = ConfigDict(extra="forbid")

    strength: Literal["drizzle", "light", "moderate", "heavy", "storm", "curtain", "random"] = "moderate"
    wind: float | None = Field(default=None, ge=-60, le=60)
    seed: int = Field(default=0, ge=0, lt=2**31)


class Settings(BaseModel):
    """How an item is restored.

    Attributes:
        student: A name of ``restill models``; None for the default of the item's kind.
        strength: How much is taken away, 0 to 2.
        quality: "good" encodes as the command line does; "small" makes smaller files, "best" larger ones.
        rain: The rain, for the task "rain".
    """

    model_config = ConfigDict(extra="forbid")

    student: str | None = None
    strength: float = Field(default=1.0, ge=0, le=2)
    quality: Literal["small", "good", "best"] = "good"
    rain: Rain = Rain()


class Result(BaseModel):
    """A finished result: the name under which it is downloaded, and its size in bytes."""

    name: str
    size: int


class Item(BaseModel):
    """One thing that was dropped into the page.

    Attributes:
        frames_done: Frames of the job that are finished.
        fps_now: Frames per second at the moment, while it runs.
        message: Why it failed, in one sentence.
        notes: What the result does not keep, in sentences.
        order: Its place in the queue: the lowest runs first. Not sent to the page.
        group: For the pictures of a folder: the name of the group, and how many pictures it has. Not sent.
        source: The name of the file in ``source/``; empty for a folder of pictures. Not sent.
    """

    id: str
    name: str
    kind: Literal["video", "picture", "frames"] | None = None
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    duration: float | None = None
    fps: float | None = None
    sound: bool = False
    state: State = "uploading"
    task: Task = "derain"
    frames_done: int = 0
    fps_now: float | None = None
    seconds_left: float | None = None
    message: str = ""
    notes: list[str] = []
    settings: Settings = Settings()
    result: Result | None = None
    order: int = 0
    group: str = ""
    group_files: int = 1
    source: str = ""

    def shown(self) -> dict[str, Any]:
        """What the page gets."""
        return self.model_dump(exclude={"order", "group", "group_files", "source"})


class Items:
    """The items of a folder. Safe to use from several threads.

    Args:
        folder: The folder of the server.

    Attributes:
        on_change: Called with the id of each item that has changed or is gone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.on_change: Callable[[str], object] = lambda item: None
        self._lock = threading.RLock()
        self._items: dict[str, Item] = {}
        (folder / "items").mkdir(parents=True, exist_ok=True)
        for path in sorted((folder / "items").glob(f"*/{FILE}"), key=lambda path: path.stat().st_mtime):
            try:
                item = Item.model_validate_json(path.read_bytes())
            except (OSError, ValidationError):  # of another version; it stays on the disk
                continue
            if item.id == path.parent.name:
                self._items[item.id] = item
        for home in (folder / "items").iterdir():
            if not (home / FILE).exists():  # it was being removed
                shutil.rmtree(home, ignore_errors=True)

    def all(self) -> list[Item]:
        """All items, oldest first."""
        with self._lock:
            return list(self._items.values())

    def find(self, item_id: str) -> Item | None:
        """The item of an id."""
        with self._lock:
            return self._items.get(item_id)

    def get(self, item_id: str) -> Item:
        """The item of an id.

        Raises:
            Missing: There is none.
        """
        item = self.find(item_id)
        if item is None:
            raise Missing("there is no such item; it may have been deleted")
        return item

    def add(self, **fields: Any) -> Item:
        """Make a new item."""
        item = Item(id=new_id(), **fields)
        with self._lock:
            (self.home(item.id) / "source").mkdir(parents=True)
            self._items[item.id] = item
            self._save(item)
        self.on_change(item.id)
        return item

    def change(self, item_id: str, *, save: bool = True, only_if: tuple[State, ...] = (), **fields: Any) -> bool:
        """Change fields of an item.

        Args:
            item_id: The item; it may be gone.
            save: Write it to the disk; not needed for the progress.
            only_if: Change it only in one of these states.
            fields: The new values.

        Returns:
            Whether the item was changed.
        """
        with self._lock:
            item = self._items.get(item_id)
            if item is None or (only_if and item.state not in only_if):
                return False
            self._items[item_id] = item = item.model_copy(update=fields)
            if save:
                self._save(item)
        self.on_change(item_id)
        return True

    def remove(self, item_id: str) -> None:
        """Remove an item and all its files."""
        with self._lock:
            self._items.pop(item_id, None)
            home = self.home(item_id)
            if (home / FILE).exists():
                (home / FILE).unlink()  # first, so that half an item never comes back
            shutil.rmtree(home, ignore_errors=True)
        self.on_change(item_id)

    def home(self, item_id: str) -> Path:
        """The folder of an item."""
        return self.folder / "items" / item_id

    def source(self, item: Item) -> Path:
        """The file or folder that was uploaded."""
        return self.home(item.id) / "source" / item.source

    def own_file(self, item: Item, *parts: str) -> Path:
        """A finished file of an item.

        Raises:
            Missing: It does not exist, or it is not a plain file in the item's own folder.
        """
        home = self.home(item.id)
        path = home.joinpath(*parts)
        if path.is_symlink() or not path.is_file() or not path.resolve().is_relative_to(home.resolve()):
            raise Missing("there is no such file")
        return path

    def _save(self, item: Item) -> None:
        write_whole(self.home(item.id) / FILE, item.model_dump_json().encode())


class Missing(RestillError):
    """What was asked for does not exist."""


class Conflict(RestillError):
    """What was asked for is not possible now."""


class TooMuch(RestillError):
    """A limit would be exceeded."""
