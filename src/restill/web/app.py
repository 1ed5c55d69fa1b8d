"""The application: the page, its files, the uploads and the addresses of the page's script."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from restill.errors import RestillError
from restill.video.limits import USUAL, Limits
from restill.web import api, uploads
from restill.web.checking import Checks
from restill.web.events import Events
from restill.web.items import Conflict, Items, Missing, TooMuch
from restill.web.previews import Previews
from restill.web.queue import Queue
from restill.web.runs import Runs
from restill.web.safety import Guard, read_token
from restill.web.thumbnails import Thumbnails
from restill.web.uploads import Uploads, WebLimits
from restill.web.watch import Watch

STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True)
class Options:
    """How a server is set up.

    Attributes:
        folder: Where uploads, results and the state are kept.
        port: The port.
        runs: The folder of training runs to show; None for none.
        uploads: What may be uploaded.
        limits: The limits for each file that is read.
    """

    folder: Path
    port: int = 8800
    runs: Path | None = None
    uploads: WebLimits = field(default_factory=WebLimits)
    limits: Limits = USUAL


class Server:
    """The application and its parts.

    Args:
        options: How it is set up.

    Attributes:
        token: The secret of the address.
        app: The application, with its guard.
        events: The events of the open pages.
    """

    def __init__(self, options: Options) -> None:
        self.token = read_token(options.folder)
        items = Items(options.folder)
        checks, queue = Checks(items, options.limits), Queue(items, options.limits)
        previews, watch = Previews(items, options.limits), Watch(items, options.limits)
        thumbnails = Thumbnails(items, options.limits)
        received = Uploads(items, options.uploads, checks.add)
        self.events = Events(items)

        @asynccontextmanager
        async def life(_: FastAPI) -> AsyncIterator[None]:
            self.events.begin()
            received.begin()
            checks.begin()
            queue.begin()
            yield
            checks.end()
            thumbnails.files.end()
            watch.files.end()
            previews.end()
            queue.end()

        app = FastAPI(
            title="Restill", lifespan=life, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
        )
        app.include_router(uploads.router(received, options.uploads))
        parts = api.Parts(items, received, queue, self.events, previews, thumbnails, watch, Runs(options.runs))
        app.include_router(api.router(parts))
        app.mount("/static", StaticFiles(directory=STATIC))
        app.add_api_route("/", lambda: FileResponse(STATIC / "index.html"))
        _answer_errors(app)
        self.app = Guard(app, self.token, options.port)


def make_folder(folder: Path) -> Path:
    """Make the folder of a server, which only its owner can read.

    Raises:
        RestillError: It cannot be made, or not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.name == "posix":
            folder.chmod(0o700)
        (folder / "lock").touch()
    except OSError as error:
        raise RestillError(f"the folder '{folder}' cannot be used: {error.strerror}; give another --folder") from error
    return folder.resolve()


def _answer_errors(app: FastAPI) -> None:
    """Answer every error with a status and one sentence."""

    def said(status: int, message: str) -> JSONResponse:
        return JSONResponse({"message": message}, status)

    @app.exception_handler(RestillError)
    def ours(_: Request, error: RestillError) -> JSONResponse:
        statuses = {Missing: 404, Conflict: 409, TooMuch: 413}
        return said(statuses.get(type(error), 400), str(error))

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"] if part != "body") or "the request"
        return said(422, f"'{name}' is wrong: {first['msg']}")

    @app.exception_handler(HTTPException)
    def other(_: Request, error: HTTPException) -> JSONResponse:
        return said(error.status_code, "there is nothing at this address" if error.status_code == 404 else error.detail)
