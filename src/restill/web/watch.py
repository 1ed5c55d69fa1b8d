"""What a page shows beside the progress: pieces of a result, each with the same frames of the source above it.

While a job runs, the pieces are the finished segments in its journal. Of a complete result they are some seconds each.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import av

from restill.errors import RestillError
from restill.restoring import sandbox
from restill.video.journal import journal_folder
from restill.video.limits import USUAL, Limits
from restill.video.moment import Moment
from restill.video.segment_folder import SegmentFolder
from restill.video.segments import read_segment, segment_frames
from restill.web import jobs
from restill.web.items import Item, Items, Missing
from restill.web.on_demand import OnDemand
from restill.web.pieces import Piece, piece

SECONDS = 4  # of a piece of a complete result
KEPT = 12  # pieces of each item
_NAME = re.compile(r"(part|done)-(\d{1,6})\.(?:mp4|jpg)")


class Watch:
    """Lists and makes the pieces of items.

    Args:
        items: The items.
        limits: The limits for each.
    """

    def __init__(self, items: Items, limits: Limits = USUAL) -> None:
        self._items, self._limits = items, limits
        self.files = OnDemand(items, "pieces", KEPT)

    def pieces(self, item: Item) -> list[dict[str, Any]]:
        """The pieces that there are now: index, start in seconds, frames, and address."""
        if item.result is not None:
            found, word = self._of_result(item), "done"
        else:
            found, word = self._of_journal(item), "part"
        suffix = ".jpg" if item.kind == "picture" else ".mp4"
        return [
            {
                "index": index,
                "start": start,
                "frames": frames,
                "url": f"/api/items/{item.id}/watch/{word}-{index}{suffix}",
            }
            for index, (start, frames) in enumerate(found)
        ]

    def file(self, item: Item, name: str) -> Path:
        """The file of a piece; waits until it is made.

        Raises:
            Missing: There is no such piece, or the job has gone on since the list was made.
            RestillError: It cannot be made.
        """
        found = _NAME.fullmatch(name)
        known = [entry["url"].rpartition("/")[2] for entry in self.pieces(item)]
        if found is None or name not in known:
            raise _changed()
        word, index = found[1], int(found[2])
        start, frames = (self._of_result(item) if word == "done" else self._of_journal(item))[index]
        stamp = f"{item.order}-{name}"  # a new job makes new pieces
        try:
            return self.files.get(item, stamp, lambda path: self._make(item, path, word, index, start, frames))
        except RestillError:
            now = self._items.get(item.id)
            if name not in [entry["url"].rpartition("/")[2] for entry in self.pieces(now)]:
                raise _changed() from None  # the job has ended meanwhile
            raise

    def _make(self, item: Item, path: Path, word: str, index: int, start: float, frames: int) -> None:
        asked = jobs.job(self._items, item, self._limits)
        result, part, fps = asked.dst, None, item.fps or 25
        if word == "done" and item.result is not None:
            result = self._items.own_file(item, "result", item.result.name)
        else:
            part = SegmentFolder(journal_folder(asked.dst)).segment(index)
        is_clip = item.kind != "picture" and (part is None or part.is_dir())
        moment = Moment(max(0.0, start - 0.5 / fps), frames / fps) if is_clip else None
        if moment is not None and not start:
            moment = Moment(0.0, (frames - 0.5) / fps)
        source = self._items.source(item)
        settings = asked.request.settings
        job = Piece(source, path, result, part, moment, settings, jobs.STACKED, self._limits)
        sandbox.run(piece, job, notes=[])

    def _of_result(self, item: Item) -> list[tuple[float, int]]:
        """The start and the frames of each piece of a complete result."""
        if item.kind == "picture":
            return [(0.0, 1)]
        fps, duration = item.fps or 25, item.duration or 0.0
        left = item.frames or round(duration * fps)
        pieces = []
        for number in range(math.ceil(duration / SECONDS)):
            frames = min(left, round((number + 1) * SECONDS * fps) - round(number * SECONDS * fps))
            if frames > 0:
                pieces.append((float(number * SECONDS), frames))
            left -= frames
        return pieces

    def _of_journal(self, item: Item) -> list[tuple[float, int]]:
        """The start and the frames of each finished segment of a job."""
        if item.kind is None or not (self._items.home(item.id) / "result").is_dir():
            return []
        segments = SegmentFolder(journal_folder(jobs.job(self._items, item, self._limits).dst)).segments
        pieces, first, done = [], None, 0
        for number, part in enumerate(segments):
            frames = segment_frames(item.height or 1, item.width or 1, number)
            start = done / (item.fps or 25)
            if part.is_file() and isinstance(packet := next(read_segment(part)), av.Packet):
                time = float((packet.pts or 0) * packet.time_base)
                first = time if first is None else first
                start = time - first
            pieces.append((start, frames))
            done += frames
        return pieces


def _changed() -> Missing:
    return Missing("there is no such piece now; the list has changed")
