"""Where the time of a frame goes: a clock that the stream, the decoder and the encoder take, for ``restill bench``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

T = TypeVar("T")
_END = object()
_NOTHING = nullcontext()


class Clock:
    """Adds up wall time by stage. A clock belongs to one thread; stages do not nest.

    Attributes:
        seconds: By the stage's name, summed over all frames.

    >>> clock = Clock()
    >>> with clock("network"):
    ...     answer = 6 * 7
    >>> list(clock.over("decode", "ab")), sorted(clock.seconds)
    (['a', 'b'], ['decode', 'network'])
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, stage: str) -> AbstractContextManager[None]:
        """What happens inside counts for this stage."""
        return self._timed(stage)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - began

    def over(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """The same items; the time it takes to get each of them counts for this stage."""
        source = iter(items)
        while True:
            with self(stage):
                item = next(source, _END)
            if item is _END:
                return
            yield item  # type: ignore[misc]


class _NoClock(Clock):
    """Measures nothing and costs nothing."""

    def __call__(self, stage: str) -> AbstractContextManager[None]:
        return _NOTHING

    def over(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        return iter(items)


NO_CLOCK = _NoClock()
