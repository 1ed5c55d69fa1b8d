"""Run the server: on this machine only, one for each folder."""

from __future__ import annotations

import os
import socket
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import uvicorn

from restill.errors import RestillError
from restill.progress import say
from restill.web.app import Options, Server, make_folder

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

HOST = "127.0.0.1"


def serve(options: Options, *, open_page: bool) -> None:
    """Serve the page until Ctrl-C.

    Args:
        options: How the server is set up; port 0 takes any free port.
        open_page: Open the page in the browser.

    Raises:
        RestillError: The port is taken, or a folder cannot be used.
    """
    if options.runs is not None and not options.runs.is_dir():
        raise RestillError(f"'{options.runs}' is not a folder; --runs is the folder that 'restill train' writes to")
    with _own(make_folder(options.folder)) as folder, _listen(options.port) as listener:
        options = replace(options, folder=folder, port=listener.getsockname()[1])
        server = Server(options)
        address = f"http://{HOST}:{options.port}/?token={server.token}"
        say(f"Restill runs at {address}\nuploads and results are in '{folder}'; Ctrl-C ends it")
        if open_page and _has_screen():
            webbrowser.open(f"http://{HOST}:{options.port}/?token={server.app.once()}")
        config = uvicorn.Config(
            server.app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=5
        )
        _Uvicorn(config, server).run([listener])


class _Uvicorn(uvicorn.Server):
    """Ends the streams of open pages first, which would never end by themselves."""

    def __init__(self, config: uvicorn.Config, server: Server) -> None:
        super().__init__(config)
        self._server = server

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._server.events.end()
        await super().shutdown(sockets)


def _has_screen() -> bool:
    """Whether a browser has a place to open, rather than in this terminal."""
    return sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


@contextmanager
def _listen(port: int) -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen()  # a browser that comes before the server waits
        except OSError as error:
            raise RestillError(
                f"port {port} cannot be used ({error.strerror}); give another with --port, or 0 for any free one"
            ) from error
        yield listener


@contextmanager
def _own(folder: Path) -> Iterator[Path]:
    """Lock a folder for this server."""
    with (folder / "lock").open("a+") as lock:
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise RestillError(f"another restill web uses '{folder}'; end it, or give another --folder") from None
        yield folder
