"""The addresses under ``/api/``."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import Field

from restill import zoo
from restill.errors import RestillError
from restill.version import __version__
from restill.web.events import Events
from restill.web.items import Conflict, Items, Settings, Task
from restill.web.previews import Previews
from restill.web.queue import Queue
from restill.web.runs import Runs
from restill.web.thumbnails import Thumbnails
from restill.web.uploads import Uploads
from restill.web.watch import Watch
from restill.zoo.show import speed

KEEP = {"Cache-Control": "max-age=3600"}


class Start(Settings):
    """The body of a start: the settings, and the task."""

    task: Task = "derain"

    def settings(self) -> Settings:
        """The settings alone."""
        return Settings(**self.model_dump(include=set(Settings.model_fields)))


class Moment(Start):
    """The body of a preview: a moment, the settings and the task."""

    at: float = Field(default=0.0, ge=0, le=1e6)
    seconds: float = Field(default=3.0, gt=0, le=10)


@dataclass(frozen=True)
class Parts:
    """The parts of a server."""

    items: Items
    uploads: Uploads
    queue: Queue
    events: Events
    previews: Previews
    thumbnails: Thumbnails
    watch: Watch
    runs: Runs


def router(parts: Parts) -> APIRouter:
    """The addresses of a server."""
    items, queue = parts.items, parts.queue
    api = APIRouter(prefix="/api")

    @api.get("/about")
    def about() -> dict[str, str]:
        return {"version": __version__, "folder": str(items.folder)}

    @api.get("/students")
    def students() -> list[dict[str, Any]]:
        return [_student(card) for card in zoo.cards() if card.task == "derain"]

    @api.get("/items")
    def all_items() -> list[dict[str, Any]]:
        return [item.shown() for item in items.all()]

    @api.get("/events")
    async def events() -> StreamingResponse:
        return StreamingResponse(parts.events.stream(), media_type="text/event-stream")

    @api.post("/items/{item_id}/start")
    def start(item_id: str, body: Start) -> dict[str, Any]:
        check_student(body.student)
        queue.start(items.get(item_id), body.settings(), body.task)
        return items.get(item_id).shown()

    @api.post("/items/{item_id}/pause")
    def pause(item_id: str) -> dict[str, Any]:
        queue.pause(items.get(item_id))
        return items.get(item_id).shown()

    @api.post("/items/{item_id}/resume")
    def resume(item_id: str) -> dict[str, Any]:
        queue.resume(items.get(item_id))
        return items.get(item_id).shown()

    @api.post("/items/{item_id}/cancel")
    def cancel(item_id: str) -> dict[str, Any]:
        queue.cancel(items.get(item_id))
        return items.get(item_id).shown()

    @api.delete("/items/{item_id}", status_code=204)
    async def delete(item_id: str) -> Response:
        item = items.get(item_id)
        parts.uploads.end_of(item_id)
        parts.previews.forget(item_id)
        await asyncio.to_thread(queue.forget, item)
        await asyncio.to_thread(items.remove, item_id)
        return Response(status_code=204)

    @api.get("/items/{item_id}/result")
    def result(item_id: str) -> FileResponse:
        item = items.get(item_id)
        if item.result is None:
            raise Conflict(f"'{item.name}' has no result: it is {item.state}")
        return as_download(items, item_id, item.result.name)

    @api.post("/items/{item_id}/preview")
    def preview(item_id: str, body: Moment) -> dict[str, str]:
        check_student(body.student)
        made = parts.previews.make(items.get(item_id), body.settings(), body.task, body.at, body.seconds)
        return {"id": made.id}

    @api.get("/previews/{preview_id}")
    def look(preview_id: str) -> dict[str, Any]:
        return parts.previews.get(preview_id).shown()

    @api.get("/previews/{preview_id}/{name}")
    def preview_file(preview_id: str, name: str) -> FileResponse:
        return FileResponse(parts.previews.file(preview_id, name))

    @api.get("/items/{item_id}/thumbnail")
    def thumbnail(item_id: str, at: Annotated[float, Query(ge=0, le=1e6)] = 0.0) -> FileResponse:
        return FileResponse(parts.thumbnails.one(items.get(item_id), at), headers=KEEP)

    @api.get("/items/{item_id}/strip")
    def strip(item_id: str, count: Annotated[int, Query(ge=1, le=20)] = 8) -> FileResponse:
        return FileResponse(parts.thumbnails.strip(items.get(item_id), count), headers=KEEP)

    @api.get("/items/{item_id}/watch")
    def watch(item_id: str) -> dict[str, Any]:
        return {"pieces": parts.watch.pieces(items.get(item_id))}

    @api.get("/items/{item_id}/watch/{name}")
    def piece(item_id: str, name: str) -> FileResponse:
        return FileResponse(parts.watch.file(items.get(item_id), name))

    @api.get("/runs")
    def runs() -> list[dict[str, Any]]:
        return parts.runs.all()

    @api.get("/runs/{name}")
    def one_run(name: str) -> dict[str, Any]:
        return parts.runs.one(name)

    @api.get("/runs/{name}/samples/{file}")
    def sample(name: str, file: str) -> FileResponse:
        return FileResponse(parts.runs.sample(name, file))

    return api


def as_download(items: Items, item_id: str, name: str) -> FileResponse:
    """The result of an item, to be saved under its name."""
    path = items.own_file(items.get(item_id), "result", name)
    disposition = f"attachment; filename*=UTF-8''{quote(name)}"
    return FileResponse(path, headers={"Content-Disposition": disposition})


def check_student(name: str | None) -> None:
    """Refuse what is not the name of a student that comes with Restill: a page may not name files.

    Raises:
        RestillError: It is not.
    """
    known = [card.name for card in zoo.cards()]
    if name is not None and name not in known:
        raise RestillError(f"the student '{name[:40]}' is not known; the students are {', '.join(known)}")


def _student(card: zoo.Card) -> dict[str, Any]:
    single = card.frames_before + card.frames_after == 0
    return {
        "name": card.name,
        "title": " ".join(card.description.split()).partition(". ")[0].rstrip("."),
        "for": "pictures" if single else "clips",
        "speed": speed(card),
        "licence": card.licence,
        "default": card.name in (zoo.DEFAULTS["derain"], zoo.DEFAULTS["derain-picture"]),
    }
