"""A page that asks a server in this process."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from restill.web.app import Server

PORT = 8800
OWN = f"http://127.0.0.1:{PORT}"
SETTINGS = {"student": "min-median"}  # the fastest
TUS = {"Tus-Resumable": "1.0.0"}
CHUNK = {**TUS, "Content-Type": "application/offset+octet-stream"}


def encoded(**metadata: object) -> str:
    """An Upload-Metadata header."""
    return ",".join(f"{key} {base64.b64encode(str(value).encode()).decode()}" for key, value in metadata.items())


@dataclass
class Page:
    """An open page: it has the cookie, and names its own address as the origin."""

    client: TestClient
    server: Server
    ended: bool = False

    def end(self) -> None:
        """End the server."""
        if not self.ended:
            self.client.__exit__(None, None, None)
        self.ended = True

    def get(self, address: str, **more: Any) -> Any:
        return self.client.get(address, **more)

    def post(self, address: str, json: object = None, **more: Any) -> Any:
        return self.client.post(address, json=json, headers={"Origin": OWN}, **more)

    def delete(self, address: str) -> Any:
        return self.client.delete(address, headers={"Origin": OWN})

    def begin(self, length: int, **metadata: object) -> Any:
        """Begin an upload; returns the answer."""
        headers = {**TUS, "Origin": OWN, "Upload-Length": str(length), "Upload-Metadata": encoded(**metadata)}
        return self.client.post("/files/", headers=headers)

    def send(self, address: str, data: bytes, offset: int = 0) -> Any:
        """Send a chunk; returns the answer."""
        return self.client.patch(address, content=data, headers={**CHUNK, "Origin": OWN, "Upload-Offset": str(offset)})

    def upload(self, file: Path, **metadata: object) -> str:
        """Upload a file whole; returns the id of its item."""
        data = file.read_bytes()
        answer = self.begin(len(data), **{"filename": file.name, **metadata})
        assert answer.status_code == 201, answer.text
        if data:
            assert self.send(answer.headers["location"], data).status_code == 204
        return answer.headers["restill-item"]

    def item(self, item_id: str) -> dict[str, Any] | None:
        return next((item for item in self.get("/api/items").json() if item["id"] == item_id), None)

    def wait(self, item_id: str, *states: str) -> dict[str, Any]:
        """Wait until an item is in one of the states."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            item = self.item(item_id)
            if item and item["state"] in states:
                return item
            time.sleep(0.01)
        raise AssertionError(f"the item is {self.item(item_id)}")

    def ready(self, file: Path, **metadata: object) -> str:
        """Upload a file and wait until it can be started."""
        item_id = self.upload(file, **metadata)
        self.wait(item_id, "ready")
        return item_id
