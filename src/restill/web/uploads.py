"""Uploads in chunks that resume: the tus protocol 1.0 with its extensions creation and termination.

https://tus.io/protocols/resumable-upload. The offset of an upload is the size of its file, so it is right after a
crash too. A complete upload becomes a file of its item.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from restill.errors import RestillError
from restill.video.disk import sync, write_whole
from restill.web.items import Conflict, Item, Items, Missing, TooMuch
from restill.web.names import new_id, safe_name

VERSION = "1.0.0"
CHUNK_TYPE = "application/offset+octet-stream"
LONGEST_NAME = 300  # characters of a name that is shown


@dataclass(frozen=True)
class WebLimits:
    """What may be uploaded.

    Attributes:
        bytes: Bytes of one file.
        items: Items at a time.
        group: Pictures of one folder.
        free: Bytes that stay free on the disk.

    Raises:
        RestillError: A limit is 0 or less.
    """

    bytes: int = 100 << 30
    items: int = 500
    group: int = 20_000
    free: int = 1 << 30

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                raise RestillError(f"the limit of {name} must be above 0, not {value}")


@dataclass(frozen=True)
class Upload:
    """An upload that is not complete: its id, its item, the name of its file, and its bytes."""

    id: str
    item: str
    file: str
    length: int


class Uploads:
    """The uploads of a folder.

    Args:
        items: The items.
        limits: What may be uploaded.
        on_complete: Called with each item whose files are all there.
    """

    def __init__(self, items: Items, limits: WebLimits, on_complete: Callable[[Item], object]) -> None:
        self.items, self._limits, self._on_complete = items, limits, on_complete
        self._folder = items.folder / "uploads"
        self._folder.mkdir(exist_ok=True)
        self._open: dict[str, Upload] = {}
        self._done: dict[str, Upload] = {}  # for a page that did not get the last answer
        self._arrived: dict[str, int] = {}  # files of each item that are complete
        self._busy: set[str] = set()
        for path in self._folder.glob("*.json"):
            with suppress(OSError, ValueError, TypeError):
                upload = Upload(**json.loads(path.read_bytes()))
                self._open[upload.id] = upload

    def begin(self) -> None:
        """Put in order what a crash has left."""
        for upload in list(self._open.values()):
            if self.items.find(upload.item) is None or not self._path(upload.id).exists():
                self.end(upload.id)
        for item in self.items.all():
            if item.state == "uploading" and self._count(item) == item.group_files:
                self._on_complete(item)

    def create(self, length: int, metadata: dict[str, str]) -> Upload:
        """Begin an upload, and make its item if there is none yet.

        Raises:
            TooMuch: A limit would be exceeded.
        """
        self._check_room(length)
        shown = (metadata.get("relativePath") or metadata.get("filename") or "file").strip("/")[:LONGEST_NAME]
        group = metadata.get("group", "")[:64]
        file = safe_name(metadata.get("filename") or shown)
        task = "rain" if metadata.get("task") == "rain" else "derain"
        if group:
            item = self._of_group(group, metadata.get("groupFiles", ""), shown, task)
        else:
            self._check_number()
            item = self.items.add(name=shown, task=task, source=file)
        upload = Upload(new_id() if group else item.id, item.id, self._free_name(item, file), length)
        self._path(upload.id).touch()
        write_whole(self._folder / f"{upload.id}.json", json.dumps(asdict(upload)).encode())
        self._open[upload.id] = upload
        if not length:
            self._complete(upload)
        return upload

    def find(self, upload_id: str) -> Upload:
        """The upload of an id.

        Raises:
            Missing: There is none.
        """
        upload = self._open.get(upload_id) or self._done.get(upload_id)
        if upload is None:
            raise Missing("there is no such upload; it was ended")
        return upload

    def offset(self, upload: Upload) -> int:
        """How many bytes have arrived."""
        return self._path(upload.id).stat().st_size if upload.id in self._open else upload.length

    async def receive(self, upload: Upload, offset: int, request: Request) -> int:
        """Write the body of a request to the end of an upload; returns the new offset. What arrives is kept.

        Raises:
            Conflict: The offset is not the end of the upload, or another request writes to it.
            TooMuch: The body is longer than the upload, or the disk is full.
        """
        if upload.id in self._busy:
            raise Conflict("this upload is being written by another request")
        if offset != (there := self.offset(upload)):
            raise Conflict(f"{there} bytes have arrived; continue there")
        self._busy.add(upload.id)
        try:
            with self._path(upload.id).open("ab") as file, suppress(ClientDisconnect):
                async for chunk in request.stream():
                    offset += len(chunk)
                    if offset > upload.length:
                        raise TooMuch(f"the upload has more than the {upload.length} bytes that were announced")
                    await asyncio.to_thread(file.write, chunk)
        except OSError as error:
            raise TooMuch(f"the upload cannot be written: {error.strerror}") from error
        finally:
            self._busy.discard(upload.id)
        arrived = self.offset(upload)
        if arrived == upload.length and upload.id in self._open:
            self._complete(upload)
        return arrived

    def end(self, upload_id: str) -> None:
        """Forget an upload and its bytes."""
        self._open.pop(upload_id, None)
        self._path(upload_id).unlink(missing_ok=True)
        (self._folder / f"{upload_id}.json").unlink(missing_ok=True)

    def end_of(self, item_id: str) -> None:
        """Forget all uploads of an item."""
        for upload in [upload for upload in self._open.values() if upload.item == item_id]:
            self.end(upload.id)

    def _complete(self, upload: Upload) -> None:
        item = self.items.find(upload.item)
        if item is not None:
            source = self.items.home(item.id) / "source"
            arrived = self._arrived.get(item.id) or self._count(item)
            sync(self._path(upload.id))
            self._path(upload.id).replace(source / upload.file)
            self._arrived[item.id] = arrived + 1
            self._done[upload.id] = upload
            if arrived + 1 == item.group_files:
                self._on_complete(item)
        self.end(upload.id)

    def _count(self, item: Item) -> int:
        """How many files of an item have arrived."""
        return len(list((self.items.home(item.id) / "source").iterdir()))

    def _free_name(self, item: Item, file: str) -> str:
        """The name, with a number in front if another file of the item has it already."""
        taken = {upload.file for upload in self._open.values() if upload.item == item.id}
        number, free = 1, file
        while free in taken or (self.items.home(item.id) / "source" / free).exists():
            number += 1
            free = f"{number}_{file}"
        return free

    def _of_group(self, group: str, files: str, shown: str, task: str) -> Item:
        """The item of a group of pictures, which the first of them makes."""
        if not files.isdigit() or not 1 <= int(files) <= self._limits.group:
            raise TooMuch(
                f"a folder may have 1 to {self._limits.group:,} pictures; this one has {files or 'no number'}"
            )
        for item in self.items.all():
            if item.group == group and item.state == "uploading":
                return item
        self._check_number()
        name = shown.rpartition("/")[0] or shown
        return self.items.add(name=name, task=task, kind="frames", group=group, group_files=int(files))

    def _check_room(self, length: int) -> None:
        if length > self._limits.bytes:
            raise TooMuch(f"the file has {length:,} bytes; at most {self._limits.bytes:,} may be uploaded")
        waiting = sum(upload.length - self.offset(upload) for upload in self._open.values())
        free = shutil.disk_usage(self._folder).free - waiting - self._limits.free
        if length > free:
            raise TooMuch(f"the disk has too little room: {max(0, free) / 1e9:.1f} GB for {length / 1e9:.1f} GB")

    def _check_number(self) -> None:
        if len(self.items.all()) >= self._limits.items:
            raise TooMuch(f"there are {self._limits.items} items already; delete some first")

    def _path(self, upload_id: str) -> Path:
        return self._folder / f"{upload_id}.part"


def read_metadata(header: str) -> dict[str, str]:
    """Read an ``Upload-Metadata`` header: pairs of a key and a value in base64.

    >>> read_metadata("filename YS5tcDQ=,task cmFpbg==,empty")
    {'filename': 'a.mp4', 'task': 'rain', 'empty': ''}

    Raises:
        RestillError: It is not such a header.
    """
    found = {}
    for pair in filter(None, (part.strip() for part in header.split(","))):
        key, _, value = pair.partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode(errors="replace")
        except (binascii.Error, ValueError):
            raise RestillError(f"the value of '{key[:40]}' in Upload-Metadata is not base64") from None
    return found


def router(uploads: Uploads, limits: WebLimits) -> APIRouter:
    """The addresses under ``/files/``."""
    routes = APIRouter(prefix="/files")
    said = {"Tus-Resumable": VERSION}

    def check_version(request: Request) -> None:
        if request.headers.get("tus-resumable") != VERSION:
            raise RestillError(f"the header Tus-Resumable must be {VERSION}")

    def number(request: Request, name: str) -> int:
        value = request.headers.get(name, "")
        if not value.isdigit() or len(value) > 18:
            raise RestillError(f"the header {name} must be a number of bytes")
        return int(value)

    @routes.options("/")
    async def abilities() -> Response:
        more = {"Tus-Version": VERSION, "Tus-Extension": "creation,termination", "Tus-Max-Size": str(limits.bytes)}
        return Response(status_code=204, headers=said | more)

    @routes.post("/")
    async def create(request: Request) -> Response:
        check_version(request)
        metadata = read_metadata(request.headers.get("upload-metadata", ""))
        upload = uploads.create(number(request, "Upload-Length"), metadata)
        where = {"Location": f"/files/{upload.id}", "Restill-Item": upload.item}
        return Response(status_code=201, headers=said | where)

    @routes.head("/{upload_id}")
    async def look(upload_id: str) -> Response:
        upload = uploads.find(upload_id)
        sizes = {"Upload-Offset": str(uploads.offset(upload)), "Upload-Length": str(upload.length)}
        return Response(headers=said | sizes | {"Cache-Control": "no-store"})

    @routes.patch("/{upload_id}")
    async def receive(upload_id: str, request: Request) -> Response:
        check_version(request)
        upload = uploads.find(upload_id)
        if request.headers.get("content-type") != CHUNK_TYPE:
            return Response(status_code=415, headers=said)
        offset = await uploads.receive(upload, number(request, "Upload-Offset"), request)
        return Response(status_code=204, headers=said | {"Upload-Offset": str(offset)})

    @routes.delete("/{upload_id}")
    async def end(upload_id: str, request: Request) -> Response:
        check_version(request)
        upload = uploads.find(upload_id)
        uploads.end_of(upload.item)
        uploads.items.remove(upload.item)
        return Response(status_code=204, headers=said)

    return routes
