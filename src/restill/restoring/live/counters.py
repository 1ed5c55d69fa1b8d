"""What ``restill live`` counts, and the lines that show it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import numpy as np

from restill.progress import count

NUMBERS = ("frames_in", "frames_out", "left_out", "dropped", "reconnects", "target_reconnects")
_MS = 60_000  # the longest delay that is told apart, milliseconds


class Delays:
    """Counts delays by the millisecond, so that any number of them takes the same memory.

    Attributes:
        worst: The longest, seconds; 0 if there is none.
    """

    def __init__(self) -> None:
        self._counts, self._all, self.worst = np.zeros(_MS + 1, np.int64), 0, 0.0

    def add(self, seconds: float) -> None:
        """Count a delay."""
        self._counts[min(_MS, max(0, round(1000 * seconds)))] += 1
        self._all += 1
        self.worst = max(self.worst, seconds)

    @property
    def median(self) -> float:
        """The median, seconds; 0 if there is none."""
        return int(np.searchsorted(np.cumsum(self._counts), self._all // 2, side="right")) / 1000 if self._all else 0.0


@dataclass(frozen=True)
class Summary:
    """What a run did. Every frame that came in is out, left out, or dropped.

    Attributes:
        frames_in: Frames that the camera sent.
        frames_out: Frames that were written.
        left_out: Frames that --fps leaves out.
        dropped: Frames that came too late.
        reconnects: Times that the camera was away and came back.
        target_reconnects: Times that the target was away and came back.
        median: Median delay of the frames that were written, seconds.
        worst: The longest of them.
        seconds: Length of the run.
    """

    frames_in: int
    frames_out: int
    left_out: int
    dropped: int
    reconnects: int
    target_reconnects: int
    median: float
    worst: float
    seconds: float

    def __str__(self) -> str:
        left = f", {self.left_out} left out for --fps" if self.left_out else ""
        target = f", {self.target_reconnects} of the target" if self.target_reconnects else ""
        return (
            f"{count(self.frames_in, 'frame')} in, {self.frames_out} out, {self.dropped} dropped{left}; "
            f"{count(self.reconnects, 'reconnect')}{target}; delay {self.median:.2f} s (median), {self.worst:.2f} s "
            f"(worst); {self.seconds:.0f} s"
        )


class Counters:
    """Counts frames and delays; for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = self._shown = time.monotonic()
        self._numbers: dict[str, int] = dict.fromkeys(NUMBERS, 0)
        self._before = dict(self._numbers)
        self._delays, self._recent, self._last = Delays(), Delays(), 0.0

    def begin(self) -> None:
        """Count the seconds from now on."""
        with self._lock:
            self._began = self._shown = time.monotonic()

    def add(self, name: str, number: int = 1) -> None:
        """Add to one of the numbers of :class:`Summary`."""
        with self._lock:
            self._numbers[name] += number

    def written(self, delay: float) -> None:
        """Count a frame that was written, with its delay in seconds."""
        with self._lock:
            self._numbers["frames_out"] += 1
            self._delays.add(delay)
            self._recent.add(delay)
            self._last = delay

    def summary(self) -> Summary:
        """The numbers up to now."""
        with self._lock:
            seconds = time.monotonic() - self._began
            return Summary(**self._numbers, median=self._delays.median, worst=self._delays.worst, seconds=seconds)

    def numbers(self) -> dict[str, float]:
        """The numbers up to now by name, and "delay", that of the last frame in seconds."""
        with self._lock:
            return {**self._numbers, "delay": self._last}

    def status(self) -> str:
        """A line about the time since the last such line."""
        with self._lock:
            now, recent = time.monotonic(), self._recent
            passed = max(now - self._shown, 1e-3)
            new = {name: number - self._before[name] for name, number in self._numbers.items()}
            self._before, self._shown, self._recent = dict(self._numbers), now, Delays()
            numbers = self._numbers
        return (
            f"{new['frames_in'] / passed:.1f} fps in, {new['frames_out'] / passed:.1f} out; delay {recent.median:.2f} "
            f"s, at worst {recent.worst:.2f} s; dropped {new['dropped']} (all: {numbers['dropped']}); "
            f"reconnects {numbers['reconnects']}"
        )
