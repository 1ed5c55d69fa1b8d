"""The queue: one job at a time, in a sandbox process, with the journal that ``restill derain`` has too.

A job that is paused, or that a crash ends, keeps its finished segments and continues after them.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from restill.errors import RestillError, boundary
from restill.restoring import sandbox
from restill.video.journal import is_running, journal_folder
from restill.video.limits import USUAL, Limits
from restill.video.segment_folder import SEGMENT_SUFFIX
from restill.video.segments import segment_frames
from restill.web import jobs
from restill.web.items import Conflict, Item, Items, Result, Settings, Task
from restill.web.names import for_the_page, safe_name

TOLD = 0.3  # seconds between two reports of the progress
WINDOW = 4.0  # seconds over which the speed is measured
RELEASE = 15.0  # seconds until a job of a server that was killed has ended


class Queue:
    """Runs the waiting items one after the other.

    Args:
        items: The items.
        limits: The limits for each.
    """

    def __init__(self, items: Items, limits: Limits = USUAL) -> None:
        self._items, self._limits = items, limits
        self._news = threading.Condition()
        self._ended = False
        self._running: str | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="restill-queue", daemon=True)

    def begin(self) -> None:
        """Start, with what an earlier server left."""
        for item in self._items.all():
            if item.state == "running":
                self._items.change(item.id, state="waiting", order=-1)
        self._thread.start()

    def end(self) -> None:
        """Stop the running job, which continues when the server starts again."""
        with self._news:
            self._ended = True
            self._stop.set()
            self._news.notify()
        if self._thread.is_alive():
            self._thread.join(sandbox.GRACE + 5)

    def start(self, item: Item, settings: Settings, task: Task) -> None:
        """Put an item at the end of the queue.

        Raises:
            Conflict: It is not ready, or in the queue already.
        """
        if item.state == "done":
            self._clean(item.id)
        order = 1 + max((other.order for other in self._items.all()), default=0)
        fields = {"settings": settings, "task": task, "order": order, "message": "", "result": None, "notes": []}
        changed = self._items.change(
            item.id, only_if=("ready", "done", "failed", "cancelled"), state="waiting", frames_done=0, **fields
        )
        if not changed or item.kind is None:
            raise Conflict(f"'{item.name}' cannot be started: it is {item.state}")
        self._wake()

    def pause(self, item: Item) -> None:
        """Stop an item, or keep it from starting, until :meth:`resume`.

        Raises:
            Conflict: It neither waits nor runs.
        """
        self._leave(item, "paused")

    def cancel(self, item: Item) -> None:
        """Stop an item and forget what is done of it.

        Raises:
            Conflict: It is not in the queue.
        """
        self._leave(item, "cancelled")

    def resume(self, item: Item) -> None:
        """Let a paused item go on.

        Raises:
            Conflict: It is not paused.
        """
        if not self._items.change(item.id, only_if=("paused",), state="waiting"):
            raise Conflict(f"'{item.name}' cannot be resumed: it is {item.state}")
        self._wake()

    def forget(self, item: Item) -> None:
        """Stop an item that is to be deleted, and wait until its process has ended."""
        with self._news:
            if self._running == item.id:
                self._stop.set()
                self._news.wait_for(lambda: self._running != item.id, sandbox.GRACE + 5)

    def _leave(self, item: Item, state: str) -> None:
        with self._news:
            allowed = ("waiting", "running") if state == "paused" else ("waiting", "running", "paused")
            left = {"state": state, "fps_now": None, "seconds_left": None}
            if not self._items.change(item.id, only_if=allowed, **left):
                raise Conflict(f"'{item.name}' is not in the queue: it is {item.state}")
            if self._running == item.id:
                self._stop.set()
            elif state == "cancelled":
                self._clean(item.id)

    def _wake(self) -> None:
        with self._news:
            self._news.notify()

    def _next(self) -> Item | None:
        waiting = [item for item in self._items.all() if item.state == "waiting"]
        return min(waiting, key=lambda item: item.order, default=None)

    def _work(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._ended or self._next() is not None)
                if self._ended:
                    return
                item = self._next()
                assert item is not None  # noqa: S101
                self._running = item.id
                self._stop.clear()
                self._items.change(item.id, only_if=("waiting",), state="running")
            try:
                self._run(item)
            finally:
                with self._news:
                    self._running = None
                    self._news.notify_all()

    def _run(self, item: Item) -> None:
        home, notes = self._items.home(item.id), []
        try:
            with boundary(f"'{item.name}'"):
                job = jobs.job(self._items, item, self._limits)
                _wait_for_release(job.dst)
                progress = _Progress(self._items, item, _done_before(job.dst, item))
                if not job.dst.exists() or journal_folder(job.dst).exists():  # otherwise it is complete already
                    sandbox.run(job.work, job.request, progress.step, stop=self._stop, notes=notes)
                result = _packed(job.dst, item)
        except sandbox.Stopped:
            now = self._items.find(item.id)
            if now is not None and now.state == "cancelled":
                self._clean(item.id)
        except RestillError as error:
            self._end(item, state="failed", message=for_the_page(str(error), home / "source", home / "result"))
        else:
            notes = [for_the_page(note, home / "source", home / "result") for note in notes]
            self._end(item, state="done", result=result, notes=notes, frames_done=item.frames or progress.done)

    def _end(self, item: Item, **fields: Any) -> None:
        self._items.change(item.id, only_if=("running",), fps_now=None, seconds_left=None, **fields)

    def _clean(self, item_id: str) -> None:
        """Remove the result of an item, and what is done of it."""
        shutil.rmtree(self._items.home(item_id) / "result", ignore_errors=True)


class _Progress:
    """Counts the frames of a job, and tells of them now and then."""

    def __init__(self, items: Items, item: Item, done: int) -> None:
        self._items, self._item, self.done = items, item, done
        self._told = 0.0
        self._times: deque[tuple[float, int]] = deque()
        items.change(item.id, save=False, frames_done=done)

    def step(self) -> None:
        """Count one frame."""
        self.done += 1
        now = time.monotonic()
        if now - self._told < TOLD:
            return
        self._told = now
        self._times.append((now, self.done))
        while len(self._times) > 2 and now - self._times[0][0] > WINDOW:
            self._times.popleft()
        since, before = self._times[0]
        shown: dict[str, Any] = {"frames_done": self.done}
        if self.done > before:
            shown["fps_now"] = round((self.done - before) / (now - since), 2)
            if self._item.frames:
                shown["seconds_left"] = max(0, self._item.frames - self.done) / shown["fps_now"]
        self._items.change(self._item.id, save=False, only_if=("running",), **shown)


def _packed(target: Path, item: Item) -> Result:
    """The result of an item to download: the file, or one archive of the frames of a folder."""
    if target.is_dir():
        archive = target.with_name(f"{safe_name(item.name)}.{jobs.WORDS[item.task]}.zip")
        unfinished = archive.with_suffix(".unfinished")
        with ZipFile(unfinished, "w") as file:
            for frame in sorted(target.iterdir()):
                file.write(frame, frame.name)
        unfinished.replace(archive)
        shutil.rmtree(target)
        target = archive
    return Result(name=target.name, size=target.stat().st_size)


def _done_before(target: Path, item: Item) -> int:
    """The frames that the journal of a result holds."""
    parts = sum(path.suffix == SEGMENT_SUFFIX for path in journal_folder(target).glob("*"))
    return sum(segment_frames(item.height or 1, item.width or 1, number) for number in range(parts))


def _wait_for_release(target: Path) -> None:
    """Wait until the job of a server that was killed has noticed it."""
    until = time.monotonic() + RELEASE
    while journal_folder(target).is_dir() and is_running(journal_folder(target)) and time.monotonic() < until:
        time.sleep(0.1)
