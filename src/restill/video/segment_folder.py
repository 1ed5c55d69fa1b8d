"""The folder that holds the finished segments of an output until the output is complete."""

from __future__ import annotations

import shutil
from pathlib import Path

from restill.video.disk import remove, sync

SEGMENT_SUFFIX = ".part"


class SegmentFolder:
    """A folder of numbered segments. A segment gets its name only when it is complete and on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def segments(self) -> list[Path]:
        """The finished segments in order, up to the first missing one."""
        found: list[Path] = []
        while (segment := self.segment(len(found))).exists():
            found.append(segment)
        return found

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
            if entry.suffix in (SEGMENT_SUFFIX, ".unfinished") and entry.stem.isdigit() and int(entry.stem) >= number:
                remove(entry)

    def joined(self, suffix: str) -> Path:
        """The path of the output while its segments are joined."""
        return self.path / f"output{suffix}"

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)
