"""Run `restill live` for a long time from a camera on this machine that vanishes and comes back.

    python benchmarks/live_soak.py --minutes 30 [--size 640x360] [--fps 25] [--vanish 300] [-- OPTIONS OF restill live]

The camera sends a rendered rainy scene with sound, as MPEG-TS over TCP. It repeats after ten seconds, and its clock
starts anew then. Every ``--vanish`` seconds it is away for ten seconds. The target is a file in a temporary folder, or
what the options say with ``--to``. A line for each half minute: what came in and went out, the delay, what was dropped,
and the memory of the process (resident). At the end: whether the delay was kept, and how memory grew after a tenth of
the time.
"""

from __future__ import annotations

import argparse
import io
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import av
import cv2
import numpy as np

from restill.degradations.rain import Rain, RainSettings

EVERY = 30  # seconds between lines
AWAY = 10.0  # seconds that the camera is away
REPEATS = 10  # seconds of the scene


class Recorder(io.RawIOBase):
    """Keeps what is written since the last look."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.data += data
        return len(data)

    def take(self) -> bytes:
        data = bytes(self.data)
        self.data.clear()
        return data


def footage(width: int, height: int, fps: int) -> list[bytes]:
    """MPEG-TS of a rainy scene, cut into what belongs to each frame."""
    rng = np.random.default_rng(0)
    scene = cv2.GaussianBlur(rng.integers(0, 200, (height, width * 2, 3), np.uint8), (0, 0), 5)
    scene = cv2.normalize(scene, scene, 30, 180, cv2.NORM_MINMAX)
    rain = Rain(RainSettings.preset("heavy"), (height, width), seed=1, fps=fps)
    recorder, parts, samples = Recorder(), [], 48000 // fps
    with av.open(recorder, "w", format="mpegts", container_options={"flush_packets": "1"}) as output:
        video = output.add_stream(
            "libx264", rate=fps, options={"preset": "veryfast", "tune": "zerolatency", "g": str(fps)}
        )
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = output.add_stream("aac", rate=48000, layout="mono")
        for number in range(REPEATS * fps):
            tone = (3000 * np.sin(np.arange(number * samples, (number + 1) * samples) / 20)).astype(np.int16)[None]
            sound = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
            sound.sample_rate, sound.pts = 48000, number * samples
            output.mux(audio.encode(sound))
            at = number * 2 % width
            picture = av.VideoFrame.from_ndarray(rain.render(scene[:, at : at + width].copy(), number), format="rgb24")
            picture.pts = number
            output.mux(video.encode(picture))
            parts.append(recorder.take())
    return parts


class Camera:
    """Sends the footage, over and over, to whoever connects."""

    def __init__(self, parts: list[bytes], fps: int) -> None:
        self.parts, self.fps, self.port = parts, fps, 0
        self.appear()

    def appear(self) -> None:
        """Be there."""
        self.sockets = [socket.create_server(("127.0.0.1", self.port))]
        self.port = self.sockets[0].getsockname()[1]
        threading.Thread(target=self.serve, args=(self.sockets[0],), daemon=True).start()

    def vanish(self) -> None:
        """Be away."""
        for one in self.sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def serve(self, server: socket.socket) -> None:
        """Answer viewers."""
        with suppress(OSError):
            while True:
                viewer, _ = server.accept()
                self.sockets.append(viewer)
                threading.Thread(target=self.play, args=(viewer,), daemon=True).start()

    def play(self, viewer: socket.socket) -> None:
        """Send in real time."""
        began, number = time.monotonic(), 0
        with suppress(OSError):
            while True:
                time.sleep(max(0.0, began + number / self.fps - time.monotonic()))
                viewer.sendall(self.parts[number % len(self.parts)])
                number += 1


def memory(process: int) -> float:
    """Megabytes of a process that are in memory."""
    text = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--vanish", type=float, default=300)
    parser.add_argument("options", nargs="*")
    given = parser.parse_args()
    width, height = map(int, given.size.split("x"))
    camera = Camera(footage(width, height, given.fps), given.fps)
    with tempfile.TemporaryDirectory() as folder:
        target = [] if "--to" in given.options else ["--to", f"{folder}/out.mkv"]
        words = ["live", f"tcp://127.0.0.1:{camera.port}", *target, "--every", str(EVERY), *given.options]
        child = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "restill", *words], stderr=subprocess.PIPE, text=True
        )
        threading.Thread(target=vanish_often, args=(camera, given.vanish), daemon=True).start()
        timer = threading.Timer(60 * given.minutes, child.send_signal, (signal.SIGINT,))
        timer.start()
        began, used, bound, last = time.monotonic(), [], 0.0, ""
        for line in map(str.strip, child.stderr or ()):
            passed, last = time.monotonic() - began, line
            if found := re.search(r"later than ([\d.]+) s", line):
                bound = float(found[1])
            if " fps in" in line:
                used.append((passed, memory(child.pid)))
                line = f"{line}; {used[-1][1]:.0f} MB"
            print(f"{passed:6.0f} s  {line}", flush=True)
        child.wait()
        timer.cancel()
    worst = float(re.search(r"([\d.]+) s \(worst\)", last)[1])  # type: ignore[index]
    print(f"delay: at worst {worst:.2f} s of {bound:g} s: {'kept' if worst <= bound else 'NOT KEPT'}")
    settled = [size for passed, size in used if passed >= 6 * given.minutes]
    if settled:
        first, end, most = settled[0], settled[-1], max(settled)
        print(f"memory after a tenth of the time: {first:.0f} MB; at the end: {end:.0f} MB; at most: {most:.0f} MB")


def vanish_often(camera: Camera, seconds: float) -> None:
    """Let the camera vanish and come back."""
    while True:
        time.sleep(seconds)
        camera.vanish()
        time.sleep(AWAY)
        camera.appear()


if __name__ == "__main__":
    main()
