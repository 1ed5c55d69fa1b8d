"""Cameras for tests: servers on this machine that send MPEG-TS in real time, and may vanish and come back."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from functools import cache

import av
import numpy as np

WIDTH, HEIGHT = 96, 64


def scene(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A frame (H, W, 3) with a bar that moves."""
    picture = np.full((height, width, 3), 60, np.uint8)
    at = 3 * number % width
    picture[:, at : at + 8] = 200
    return picture


class _Recorder(io.RawIOBase):
    """Keeps what is written."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.data += data
        return len(data)


@cache
def footage(
    frames: int = 600, fps: int = 30, *, sound: str = "", width: int = WIDTH, height: int = HEIGHT, start: int = 0
) -> tuple[bytes, ...]:
    """MPEG-TS of a clip, cut into what belongs to each frame.

    Args:
        frames: Frames of it.
        fps: Frames a second.
        sound: The codec of its sound: "aac", "mp2"; "" for none.
        width, height: Its size.
        start: The time of its first frame, in ticks of 1/90000 second.
    """
    recorder, parts = _Recorder(), []
    options = {"flush_packets": "1", "mpegts_copyts": "1"}
    with av.open(recorder, "w", format="mpegts", container_options=options) as output:
        video = output.add_stream(
            "libx264", rate=fps, options={"preset": "ultrafast", "tune": "zerolatency", "g": "15"}
        )
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, 90000)
        audio = output.add_stream(sound, rate=48000, layout="mono") if sound else None
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(scene(number, width, height), format="rgb24")
            frame.pts, frame.time_base = start + number * 90000 // fps, Fraction(1, 90000)
            if audio is not None:
                count = 48000 // fps
                silence = av.AudioFrame.from_ndarray(np.zeros((1, count), np.int16), format="s16", layout="mono")
                silence.sample_rate, silence.pts = 48000, number * count
                silence.time_base = Fraction(1, 48000)
                output.mux(audio.encode(silence))
            output.mux(video.encode(frame))
            parts.append(bytes(recorder.data))
            recorder.data.clear()
    return tuple(parts)


class Camera:
    """A server that sends footage to whoever connects, from its beginning.

    Args:
        parts: From :func:`footage`.
        fps: Frames a second.
        hurry: Send so many frames at once.
    """

    def __init__(self, parts: tuple[bytes, ...], fps: int = 30, hurry: int = 0) -> None:
        self.parts, self._fps, self._hurry = parts, fps, hurry
        self._gone = threading.Event()
        self._sockets: list[socket.socket] = []
        self.port = 0
        self.sent = 0
        self.appear()

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def appear(self) -> None:
        """Be there, on the same port as before."""
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", self.port))
        server.listen()
        self.port = server.getsockname()[1]
        self._gone = threading.Event()
        self._sockets = [server]
        threading.Thread(target=self._serve, args=(server, self._gone), daemon=True).start()

    def vanish(self) -> None:
        """Break all connections, and refuse new ones."""
        self._gone.set()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _serve(self, server: socket.socket, gone: threading.Event) -> None:
        with suppress(OSError):
            while True:
                viewer, _ = server.accept()
                self._sockets.append(viewer)
                threading.Thread(target=self._play, args=(viewer, gone), daemon=True).start()

    def _play(self, viewer: socket.socket, gone: threading.Event) -> None:
        began = time.monotonic()
        with suppress(OSError), viewer:
            for number, part in enumerate(self.parts):
                due = began + max(0, number - self._hurry) / self._fps
                if gone.wait(max(0.0, due - time.monotonic())):
                    return
                viewer.sendall(part)
                self.sent += 1


def free_port() -> int:
    """A port that nobody uses."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a condition; fail if it takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)
