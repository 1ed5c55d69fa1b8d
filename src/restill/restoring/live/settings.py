"""The settings of one ``restill live``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction

from restill.alignment import Aligner
from restill.errors import RestillError
from restill.restoring.live.addresses import check_source, scheme
from restill.restoring.live.frames import Size
from restill.restoring.live.targets import PAGE, STDOUT, check_file, format_of
from restill.restoring.request import ROTATIONS
from restill.runtime.strength import check_strength
from restill.video.settings import PRESETS


@dataclass(frozen=True)
class Live:
    """A camera, a target, and how to get from one to the other; :func:`restill.restoring.live.run.live` runs it.

    Attributes:
        source: The address of a camera.
        target: An address, a file, "-" for standard output, or "page".
        model: A name of ``restill models`` or the path of an ``.onnx``; by default the faster one for clips.
        delay: The longest delay of a frame, seconds; None for one second, or more if the camera has few frames.
        fps: Restore at most so many frames a second; None for all.
        size: "720" lines or "1280x720"; None for that of the camera.
        pipe_format: The format of standard output, one of ``PIPES``.
        port: The port of the page; 0 takes a free one.
        real_time: The source is a recording: play it at its own speed, and end with it.
        wait: Wait for the camera at the start too.
        seconds: End after so many seconds; None for never.
        sound: Pass the sound on.
        overwrite: Replace the target, if it is a file that exists.
        crf: Quality of the encoder, 0 to 51.
        preset: Speed of the encoder.
        backend, precision, threads, tile, guard, rotate, aligner, strength: As for :func:`restill.restore`.
        every: Seconds between status lines; 0 for none.

    Raises:
        RestillError: A setting is wrong.
    """

    source: str
    target: str
    model: str | os.PathLike[str] | None = None
    delay: float | None = None
    fps: float | None = None
    size: str | None = None
    pipe_format: str | None = None
    port: int = 8801
    real_time: bool = False
    wait: bool = False
    seconds: float | None = None
    sound: bool = True
    overwrite: bool = False
    crf: int = 23
    preset: str = "superfast"
    backend: str = "auto"
    precision: str | None = None
    threads: int | None = None
    tile: int | None = None
    guard: bool = True
    rotate: int = 0
    aligner: str = "auto"
    strength: float = 1.0
    every: float = 10.0

    def __post_init__(self) -> None:
        check_source(self.source, real_time=self.real_time)
        format_of(self.target, self.pipe_format)
        if self.is_file:
            check_file(self.target, overwrite=self.overwrite)
        for name in ("delay", "fps", "seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise RestillError(f"{name} must be above 0, not {value:g}")
        if self.rotate not in ROTATIONS:
            raise RestillError(f"rotate {self.rotate} is not possible; use 90, 180 or 270 (degrees clockwise), or 0")
        if self.preset not in PRESETS:
            raise RestillError(f"preset '{self.preset}' is not known; the presets are: {', '.join(PRESETS)}")
        if not 0 <= self.crf <= 51:
            raise RestillError(f"crf {self.crf} is not on the scale of h264, 0 to 51")
        Aligner(self.aligner)  # raises if there is none of this name
        check_strength(self.strength)
        _ = self.wanted_size

    @property
    def is_file(self) -> bool:
        """Whether the target is a file."""
        return not (self.target in (PAGE, STDOUT) or scheme(self.target))

    @property
    def wanted_size(self) -> Size | None:
        """The size to work in; None for that of the camera."""
        return None if self.size is None else Size.of(self.size)

    def bound(self, camera_fps: Fraction | None, frames_after: int) -> float:
        """The longest delay of a frame, seconds.

        Args:
            camera_fps: Frames per second of the camera; None if unknown.
            frames_after: Later frames that the model needs.

        Raises:
            RestillError: ``delay`` is shorter than the model's look ahead.
        """
        ahead = frames_after / float(camera_fps) if camera_fps else 0.0
        if self.delay is None:
            return max(1.0, 3 * ahead)
        if self.delay <= ahead:
            raise RestillError(
                f"a delay of {self.delay:g} s is not possible: the model looks {ahead:.2f} s ahead at the camera's "
                f"{float(camera_fps or 0):g} frames a second; give --delay at least {2 * ahead:.2g}"
            )
        return self.delay
