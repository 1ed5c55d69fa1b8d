"""Whether other programs keep the machine busy, so that what is timed now says little about another day."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

TIMES = Path("/proc/stat")  # of Linux: what all processors did since the start
OTHERS = 0.1  # share of all processors' time: the machine is busy where other programs take more,
FREE = 0.5  # and where fewer processors than this are free
LOAD = 0.5  # waiting or running programs for each processor, where only their number is known


class Watch:
    """Looks at the machine from when it is made on.

    Example:
        >>> watch = Watch()
        >>> watch.busy() in (True, False)
        True
    """

    def __init__(self) -> None:
        self._load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        self._began = self._now()

    def busy(self) -> bool:
        """Whether other programs took a part of the machine that would have been ours."""
        now, cores = self._now(), os.cpu_count() or 1
        if now is None or self._began is None:
            return self._load > LOAD * cores
        wall, worked, idle, own = (after - before for after, before in zip(now, self._began, strict=True))
        if wall <= 0:
            return False
        return (worked - own) / (wall * cores) > OTHERS and idle / wall < FREE

    @staticmethod
    def _now() -> tuple[float, float, float, float] | None:
        """Seconds: on the clock, that all processors worked, that they were idle, that this process worked."""
        with suppress(OSError, ValueError, IndexError):
            first = TIMES.read_text(encoding="ascii").partition("\n")[0].split()
            ticks = [int(value) / os.sysconf("SC_CLK_TCK") for value in first[1:9]]
            idle = ticks[3] + ticks[4]
            return time.perf_counter(), sum(ticks) - idle, idle, time.process_time()
        return None
