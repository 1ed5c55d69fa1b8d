"""Who may ask: only the page that has the token, from this machine, and no other page in the same browser.

A page of another site can make a browser send requests to 127.0.0.1. It cannot read the token, its requests carry no
cookie of ours (``SameSite=Strict``), they name its own address as their ``Origin``, and after DNS rebinding as their
``Host``. Each of these is checked.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from restill.video.disk import write_whole

READING = ("GET", "HEAD", "OPTIONS")
MOST_JSON = 64 << 10  # bytes of a request that is no upload
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob: data:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
CLOSED = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Restill</title><h1>This page needs its whole address</h1>
<p>Open the address that <code>restill web</code> printed. It ends in <code>?token=...</code></p></html>"""


def read_token(folder: Path) -> str:
    """The token of a folder; a new one the first time. Only the owner can read its file."""
    path = folder / "token"
    if not path.exists():
        write_whole(path, secrets.token_urlsafe(24).encode())
        path.chmod(0o600)
    return path.read_text().strip()


class Guard:
    """Lets only requests through that may ask, and adds the headers of :data:`HEADERS` to every answer.

    Args:
        app: The application behind it.
        token: The token.
        port: The port, which the Host and the Origin of a request must name.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token, self._port = app, token, port
        self._once = ""
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        if port == 80:
            self._hosts |= {"127.0.0.1", "localhost"}
        self._cookie = f"restill-{port}"  # browsers send cookies to all ports of a host

    def once(self) -> str:
        """A token that opens the page once: for a command line that starts a browser, which every user can read."""
        self._once = secrets.token_urlsafe(24)
        return self._once

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        refusal, new = self._refusal(scope), self._opens(scope)
        if new and refusal is None and self._given(scope) == self._once:
            self._once = ""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if new and refusal is None:
                    cookie = f"{self._cookie}={self._token}; HttpOnly; SameSite=Strict; Path=/; Max-Age=31536000"
                    headers.append("Set-Cookie", cookie)
            await send(message)

        if refusal is None:
            await self._app(scope, receive, answer)
        elif scope["path"] == "/":
            await HTMLResponse(CLOSED, refusal[0])(scope, receive, answer)
        else:
            await JSONResponse({"message": refusal[1]}, refusal[0])(scope, receive, answer)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """The status and the sentence with which a request is refused; None if it may pass."""
        headers, method = Headers(scope=scope), scope["method"]
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return 421, f"this server answers only for http://127.0.0.1:{self._port}"
        if not (self._opens(scope) or self._knows(scope)):
            return 403, "open the address that 'restill web' printed; it has the token that is missing here"
        origin = headers.get("origin")
        if method not in READING and origin is None and not self._bears(headers):
            return 403, "a request that changes something must come from the page"
        if origin is not None and origin.lower() not in {f"http://{host}" for host in self._hosts}:
            return 403, "another site may not use this server"
        if method not in READING and not scope["path"].startswith("/files/"):
            size = headers.get("content-length", "0")
            if "transfer-encoding" in headers or not size.isdigit() or int(size) > MOST_JSON:
                return 413, f"a request may have at most {MOST_JSON:,} bytes; files go to /files/"
        return None

    def _opens(self, scope: Scope) -> bool:
        """Whether a request opens the page with the right token in its address."""
        if scope["path"] != "/" or scope["method"] != "GET":
            return False
        given = self._given(scope)
        once = bool(self._once) and secrets.compare_digest(given.encode(), self._once.encode())
        return self._right(given) or once

    def _given(self, scope: Scope) -> str:
        """The token in the address of a request; empty if there is none, or several."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        return given[0] if len(given) == 1 else ""

    def _knows(self, scope: Scope) -> bool:
        """Whether a request has the token, in its cookie or in its header."""
        cookie = HTTPConnection(scope).cookies.get(self._cookie, "")
        return self._right(cookie) or self._bears(Headers(scope=scope))

    def _bears(self, headers: Headers) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and self._right(given.strip())

    def _right(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self._token.encode())
