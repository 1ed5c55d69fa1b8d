"""The folder that holds the finished segments of an output until the output is complete."""

from __future__ import annotations

import shutil
from itertools import takewhile
from pathlib import Path

from restill.video.disk import remove, sync

SEGMENT_SUFFIX = ".part"
ALL = range(10**6)


class SegmentFolder:
    """A folder of numbered segments. A segment gets its name only when it is complete and on the disk.

    Args:
        path: The folder.
        numbers: The numbers of the segments to read and write: all, or those of a share of a job, if several processes
            work on one output.
    """

    def __init__(self, path: Path, numbers: range = ALL) -> None:
        self.path, self.numbers = path, numbers

    @property
    def is_share(self) -> bool:
        """Whether these are only some of the segments of the output."""
        return self.numbers != ALL

    @property
    def segments(self) -> list[Path]:
        """The finished segments in order, up to the first missing one."""
        found = map(self.segment, self.numbers)
        return list(takewhile(Path.exists, found))

    @property
    def next(self) -> int:
        """The number of the first segment that is missing."""
        return self.numbers.start + len(self.segments)

    def segment(self, number: int) -> Path:
        """The path of a finished segment."""
        return self.path / f"{number:06d}{SEGMENT_SUFFIX}"

    def unfinished(self, number: int) -> Path:
        """The path of a segment while it is written."""
        return self.path / f"{number:06d}.unfinished"

    def finish_segment(self, number: int) -> None:
        """Mark an unfinished segment as finished. Its data must be on the disk."""
        self.unfinished(number).replace(self.segment(number))
        sync(self.path)

    def remove_from(self, number: int) -> None:
        """Remove this segment and all later ones."""
        for entry in self.path.iterdir():
            is_segment = entry.suffix in (SEGMENT_SUFFIX, ".unfinished") and entry.stem.isdigit()
            if is_segment and number <= int(entry.stem) < self.numbers.stop:
                remove(entry)

    def joined(self, suffix: str) -> Path:
        """The path of the output while its segments are joined."""
        return self.path / f"output{suffix}"

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)
