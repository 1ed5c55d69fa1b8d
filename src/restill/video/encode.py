"""Write a folder of frames or one picture, first under a temporary name."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np

from restill.errors import RestillError
from restill.video import pictures
from restill.video.decode import FrameInfo, Source
from restill.video.disk import beside, sync


class FolderSink:
    """Writes a folder of pictures, named by their tickets; first into the folder ``temporary``."""

    def __init__(self, final: Path, temporary: Path | None = None) -> None:
        self.final, self.temporary = final, temporary or _temporary(final)

    def write(self, frame: np.ndarray, ticket: FrameInfo) -> tuple[str, ...]:
        """Write one frame (H, W, 3); return a sentence on each thing that its file cannot keep."""
        self.temporary.mkdir(exist_ok=True)
        return pictures.write_picture(self.temporary / ticket.name, frame, ticket.extras)

    def take(self, file: Path) -> None:
        """Add a frame from a file, which stays where it is."""
        self.temporary.mkdir(exist_ok=True)
        try:
            os.link(file, self.temporary / file.name)
        except OSError:  # the file system has no links
            shutil.copyfile(file, self.temporary / file.name)

    def close(self) -> None:
        """Move the frames to the final folder. Other files in it stay."""
        if self.final.is_dir():
            for file in self.temporary.iterdir():
                file.replace(self.final / file.name)
            self.temporary.rmdir()
        else:
            self.temporary.replace(self.final)
        sync(self.final.absolute().parent)

    def abandon(self) -> None:
        """Remove the temporary files."""
        shutil.rmtree(self.temporary, ignore_errors=True)


class PictureSink:
    """Writes one picture."""

    def __init__(self, final: Path, source: Source) -> None:
        self.final, self.temporary = final, _temporary(final)
        self._source, self._written = source.info, False
        pictures.check_written(final)
        if (source.info.frames or 0) > 1:
            raise self._too_many()

    def write(self, frame: np.ndarray, ticket: FrameInfo) -> tuple[str, ...]:
        """Write the only frame (H, W, 3); return a sentence on each thing that its file cannot keep."""
        if self._written:
            raise self._too_many()
        self._written = True
        return pictures.write_picture(self.temporary, frame, ticket.extras)

    def _too_many(self) -> RestillError:
        info = self._source
        return RestillError(
            f"'{self.final}' holds one picture, but '{info.path}' has {info.frames or 'more'}; name a folder or a video"
        )

    def close(self) -> None:
        """Rename the picture to its final name."""
        self.temporary.replace(self.final)

    def abandon(self) -> None:
        """Remove the temporary files."""
        self.temporary.unlink(missing_ok=True)


def _temporary(final: Path) -> Path:
    partial = beside(final, f".partial-{os.getpid()}{final.suffix}")
    return partial.with_name(f".{partial.name}")
