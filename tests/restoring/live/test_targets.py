"""Targets of restill live: standard output, the network, and files that break off."""

from __future__ import annotations

import errno
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from cameras import HEIGHT, WIDTH, Camera, footage, free_port, scene, until

from restill import zoo
from restill.errors import RestillError
from restill.planes import planes_of
from restill.restoring.live.targets import Muxed, Written
from restill.video.color import FULL, LIMITED, ColorTags


class Receiver:
    """A server that takes MPEG-TS from whoever connects."""

    def __init__(self, port: int = 0, slow: bool = False) -> None:
        self.data, self.slow = bytearray(), slow
        self._server = socket.socket()
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if slow:
            self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._server.bind(("127.0.0.1", port))
        self._server.listen()
        self.port = self._server.getsockname()[1]
        self._senders: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                sender, _ = self._server.accept()
                self._senders.append(sender)
                if not self.slow:
                    threading.Thread(target=self._take, args=(sender,), daemon=True).start()

    def _take(self, sender: socket.socket) -> None:
        with suppress(OSError):
            while data := sender.recv(65536):
                self.data += data

    def close(self) -> None:
        for one in (self._server, *self._senders):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def frames(self) -> int:
        count = 0
        # what comes now may end in the middle of a frame
        with suppress(av.FFmpegError), av.open(io.BytesIO(bytes(self.data)), format="mpegts") as container:
            for _ in container.decode(video=0):
                count += 1
        return count


def test_the_network_gets_pictures_and_sound(start: Callable) -> None:
    camera, receiver = Camera(footage(sound="mp2")), Receiver()
    run = start(camera.address, f"tcp://127.0.0.1:{receiver.port}")
    run.wait_for("frames_out", 20)
    summary = run.stop()
    camera.vanish()
    until(lambda: receiver.frames() >= summary.frames_out)
    with av.open(io.BytesIO(bytes(receiver.data)), format="mpegts") as container:
        assert container.streams.audio[0].codec_context.name.startswith("mp2")
        assert next(container.decode(video=0)).width == WIDTH
    receiver.close()


def test_a_target_that_vanishes_and_comes_back(start: Callable, capfd) -> None:
    camera, port, said = Camera(footage()), free_port(), [""]

    def told(words: str, times: int) -> bool:
        said[0] += capfd.readouterr().err
        return said[0].count(words) == times

    run = start(camera.address, f"tcp://127.0.0.1:{port}")
    until(lambda: told("trying again", 1))  # it is not there yet
    receiver = Receiver(port)
    until(lambda: told("the target is back", 1))
    receiver.close()
    until(lambda: told("trying again", 2))
    receiver = Receiver(port)
    until(lambda: told("the target is back", 2))
    summary = run.stop()
    camera.vanish()
    receiver.close()
    assert summary.target_reconnects == 2
    assert summary.frames_in == summary.frames_out + summary.dropped
    assert "Connection refused" in said[0]


def test_a_target_that_does_not_read_delays_nothing(start: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    camera, receiver = Camera(footage(300, width=640, height=480)), Receiver(slow=True)
    run = start(camera.address, f"tcp://127.0.0.1:{receiver.port}", crf=0)
    run.wait_for("dropped", 20)
    assert run.number("frames_in") < 300  # the camera is still read
    receiver.close()
    run.stop()
    camera.vanish()


def test_an_rtsp_server_gets_the_picture(start: Callable) -> None:
    camera, address = Camera(footage()), f"rtsp://127.0.0.1:{free_port()}/dry"
    sizes: list[tuple[int, int]] = []

    def receive() -> None:
        options = {"rtsp_flags": "listen", "listen_timeout": "60"}
        with suppress(av.FFmpegError), av.open(address, options=options, timeout=(30, 30)) as container:
            for frame in container.decode(video=0):
                sizes.append((frame.width, frame.height))

    thread = threading.Thread(target=receive)
    thread.start()
    time.sleep(0.3)
    run = start(camera.address, address)
    until(lambda: len(sizes) >= 10)
    run.stop()
    camera.vanish()
    thread.join(30)
    assert set(sizes) == {(WIDTH, HEIGHT)}


@pytest.mark.parametrize("kind", ["mpegts", "nut", "yuv4mpegpipe"])
@pytest.mark.parametrize("planes", [True, False])
def test_formats_of_standard_output(kind: str, planes: bool) -> None:
    file, frame = io.BytesIO(), scene(0)
    color = ColorTags(range=FULL if planes else LIMITED)
    muxed = Muxed(file, kind, Written(HEIGHT, WIDTH, Fraction(25), color), "standard output")
    file.close, data = lambda: None, file  # type: ignore[method-assign]
    for number in (0, 1, 5):
        assert muxed.write(planes_of(frame) if planes else frame, number / 25)
    muxed.close()
    with av.open(io.BytesIO(data.getvalue()), format=kind) as container:
        frames = list(container.decode(video=0))
    steps = np.diff([float(frame.pts * frame.time_base) for frame in frames])
    assert np.allclose(steps, [0.04, 0.04] if kind == "yuv4mpegpipe" else [0.04, 0.16], atol=0.001)
    shown = frames[0].to_ndarray(format="gray" if planes else "rgb24")
    assert np.abs(shown.astype(int) - (planes_of(frame).y if planes else frame)).mean() < 4


def test_a_full_disk_is_one_sentence() -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(RestillError, match=r"'out.mkv' cannot be written: No space left on device"):
        Muxed(Full(), "matroska", Written(HEIGHT, WIDTH, Fraction(25), ColorTags()), "out.mkv")


def command(*words: str) -> list[str]:
    """The command itself, with the network that needs no learning: it is fast anywhere."""
    fast = ["--model", "min-median", "--backend", "onnxruntime", "--precision", "f32", "--delay", "30"]
    return [sys.executable, "-m", "restill", "live", *words, *fast]


@pytest.mark.skipif(not zoo.cards(), reason="the zoo is empty")
def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    camera, file = Camera(footage()), tmp_path / "out"
    with file.open("wb") as out:
        words = command(camera.address, "--to", "-")
        child = subprocess.Popen(words, stdout=out, stderr=subprocess.PIPE, text=True)
        until(lambda: file.stat().st_size > 5_000)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=30)
    camera.vanish()
    assert child.returncode == 0
    summary = said.strip().splitlines()[-1]
    with av.open(str(file), format="mpegts") as container:
        assert f" {sum(1 for _ in container.decode(video=0))} out" in summary
    assert "frames in" in summary
    assert "dropped" in summary
    assert "s (worst)" in summary


@pytest.mark.slow
def test_a_reader_that_goes_ends_the_command() -> None:
    camera = Camera(footage())
    child = subprocess.Popen(command(camera.address, "--to", "-"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert child.stdout is not None
    child.stdout.read(188)
    child.stdout.close()
    assert child.wait(30) == 128 + signal.SIGPIPE
    camera.vanish()


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_killed_process_loses_less_than_a_second(tmp_path: Path, suffix: str) -> None:
    camera, file = Camera(footage()), tmp_path / f"out{suffix}"
    child = subprocess.Popen(command(camera.address, "--to", str(file)), stderr=subprocess.DEVNULL)
    until(lambda: file.exists() and file.stat().st_size > 12_000)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    camera.vanish()
    with av.open(str(file)) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 15
