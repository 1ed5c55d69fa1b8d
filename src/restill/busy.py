"""Detect whether other programs use the machine, which makes timings unreliable."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

TIMES = Path("/proc/stat")  # Linux: how all processors spent their time since the start
# The machine is busy if other programs take more than this share of all processors' time ...
OTHERS = 0.1
FREE = 0.5  # ... and fewer processors than this are free.
LOAD = 0.5  # Without /proc/stat: if more programs than this run or wait for each processor.


class Watch:
    """Watches the load of the machine from its creation on.

    Example:
        >>> watch = Watch()
        >>> watch.busy() in (True, False)
        True
    """

    def __init__(self) -> None:
        self._load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        self._began = self._now()

    def busy(self) -> bool:
        """Whether other programs took processor time that this process could have used."""
        now, cores = self._now(), os.cpu_count() or 1
        if now is None or self._began is None:
            return self._load > LOAD * cores
        wall, worked, idle, own = (after - before for after, before in zip(now, self._began, strict=True))
        if wall <= 0:
            return False
        return (worked - own) / (wall * cores) > OTHERS and idle / wall < FREE

    @staticmethod
    def _now() -> tuple[float, float, float, float] | None:
        """Wall time, busy and idle time of all processors, and processor time of this process; in seconds."""
        with suppress(OSError, ValueError, IndexError):
            first = TIMES.read_text(encoding="ascii").partition("\n")[0].split()
            ticks = [int(value) / os.sysconf("SC_CLK_TCK") for value in first[1:9]]
            idle = ticks[3] + ticks[4]
            return time.perf_counter(), sum(ticks) - idle, idle, time.process_time()
        return None
