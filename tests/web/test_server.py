"""The real server: its command, its errors, and a crash in the middle of a job."""

from __future__ import annotations

import fcntl
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
from asking import CHUNK, SETTINGS, TUS, encoded
from processes import long_clip

from restill import cli
from restill.errors import RestillError
from restill.restoring.api import restore
from restill.video import read_frames
from restill.web.app import Options, make_folder
from restill.web.server import serve as serve_page


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--port", "PORT"], "port PORT cannot be used (Address already in use); give another with --port"),
        (["--folder", "FILE"], "the folder 'FILE' cannot be used: File exists; give another --folder"),
        (["--runs", "nothing"], "'nothing' is not a folder; --runs is the folder that 'restill train' writes to"),
        (["--max-items", "0"], "the limit of items must be above 0, not 0"),
    ],
)
def test_wrong_options_are_one_sentence(tmp_path, monkeypatch, capsys, words, says):
    (tmp_path / "file").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        names = {"PORT": str(taken.getsockname()[1]), "FILE": str(tmp_path / "file")}
        for name, value in names.items():
            words, says = [word.replace(name, value) for word in words], says.replace(name, value)
        command = ["restill", "web", "--no-open", "--folder", str(tmp_path / "web"), *words]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit):
            cli.main()
    said = capsys.readouterr().err
    assert said.startswith(f"error: {says}")
    assert said.count("\n") == 1


def test_two_servers_do_not_share_a_folder(tmp_path):
    make_folder(tmp_path / "web")
    with (tmp_path / "web" / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RestillError, match="another restill web uses"):
            serve_page(Options(tmp_path / "web", 0), open_page=False)


class Process:
    """``restill web`` as a process, and a client that has its token."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "restill", "web", "--no-open", "--port", "0", "--folder", str(folder)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        found = re.search(r"(http://127\.0\.0\.1:\d+)/\?token=(\S+)", self.process.stderr.readline())
        assert found is not None
        bearer = {"Authorization": f"Bearer {found[2]}"}
        self.client = httpx2.Client(base_url=found[1], headers=bearer, timeout=60)

    def upload(self, file: Path) -> str:
        data = file.read_bytes()
        headers = {**TUS, "Upload-Length": str(len(data)), "Upload-Metadata": encoded(filename=file.name)}
        answer = self.client.post("/files/", headers=headers)
        self.client.patch(answer.headers["location"], content=data, headers={**CHUNK, "Upload-Offset": "0"})
        return answer.headers["restill-item"]

    def wait(self, *states: str) -> dict:
        while True:
            (item,) = self.client.get("/api/items").json()
            if item["state"] in states:
                return item
            time.sleep(0.05)

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def serve():
    """Starts servers, and kills those that still run at the end."""
    servers = []

    def start(folder: Path) -> Process:
        servers.append(Process(folder))
        return servers[-1]

    yield start
    for server in servers:
        server.process.kill()


@pytest.mark.slow
def test_a_job_survives_a_killed_server(tmp_path, serve):
    clip, folder = long_clip(tmp_path / "in.mp4", frames=600), tmp_path / "web"
    server = serve(folder)
    item_id = server.upload(clip)
    server.wait("ready")
    server.client.post(f"/api/items/{item_id}/start", json=SETTINGS)
    while not list(folder.rglob("*.part")):
        time.sleep(0.02)
    server.end(signal.SIGKILL)
    again = serve(folder)
    item = again.wait("done", "failed")
    assert item["message"] == ""
    (tmp_path / "got.mp4").write_bytes(again.client.get(f"/api/items/{item_id}/result").content)
    with again.client.stream("GET", "/api/events"):  # an open page does not keep the server
        assert again.end(signal.SIGTERM) in (0, -signal.SIGTERM)
    restore(clip, tmp_path / "own.mp4", "min-median", quiet=True)
    pairs = zip(read_frames(tmp_path / "got.mp4"), read_frames(tmp_path / "own.mp4"), strict=True)
    assert all((a == b).all() for a, b in pairs)


@pytest.mark.slow
def test_nothing_is_decoded_in_the_server(open_page, clip, monkeypatch):
    """Whatever is asked, only the sandbox opens what was uploaded."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the server decodes by itself")

    page = open_page()
    monkeypatch.setattr("av.open", refuse)
    monkeypatch.setattr("PIL.Image.open", refuse)
    item_id = page.ready(clip)
    assert page.get(f"/api/items/{item_id}/thumbnail?at=1").status_code == 200
    preview = page.post(f"/api/items/{item_id}/preview", {**SETTINGS, "at": 1, "seconds": 0.2}).json()["id"]
    while (found := page.get(f"/api/previews/{preview}").json())["state"] == "running":
        time.sleep(0.05)
    assert found["state"] == "done"
    page.post(f"/api/items/{item_id}/start", SETTINGS)
    page.wait(item_id, "done")
    (piece,) = page.get(f"/api/items/{item_id}/watch").json()["pieces"]
    assert page.get(piece["url"]).status_code == 200
