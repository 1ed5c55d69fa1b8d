"""The clock of a camera, on the clock of this machine and on that of the output."""

from __future__ import annotations

LEAK = 2e-4  # seconds per second by which a camera's clock may be slower than this machine's, without looking late
AHEAD = 10.0  # seconds: a frame that is due later than this shows that the camera's clock was set


class Times:
    """Says when the frames of a camera are due, and their times in the output.

    A frame is due when it would have come with the least delay that was seen: the camera's clock has an unknown offset
    from this machine's, and the frame that came fastest shows the best guess of it. A frame that comes later has waited
    on the way. All times are in seconds; ``now`` is :func:`time.monotonic`.

    Args:
        now: The start of the output.

    Attributes:
        paced: Frames are taken when they are due, not when they come: for files and recordings.
        shift: Seconds to add to the camera's times to get those of the output; None before the first frame.
    """

    def __init__(self, now: float) -> None:
        self.paced = False
        self.shift: float | None = None
        self._began = now
        self._base = 0.0  # when the camera's time 0 is due
        self._latest = 0.0  # of the output
        self._last = now
        self._resets = 0

    def restart(self) -> None:
        """The camera's clock begins anew with the next frame."""
        self.shift = None

    def arrive(self, time: float, now: float, resets: int = 0) -> bool:
        """Note that the camera's next packet came.

        Args:
            time: Its time. Where the camera's clock was reset, it goes on about where it was.
            now: When it came.
            resets: How often the clock was reset so far. The offset is then measured anew, because the time that was
                lost between two packets would make every frame look late from then on.

        Returns:
            Whether the camera's clock begins anew with it.
        """
        passed, self._last = now - self._last, now
        anew = self.shift is None or time + self._base - now > AHEAD
        reset, self._resets = resets != self._resets, resets
        if anew:
            self._base = now - time
            self.shift = max(now - self._began, self._latest) - time
        elif not self.paced:
            self._base = now - time if reset else min(self._base + LEAK * passed, now - time)
        return anew

    def due(self, time: float) -> float:
        """When a frame is due, on the clock of this machine."""
        return time + self._base

    def out(self, time: float) -> float:
        """The time of a frame in the output, which begins at 0."""
        found = time + (self.shift or 0.0)
        self._latest = max(self._latest, found)
        return found
