"""Write a folder of pictures in segments."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from restill.video import pictures
from restill.video.decode import FrameInfo, Source
from restill.video.disk import sync
from restill.video.encode import FolderSink
from restill.video.segment_folder import SegmentFolder
from restill.video.segments import segment_frames


class FolderSegmentSink:
    """Writes a folder of pictures in segments, each a folder of some pictures. Finished segments are kept."""

    def __init__(self, final: Path, source: Source, folder: SegmentFolder) -> None:
        self.final, self._folder = final, folder
        self._size = source.info.height, source.info.width
        self._number, self._frames = folder.next, 0

    def write(self, frame: np.ndarray, ticket: FrameInfo) -> tuple[str, ...]:
        """Write one frame (H, W, 3); return a sentence on each thing that its file cannot keep."""
        folder = self._folder.unfinished(self._number)
        folder.mkdir(exist_ok=True)
        unkept = pictures.write_picture(folder / ticket.name, frame, ticket.extras)
        self._frames += 1
        if self._frames == segment_frames(*self._size, self._number):
            self._end(folder)
        return unkept

    def close(self) -> None:
        """Move the frames to the final folder. Other files in it stay."""
        if self._frames:
            self._end(self._folder.unfinished(self._number))
        sink = FolderSink(self.final, self._folder.joined(""))
        try:
            for part in self._folder.segments:
                for file in part.iterdir():
                    sink.take(file)
            sink.close()
        except BaseException:
            sink.abandon()
            raise

    def abandon(self) -> None:
        """Remove the unfinished segment."""
        self._folder.remove_from(self._number)

    def _end(self, folder: Path) -> None:
        for file in folder.iterdir():
            sync(file)
        sync(folder)
        self._folder.finish_segment(self._number)
        self._frames, self._number = 0, self._number + 1
