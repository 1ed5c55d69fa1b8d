"""A camera that speaks RTSP: the least of a server, with RTP inside the TCP connection."""

from __future__ import annotations

import io
import socketserver
import struct
import threading
import time
from contextlib import suppress
from typing import Any

import av

SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\n"
SDP += "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:0\r\n"


class _Packets(io.RawIOBase):
    """Collects RTP packets: FFmpeg writes each with one call."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.packets.append(bytes(data))
        return len(data)


def rtp(parts: tuple[bytes, ...]) -> list[tuple[float, list[bytes]]]:
    """The RTP packets of each frame of an MPEG-TS clip, with its time in seconds."""
    sink, found = _Packets(), []
    with av.open(io.BytesIO(b"".join(parts))) as source:
        picture = source.streams.video[0]
        output = av.open(sink, "w", format="rtp", container_options={"packetsize": "1200"})
        target, first = output.add_stream_from_template(picture, opaque=True), None
        for packet in source.demux(picture):
            if packet.dts is not None:
                seconds = float(packet.dts * packet.time_base)
                first = seconds if first is None else first
                packet.stream = target
                output.mux_one(packet)
                # RTCP packets are left out
                found.append((seconds - first, [one for one in sink.packets if one[1] & 0x7F == 96]))
                sink.packets.clear()
    return found


class _Handler(socketserver.StreamRequestHandler):
    """Answers one viewer."""

    def handle(self) -> None:
        server: Any = self.server
        while line := self.rfile.readline().decode():
            method, headers = line.split()[0], {}
            while (header := self.rfile.readline().decode().strip()) != "":
                name, _, value = header.partition(":")
                headers[name.lower()] = value.strip()
            server.asked.append(method)
            more, body = "", ""
            if method == "DESCRIBE":
                more, body = "Content-Type: application/sdp\r\n", SDP
            elif method == "SETUP":
                more = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
            elif method == "OPTIONS":
                more = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
            answer = f"RTSP/1.0 200 OK\r\nCSeq: {headers['cseq']}\r\n{more}Content-Length: {len(body)}\r\n\r\n{body}"
            self.wfile.write(answer.encode())
            if method == "PLAY":
                self._play(server.frames)
                return

    def _play(self, frames: list[tuple[float, list[bytes]]]) -> None:
        began = time.monotonic()
        with suppress(OSError):
            for seconds, packets in frames:
                time.sleep(max(0.0, began + seconds - time.monotonic()))
                for packet in packets:
                    self.wfile.write(b"$\0" + struct.pack(">H", len(packet)) + packet)


class RtspCamera(socketserver.ThreadingTCPServer):
    """Serves a clip in real time to whoever connects."""

    allow_reuse_address, daemon_threads = True, True

    def __init__(self, parts: tuple[bytes, ...]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.frames, self.asked = rtp(parts), []
        self.address = f"rtsp://127.0.0.1:{self.server_address[1]}/stream"
        threading.Thread(target=self.serve_forever, daemon=True).start()
