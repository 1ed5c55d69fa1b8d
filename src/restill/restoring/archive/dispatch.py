"""Hand the items of an archive to an engine, and record each result.

A long item comes back as shares. They are handed out next, and when the last one is done, the item is joined.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from typing import Any

from restill.progress import say
from restill.restoring.archive.engines import Engine, Work
from restill.restoring.archive.items import Item
from restill.restoring.archive.record import DONE, Record, Result
from restill.restoring.archive.work import begin_item, failure, restore_item, work_on_share


@dataclass(frozen=True)
class Task:
    """A piece of work on an item.

    Attributes:
        item: The item.
        work: What to do.
        more: Further arguments of the work.
        attempt: How often it is tried with this one.
    """

    item: Item
    work: Work
    more: tuple[Any, ...] = ()
    attempt: int = 1


@dataclass
class Divided:
    """A long item.

    Attributes:
        shares: The number of its shares.
        left: How many are not done.
        seconds: The duration of the work so far.
    """

    shares: int
    left: int = field(init=False)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.left = self.shares


class Dispatcher:
    """Works off the items of a record.

    Args:
        engine: What does the work.
        record: Gets the results.
        retries: More attempts at a piece of work after a fault of the machine.
        advance: Called for each item that ends.
        quiet: Do not tell of attempts and shares.
        segments: The number of segments of a share; None never divides an item.
    """

    def __init__(
        self,
        engine: Engine,
        record: Record,
        retries: int,
        advance: Callable[[], object],
        *,
        quiet: bool,
        segments: int | None,
    ) -> None:
        self._engine, self._record, self._retries, self._advance = engine, record, retries, advance
        self._quiet, self._segments = quiet, segments
        self._first: deque[Task] = deque()  # before other items
        self._divided: dict[str, Divided] = {}
        self._running: dict[Future[Any], Task] = {}

    def run(self, items: Iterator[Item]) -> None:
        """Work off all items."""
        while self._fill(items):
            for future in wait(self._running, return_when=FIRST_COMPLETED).done:
                task = self._running.pop(future)
                self._take(task, _outcome(future, task.item))

    def _fill(self, items: Iterator[Item]) -> bool:
        """Begin as much work as there is room for; False if there is none any more."""
        while len(self._running) < self._engine.slots and (task := self._next(items)):
            self._record.begin(task.item.id)
            self._running[self._engine.submit(task.work, task.item, *task.more)] = task
        return bool(self._running)

    def _next(self, items: Iterator[Item]) -> Task | None:
        while self._first:
            task = self._first.popleft()
            if task.work is not work_on_share or task.item.id in self._divided:  # else another share failed
                return task
        item = next(items, None)
        if item is None:
            return None
        return Task(item, restore_item) if self._segments is None else Task(item, begin_item, (self._segments,))

    def _take(self, task: Task, outcome: Result | list[Any]) -> None:
        item = task.item
        if isinstance(outcome, list):
            self._divided[item.id] = Divided(len(outcome))
            self._first.extend(Task(item, work_on_share, (share,)) for share in outcome)
        elif outcome.again and task.attempt <= self._retries:
            say(f"trying '{item.id}' again: {outcome.error}", quiet=self._quiet)
            self._first.append(replace(task, attempt=task.attempt + 1))
        elif task.work is work_on_share and outcome.status == DONE:
            self._share_done(item, outcome)
        elif task.work is not work_on_share or item.id in self._divided:  # else another share failed before
            before = self._divided.pop(item.id, Divided(0)).seconds
            seconds = None if outcome.seconds is None else round(outcome.seconds + before, 3)
            self._record.add(replace(outcome, attempts=task.attempt, seconds=seconds))
            if outcome.error:
                say(f"error: {outcome.error}")
            self._advance()

    def _share_done(self, item: Item, outcome: Result) -> None:
        whole = self._divided.get(item.id)
        if whole is None:  # another share failed
            return
        whole.left -= 1
        whole.seconds += outcome.seconds or 0
        say(f"'{item.id}': {whole.shares - whole.left} of {whole.shares} shares done", quiet=self._quiet)
        if not whole.left:
            self._first.append(Task(item, restore_item))


def _outcome(future: Future[Any], item: Item) -> Result | list[Any]:
    """What the work gave; a failure if its worker died."""
    try:
        return future.result()
    except Exception as error:
        words = " ".join(str(error).split()) or type(error).__name__
        return failure(
            item, f"'{item.source}': the process that restored it died ({words}); is there enough memory?", again=True
        )
