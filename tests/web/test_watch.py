"""Pieces to watch: finished segments while a job runs, and parts of the complete result."""

from __future__ import annotations

import io

import numpy as np
import pytest
from asking import SETTINGS
from PIL import Image

from restill.restoring.api import restore
from restill.video import read_frames, transcode
from restill.video.pictures import write_picture
from restill.web.watch import Watch


@pytest.fixture(scope="session")
def restored(clip, tmp_path_factory):
    """The frames of the clip as the command restores them."""
    path = tmp_path_factory.mktemp("restored") / "own.mp4"
    restore(clip, path, "min-median", quiet=True)
    return list(read_frames(path))


def check(page, url, tmp_path, before, after):
    """Compare a piece with the frames before and after."""
    answer = page.get(url)
    assert answer.status_code == 200, answer.text
    (tmp_path / "piece.mp4").write_bytes(answer.content)
    found = list(read_frames(tmp_path / "piece.mp4"))
    for stacked, *halves in zip(found, before, after, strict=True):
        for half, expected in zip(np.split(stacked, 2), halves, strict=True):
            assert np.abs(half.astype(int) - expected).mean() < 4


def test_a_running_job(page, clip, held, running, restored, tmp_path):
    (piece,) = page.get(f"/api/items/{running}/watch").json()["pieces"]
    assert (piece["index"], piece["start"], piece["frames"]) == (0, 0, 48)
    check(page, piece["url"], tmp_path, list(read_frames(clip))[:48], restored[:48])
    for other in ("part-1.mp4", "done-0.mp4", "part-0.mp4%00", "..%2f..%2ftoken", "part-000000.mp4"):
        assert page.get(f"/api/items/{running}/watch/{other}").status_code == 404
    held.set()
    page.wait(running, "done")
    assert page.get(piece["url"]).status_code == 404  # the list has changed


def test_a_complete_result(page, clip, restored, tmp_path, monkeypatch):
    monkeypatch.setattr("restill.web.watch.SECONDS", 1)
    item_id = page.ready(clip)
    assert page.get(f"/api/items/{item_id}/watch").json() == {"pieces": []}
    page.post(f"/api/items/{item_id}/start", SETTINGS)
    page.wait(item_id, "done")
    pieces = page.get(f"/api/items/{item_id}/watch").json()["pieces"]
    assert [(piece["start"], piece["frames"]) for piece in pieces] == [(0, 25), (1, 25), (2, 10)]
    frames = list(read_frames(clip))
    for piece, part in zip(pieces, (slice(25), slice(25, 50), slice(50, 60)), strict=True):
        check(page, piece["url"], tmp_path, frames[part], restored[part])


def test_a_folder_of_frames(page, clip, restored, tmp_path):
    transcode(clip, tmp_path / "frames", lambda frames: (frame for frame in frames))
    files = sorted((tmp_path / "frames").iterdir())[:12]
    for file in files:
        item_id = page.upload(file, relativePath=f"my frames/{file.name}", group="g", groupFiles=len(files))
    item = page.wait(item_id, "ready")
    assert (item["kind"], item["name"], item["frames"]) == ("frames", "my frames", 12)
    page.post(f"/api/items/{item_id}/start", SETTINGS)
    item = page.wait(item_id, "done")
    assert item["result"]["name"] == "my_frames.derained.zip"
    (piece,) = page.get(f"/api/items/{item_id}/watch").json()["pieces"]
    check(page, piece["url"], tmp_path, list(read_frames(clip))[:12], restored[:12])


def test_a_picture(page, tmp_path):
    rng = np.random.default_rng(0)
    write_picture(tmp_path / "a.png", rng.integers(0, 255, (30, 40, 3)).astype(np.uint8))
    item_id = page.ready(tmp_path / "a.png")
    page.post(f"/api/items/{item_id}/start", SETTINGS)
    page.wait(item_id, "done")
    (piece,) = page.get(f"/api/items/{item_id}/watch").json()["pieces"]
    assert Image.open(io.BytesIO(page.get(piece["url"]).content)).size == (40, 60)


def test_photographs_are_single_items(page, tmp_path):
    for number, size in enumerate([(30, 40), (36, 40), (30, 44)]):
        write_picture(tmp_path / f"{number}.png", np.full((*size, 3), 60, np.uint8))
        item_id = page.upload(tmp_path / f"{number}.png", relativePath=f"p/{number}.png", group="g", groupFiles=3)
    while page.item(item_id):
        pass
    items = page.get("/api/items").json()
    assert sorted((item["name"], item["kind"], item["state"]) for item in items) == [
        (f"p/{number}.png", "picture", "ready") for number in range(3)
    ]


def test_a_piece_that_goes_while_it_is_made(page, held, running, monkeypatch):
    (piece,) = page.get(f"/api/items/{running}/watch").json()["pieces"]
    make = Watch._make

    def late(watch, *arguments):
        held.set()
        page.wait(running, "done")
        make(watch, *arguments)

    monkeypatch.setattr(Watch, "_make", late)
    answer = page.get(piece["url"])
    assert (answer.status_code, answer.json()["message"]) == (404, "there is no such piece now; the list has changed")
