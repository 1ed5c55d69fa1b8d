"""Runs and kills real processes of Restill."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from restill.video import read_frames

COMMAND = [sys.executable, "-m", "restill"]


CODECS = {".webm": ("libvpx-vp9", "libopus"), ".avi": ("mpeg4", "libmp3lame"), ".ts": ("libx264", "aac")}


def long_clip(path: Path, frames: int = 700, width: int = 96, height: int = 64) -> Path:
    """A clip of several segments: a bright bar that moves over noise, with uneven times, B-frames, and sound.

    In an ``.avi``, times are even, because the format has no others.
    """
    rng = np.random.default_rng(0)
    base = rng.integers(40, 120, (height, width, 3)).astype(np.uint8)
    picture_codec, sound_codec = CODECS.get(path.suffix, ("libx264", "aac"))
    even = path.suffix == ".avi"
    unit = Fraction(1, 25) if even else Fraction(1, 1000)
    with av.open(str(path), "w") as container:
        options = {"crf": "18", "preset": "veryfast"} if picture_codec == "libx264" else {}
        video = container.add_stream(picture_codec, rate=25, options=options)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.time_base = video.codec_context.time_base = unit
        sound = container.add_stream(sound_codec, rate=48000)
        sound.layout = "mono"
        pts, heard = 0, 0
        for number in range(frames):
            picture = base.copy()
            picture[:, number % width : number % width + 4] = 230
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = pts, unit
            container.mux(video.encode(frame))
            pts += 1 if even else 40 + number % 7
            size = sound.codec_context.frame_size or 1024
            while heard < pts * unit * 48000:
                samples = av.AudioFrame(format=sound.codec_context.format.name, layout="mono", samples=size)
                noise = rng.normal(0, 0.1, size).astype(np.float32)
                silence = bytes(samples.planes[0].buffer_size)
                samples.planes[0].update((noise.tobytes() + silence)[: len(silence)])
                samples.sample_rate, samples.pts, samples.time_base = 48000, heard, Fraction(1, 48000)
                container.mux(sound.encode(samples))
                heard += size
        for stream in (video, sound):
            container.mux(stream.encode(None))
    return path


@dataclass(frozen=True)
class Content:
    """What a viewer gets: a hash of all frames, their times, and a hash of the other streams' packets."""

    frames: str
    times: tuple[int, ...]
    others: str


def content(path: Path) -> Content:
    """The content of a video or of a folder of frames."""
    digest, others, times = hashlib.sha256(), hashlib.sha256(), []
    for frame in read_frames(path):
        digest.update(frame.tobytes())
    if path.is_file():
        with av.open(str(path)) as container:
            for packet in container.demux():
                if packet.stream is not container.streams.video[0] and packet.size:
                    others.update(bytes(packet) + str((packet.pts, packet.dts)).encode())
        with av.open(str(path)) as container:
            times = [frame.pts for frame in container.decode(video=0)]
    return Content(digest.hexdigest(), tuple(times), others.hexdigest())


def ended(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    """Runs a Restill command until it ends."""
    return subprocess.run([*COMMAND, *command], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]


def killed(command: list[str], after: float | Callable[[], bool], how: signal.Signals = signal.SIGKILL) -> int | None:
    """Runs a Restill command and kills it.

    Args:
        command: The words of the command.
        after: Seconds after the start, or a function: the process is killed as soon as it returns true.
        how: The signal.

    Returns:
        The exit status, or None if the process ended before.
    """
    process = subprocess.Popen([*COMMAND, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    began = time.monotonic()
    ready = after if callable(after) else lambda: time.monotonic() - began > after
    while process.poll() is None:
        if ready():
            process.send_signal(how)
            return process.wait() or None
        time.sleep(0.02)
    return None


def lasts(command: list[str]) -> float:
    """How many seconds a Restill command takes."""
    began = time.monotonic()
    done = ended(command)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - began


def traces(folder: Path) -> list[str]:
    """What a job keeps in a folder while it runs: journals, and files with temporary names."""
    names = [path.name for path in folder.iterdir()]
    return sorted(name for name in names if name.endswith(".restill") or ".partial-" in name)
