"""A page on this machine that shows the restored picture: a stream of JPEG pictures over HTTP."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import av
import cv2

from restill.errors import RestillError
from restill.planes import Frame, Planes
from restill.progress import say
from restill.video.color import ColorTags, Converter

HOST = "127.0.0.1"
QUALITY = 85  # of the JPEG pictures
VIEWERS = 8  # at a time
PATIENCE = 10.0  # seconds that a viewer may take for a picture, and for a request
BOUNDARY = "restill"
PAGE = Path(__file__).with_name("page.html")


class Page:
    """Serves the newest frame to browsers. A slow browser misses frames, and delays nothing.

    Args:
        port: The port; 0 takes a free one.
        color: The color tags of the frames.
        height: Their lines.
        status: Gives the numbers that the page shows.

    Attributes:
        address: The address to open, with the token.

    Raises:
        RestillError: The port is in use.
    """

    def __init__(self, port: int, color: ColorTags, height: int, status: Callable[[], dict[str, Any]]) -> None:
        self._converter = Converter(color, height, deep=False)
        self.token, self.status = secrets.token_urlsafe(16), status
        self.changed = threading.Condition()
        self.jpeg, self.number, self.viewers, self.closed = b"", 0, 0, False
        page = self

        class Bound(_Handler):
            shown = page

        try:
            self._server = ThreadingHTTPServer((HOST, port), Bound)
        except OSError as error:
            raise RestillError(f"port {port} cannot be used: {error.strerror}; choose another with --port") from error
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.address = f"http://{HOST}:{self.port}/?token={self.token}"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="restill-page", daemon=True).start()
        say(f"the picture is on {self.address}")

    def write(self, frame: Frame, seconds: float) -> bool:
        """Show a frame; it is encoded only if somebody looks."""
        if self.viewers or not self.jpeg:
            if isinstance(frame, Planes):
                frame = self._converter.to_rgb(self._converter.from_planes(frame))
            jpeg = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
            with self.changed:
                self.jpeg, self.number = jpeg, self.number + 1
                self.changed.notify_all()
        return True

    def write_sound(self, packet: av.Packet, shift: float) -> None:
        """Leave it out: the page has no sound."""

    def close(self) -> None:
        """End the server."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Answers browsers: the page, the pictures and the numbers, to those who have the token."""

    shown: Page
    timeout = PATIENCE
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer one request."""
        parts = urlsplit(self.path)
        given = parse_qs(parts.query).get("token", [""])[0]
        if self.headers.get("Host") not in (f"{HOST}:{self.shown.port}", f"localhost:{self.shown.port}"):
            self._answer(403, b"wrong host", "text/plain")
        elif not self._may_see(given):
            self._answer(403, b"open the address that the command printed", "text/plain")
        elif parts.path == "/":
            nonce = secrets.token_urlsafe(8)
            page = PAGE.read_text(encoding="utf-8").replace("NONCE", nonce).encode()
            self._answer(200, page, "text/html; charset=utf-8", nonce=nonce)
        elif parts.path == "/status":
            self._answer(200, json.dumps(self.shown.status()).encode(), "application/json")
        elif parts.path == "/picture":
            self._pictures()
        else:
            self._answer(404, b"not found", "text/plain")

    @property
    def _cookie(self) -> str:
        return f"restill-live-{self.shown.port}"  # browsers send cookies to all ports of a host

    def _may_see(self, given: str) -> bool:
        cookies = SimpleCookie(self.headers.get("Cookie", ""))
        kept = cookies[self._cookie].value if self._cookie in cookies else ""
        return any(secrets.compare_digest(one.encode(), self.shown.token.encode()) for one in (given, kept))

    def _answer(self, status: int, body: bytes, kind: str, *, nonce: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if nonce:
            self.send_header("Set-Cookie", f"{self._cookie}={self.shown.token}; HttpOnly; SameSite=Strict; Path=/")
        self._common(nonce)
        self.wfile.write(body)

    def _common(self, nonce: str = "") -> None:
        """The headers of every answer: nothing from elsewhere, nothing stored."""
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        own = f"style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; frame-ancestors 'none'"
        self.send_header("Content-Security-Policy", f"default-src 'self'; img-src 'self' data:; {own}")
        self.end_headers()

    def _pictures(self) -> None:
        """Send each new picture until the browser or the page is gone."""
        page, seen = self.shown, 0
        with page.changed:
            page.viewers += 1
        try:
            if page.viewers > VIEWERS:
                self._answer(503, b"too many viewers", "text/plain")
                return
            self.close_connection = True
            self.send_response(200)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
            self._common()
            self.wfile.write(f"--{BOUNDARY}\r\n".encode())
            while not page.closed:
                with page.changed:
                    if page.number == seen:
                        page.changed.wait(1.0)
                    jpeg, new, seen = page.jpeg, page.number != seen, page.number
                if new:  # the boundary comes at once, because browsers wait for it
                    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + f"\r\n--{BOUNDARY}\r\n".encode())
        except OSError:
            pass  # the browser is gone, or did not take a picture in time
        finally:
            with page.changed:
                page.viewers -= 1

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the log would hold the token."""

    def handle(self) -> None:
        """Handle a connection; one that breaks is no error."""
        with suppress(OSError):
            super().handle()
