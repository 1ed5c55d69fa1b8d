"""Limits for the size of an input, checked in its header and again at each frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from restill.errors import RestillError


@dataclass(frozen=True)
class Limits:
    """The largest input to accept. None means no limit.

    Attributes:
        pixels: Pixels of a frame. A frame of 10,000x10,000 takes 300 MB in 8 bits, and several are in memory at a time.
        frames: Frames of the input.
        seconds: Seconds of the input.
        bytes: Bytes of the file; of each picture in a folder of frames.

    Raises:
        RestillError: A limit is 0 or less.
    """

    pixels: int | None = 100_000_000
    frames: int | None = None
    seconds: float | None = None
    bytes: int | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and value <= 0:
                raise RestillError(f"the limit of {name} must be above 0, not {value}")

    def check_file(self, path: Path) -> None:
        """Refuse a file with too many bytes.

        Raises:
            RestillError: The file is larger than the limit.
        """
        if self.bytes is not None and path.is_file() and (size := path.stat().st_size) > self.bytes:
            raise RestillError(f"'{path}' has {size:,} bytes, more than the limit of {self.bytes:,} (--max-bytes)")

    def check_size(self, path: Path | str, width: int, height: int) -> None:
        """Refuse frames with too many pixels.

        Raises:
            RestillError: The frames are larger than the limit.
        """
        if self.pixels is not None and width * height > self.pixels:
            raise RestillError(
                f"'{path}' has frames of {width}x{height}, more than the limit of {self.pixels:,} pixels (--max-pixels)"
            )

    def check_length(self, path: Path | str, frames: int | None, seconds: float | None) -> None:
        """Refuse too many frames or seconds. None means unknown.

        Raises:
            RestillError: The input is longer than the limit.
        """
        if self.frames is not None and frames is not None and frames > self.frames:
            raise RestillError(f"'{path}' has more frames than the limit of {self.frames:,} (--max-frames)")
        if self.seconds is not None and seconds is not None and seconds > self.seconds:
            raise RestillError(f"'{path}' is longer than the limit of {self.seconds:g} seconds (--max-seconds)")


USUAL = Limits()
