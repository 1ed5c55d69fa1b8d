"""A server in this process, and tiny clips."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the page needs the extra 'web'")
from asking import OWN, PORT, SETTINGS, Page
from starlette.testclient import TestClient

from restill.bench.clip import rainy_clip, write_clip
from restill.errors import boundary
from restill.restoring import sandbox
from restill.web.app import Options, Server, make_folder


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the work of the sandbox here, which takes no second to start."""

    def run(work: Callable[..., Any], request: Any, on_frame: Any = None, *, stop: Any = None, **_: Any) -> Any:
        def step() -> None:
            if stop is not None and stop.is_set():
                raise sandbox.Stopped("stopped")
            if on_frame is not None:
                on_frame()

        with boundary(f"'{request.src}'"):
            return work(request, step)

    monkeypatch.setattr(sandbox, "run", run)


@pytest.fixture
def open_page(tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Opens the page of a server; again for the same folder, as after a restart."""
    opened: list[Page] = []

    def open_it(folder: Path = tmp_path / "web", **options: Any) -> Page:
        server = Server(Options(make_folder(folder), PORT, **options))
        client = TestClient(server.app, base_url=OWN)
        client.__enter__()
        opened.append(Page(client, server))
        assert client.get(f"/?token={server.token}").status_code == 200
        return opened[-1]

    yield open_it
    for page in opened:
        page.end()


@pytest.fixture
def page(open_page: Callable[..., Page], in_this_process: None) -> Page:
    return open_page()


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 60 frames of 64x48: two segments."""
    path = tmp_path_factory.mktemp("clips") / "rainy clip.mp4"
    write_clip(path, rainy_clip(48, 64, 60))
    return path


@pytest.fixture
def held(monkeypatch):
    """Holds every job at its 55th frame, until the event is set."""
    from restill.web import queue

    go_on = threading.Event()
    step = queue._Progress.step

    def slow(progress) -> None:
        step(progress)
        if progress.done == 55:
            go_on.wait(30)

    monkeypatch.setattr(queue._Progress, "step", slow)
    yield go_on
    go_on.set()


@pytest.fixture
def running(page, clip, held, tmp_path):
    """An item that runs, and has one finished segment."""
    item_id = page.ready(clip)
    page.post(f"/api/items/{item_id}/start", SETTINGS)
    page.wait(item_id, "running")
    while not list((tmp_path / "web" / "items" / item_id).rglob("*.part")):
        time.sleep(0.01)
    return item_id
