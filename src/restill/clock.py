"""A clock that measures the time of each stage (decode, network, encode) for ``restill bench``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

T = TypeVar("T")
_END = object()
_NOTHING = nullcontext()


class Clock:
    """Adds up wall time by stage. Use a clock in one thread only, and do not nest stages.

    Attributes:
        seconds: Seconds by the name of the stage, summed over all frames.

    >>> clock = Clock()
    >>> with clock("network"):
    ...     answer = 6 * 7
    >>> list(clock.over("decode", "ab")), sorted(clock.seconds)
    (['a', 'b'], ['decode', 'network'])
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, stage: str) -> AbstractContextManager[None]:
        """Count the time inside the context for this stage."""
        return self._timed(stage)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - began

    def over(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """Yield the items, and count the time to get each of them for this stage."""
        source = iter(items)
        while True:
            with self(stage):
                item = next(source, _END)
            if item is _END:
                return
            yield item  # type: ignore[misc]


class _NoClock(Clock):
    """A clock that measures nothing."""

    def __call__(self, stage: str) -> AbstractContextManager[None]:
        return _NOTHING

    def over(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        return iter(items)


NO_CLOCK = _NoClock()
