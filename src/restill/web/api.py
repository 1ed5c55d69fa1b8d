"""The addresses under ``/api/``."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse, StreamingResponse

from restill import zoo
from restill.errors import RestillError
from restill.version import __version__
from restill.web.events import Events
from restill.web.items import Conflict, Items, Settings, Task
from restill.web.queue import Queue
from restill.web.uploads import Uploads
from restill.zoo.show import speed


class Start(Settings):
    """The body of a start: the settings, and the task."""

    task: Task = "derain"

    def settings(self) -> Settings:
        """The settings alone."""
        return Settings(**self.model_dump(exclude={"task"}))


@dataclass(frozen=True)
class Parts:
    """The parts of a server."""

    items: Items
    uploads: Uploads
    queue: Queue
    events: Events


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
        await asyncio.to_thread(queue.forget, item)
        items.remove(item_id)
        return Response(status_code=204)

    @api.get("/items/{item_id}/result")
    def result(item_id: str) -> FileResponse:
        item = items.get(item_id)
        if item.result is None:
            raise Conflict(f"'{item.name}' has no result: it is {item.state}")
        return as_download(items, item_id, item.result.name)

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
