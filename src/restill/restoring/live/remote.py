"""Targets on the network, written by a process of their own.

FFmpeg holds Python's lock while it connects to a target, and may wait for a server without end. In a process of its own
that stops nothing: frames are dropped meanwhile. An alarm of the system ends the process if it waits too long.

The parent encodes and writes NUT to the child's standard input; the child (``python -m
restill.restoring.live.remote``) writes the same packets to the address.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import IO

import av
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer, OutputContainer

from restill.errors import OutputClosed, RestillError, boundary
from restill.planes import Frame
from restill.progress import say
from restill.restoring.live.addresses import shown
from restill.restoring.live.sound import COPY, note, ways
from restill.restoring.live.targets import HELD, OPTIONS, Muxed, Written, format_of, writing
from restill.video.copying import CopiedStream

CONNECTED = "connected"
PATIENCE = 10  # seconds to connect, and to write a packet
_PIPE = 16384  # bytes between the processes: little, so that no frames wait there
_SET_PIPE_SIZE = 1031  # Linux: F_SETPIPE_SZ


class Remote:
    """A target on the network.

    Args:
        address: Its address.
        written: What it gets.
    """

    def __init__(self, address: str, written: Written) -> None:
        command = [sys.executable, "-m", "restill.restoring.live.remote", address]
        self._child = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for the parent only
        )
        self._name, self._connected = shown(address), False
        assert self._child.stdin is not None  # noqa: S101
        assert self._child.stdout is not None  # noqa: S101
        os.set_blocking(self._child.stdout.fileno(), False)
        _shrink(self._child.stdin)
        self._muxed = Muxed(self._child.stdin, "nut", written, self._name)

    def write(self, frame: Frame, seconds: float) -> bool:
        """Write a frame with its time in the output; return whether the target is connected.

        Raises:
            RestillError: The address cannot be reached, or the connection is lost.
        """
        try:
            self._muxed.write(frame, seconds)
        except OutputClosed as error:
            raise RestillError(self._why()) from error
        self._listen()
        return self._connected

    def write_sound(self, packet: av.Packet, shift: float) -> None:
        """Write a packet of sound, as :meth:`write`."""
        try:
            self._muxed.write_sound(packet, shift)
        except OutputClosed as error:
            raise RestillError(self._why()) from error

    def close(self) -> None:
        """End the stream."""
        with suppress(RestillError):
            self._muxed.close()
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(2)
        self._child.kill()
        self._child.wait()

    def _listen(self) -> None:
        """Read what the process says: a line when it is connected, and notes."""
        assert self._child.stdout is not None  # noqa: S101
        said = self._child.stdout.read()  # None if it says nothing
        if said == b"":
            raise RestillError(self._why())
        for line in said.decode(errors="replace").splitlines() if said else ():
            if line == CONNECTED:
                self._connected = True
            else:
                say(line)

    def _why(self) -> str:
        """Why the process ended."""
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(PATIENCE)
        self._child.kill()
        assert self._child.stderr is not None  # noqa: S101
        said = self._child.stderr.read().decode(errors="replace").strip().splitlines()
        if said:
            return said[-1]
        return f"'{self._name}' did not answer in {PATIENCE} seconds"


def _shrink(pipe: IO[bytes]) -> None:
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.fcntl(pipe.fileno(), _SET_PIPE_SIZE, _PIPE)


def _alarm(seconds: int) -> None:
    """Let the system end this process after some seconds; 0 cancels it."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


def _child(address: str) -> None:
    """Copy packets from standard input to an address."""
    fast = {"probesize": "32", "analyzeduration": "0"}
    with open(0, "rb", buffering=0, closefd=False) as pipe, av.open(pipe, "r", format="nut", options=fast) as source:
        _alarm(PATIENCE)
        output, sound = _opened(address, source)
        # MPEG-TS has no place for the encoder's header but the pictures themselves
        headed = BitStreamFilterContext("dump_extra=freq=keyframe", source.streams.video[0])
        for packet in source.demux():
            if not packet.size:
                continue
            _alarm(PATIENCE)
            if packet.stream.type == "video":
                packet.dts = packet.pts  # nothing is reordered
                for one in headed.filter(packet) if "mpegts" in output.format.name else (packet,):
                    one.stream = output.streams.video[0]
                    output.mux_one(one)
            elif sound is not None:
                for one in sound.take(packet):
                    output.mux_one(one)
            _alarm(0)
        _alarm(PATIENCE)
        output.close()


def _opened(address: str, source: InputContainer) -> tuple[OutputContainer, CopiedStream | None]:
    """Connect to an address, and write the header."""
    name, format_name = shown(address), format_of(address, None)
    given = next(iter(source.streams.audio), None)
    codec = None if given is None else given.codec_context
    for way in (None,) if codec is None else ways(format_name, codec.name, codec.extradata):
        options = {"flush_packets": "1", "max_interleave_delta": str(HELD), **OPTIONS.get(format_name, {})}
        output = av.open(address, "w", format=format_name, container_options=options)
        try:
            output.add_stream_from_template(source.streams.video[0], opaque=True)
            sound = CopiedStream(output, given, way) if given is not None and way is not None else None
            output.start_encoding()
        except ValueError:  # of FFmpeg too: the format does not hold this sound
            if way is None:
                raise
            continue
        if codec is not None and way != COPY:
            print(note(name, codec.name, way))
        print(CONNECTED, flush=True)
        return output, sound
    raise AssertionError  # the last way is None


if __name__ == "__main__":
    try:
        with boundary(f"'{shown(sys.argv[1])}'"), writing(shown(sys.argv[1])):
            _child(sys.argv[1])
    except RestillError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
