"""Previews and thumbnails: a moment as the job would make it, before above after."""

from __future__ import annotations

import io
import time

import av
import numpy as np
import pytest
from PIL import Image

from restill.restoring.api import restore
from restill.video import read_frames
from restill.video.moment import Moment
from restill.video.pictures import write_picture

STUDENT = {"student": "min-median"}


def made(page, item_id, **body):
    """Ask for a preview and wait for it."""
    answer = page.post(f"/api/items/{item_id}/preview", {**STUDENT, **body})
    assert answer.status_code == 200, answer.text
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = page.get(f"/api/previews/{answer.json()['id']}").json()
        if found["state"] != "running":
            return found
        time.sleep(0.01)
    raise AssertionError(found)


def test_a_moment_of_a_clip(page, clip, tmp_path):
    item_id = page.ready(clip)
    found = made(page, item_id, at=1, seconds=0.4)
    assert (found["state"], found["frames"], found["width"], found["height"]) == ("done", 10, 64, 48)
    (tmp_path / "got.mp4").write_bytes(page.get(found["video"]).content)
    frames = list(read_frames(tmp_path / "got.mp4"))
    assert frames[0].shape == (96, 64, 3)
    restore(clip, tmp_path / "own.mp4", "min-median", preview=Moment(1, 0.4), quiet=True)
    before, after = list(read_frames(clip))[25:35], list(read_frames(tmp_path / "own.mp4"))
    for stacked, *halves in zip(frames, before, after, strict=True):
        for half, expected in zip(np.split(stacked, 2), halves, strict=True):
            assert np.abs(half.astype(int) - expected).mean() < 4
    with av.open(str(tmp_path / "got.mp4")) as container:
        assert all(packet.is_keyframe for packet in container.demux(video=0) if packet.size)


def test_a_picture(page, tmp_path):
    write_picture(tmp_path / "a.png", np.full((30, 41, 3), 90, np.uint8))
    item_id = page.ready(tmp_path / "a.png")
    assert page.item(item_id)["kind"] == "picture"
    found = made(page, item_id)
    assert (found["state"], found["video"]) == ("done", None)
    assert Image.open(io.BytesIO(page.get(found["image"]).content)).size == (41, 60)


def test_rain_on_a_clip(page, clip):
    item_id = page.ready(clip, task="rain")
    assert page.item(item_id)["task"] == "rain"
    found = made(page, item_id, at=1, seconds=0.2, task="rain", rain={"strength": "storm", "wind": -3, "seed": 4})
    assert (found["state"], found["frames"]) == ("done", 5)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"at": -1}, "'at' is wrong"),
        ({"seconds": 11}, "'seconds' is wrong"),
        ({"seconds": 0}, "'seconds' is wrong"),
        ({"at": "soon"}, "'at' is wrong"),
        ({"student": "x"}, "is not known"),
        ({"rain": {"strength": "hail"}}, "'rain.strength' is wrong"),
    ],
)
def test_a_wrong_preview_is_one_sentence(page, clip, body, says):
    answer = page.post(f"/api/items/{page.ready(clip)}/preview", body)
    assert answer.status_code in (400, 422)
    assert says in answer.json()["message"]


def test_a_moment_outside_fails_in_one_sentence(page, clip):
    found = made(page, page.ready(clip), at=99)
    assert found["state"] == "failed"
    assert found["message"] == "the moment 3s@1:39.0 is not in 'rainy_clip.mp4', which has 2.4 seconds"


def test_only_its_own_file_is_served(page, clip):
    item_id = page.ready(clip)
    found = made(page, item_id, at=1, seconds=0.1)
    for name in ("x.mp4", "..%2fitem.json", "%2e%2e/preview.mp4", "preview.mp4%00"):
        assert page.get(f"/api/previews/{found['id']}/{name}").status_code == 404
    assert page.delete(f"/api/items/{item_id}").status_code == 204
    assert page.get(found["video"]).status_code == 404
    assert page.get(f"/api/previews/{found['id']}").status_code == 404


def test_old_previews_go(page, clip, tmp_path):
    item_id = page.ready(clip)
    first = made(page, item_id, at=1, seconds=0.1)
    for _ in range(5):
        assert made(page, item_id, at=99)["state"] == "failed"  # which is fast
    assert page.get(first["video"]).status_code == 200
    last = made(page, item_id, at=1, seconds=0.1)
    assert page.get(first["video"]).status_code == 404
    assert page.get(last["video"]).status_code == 200
    assert len(list((tmp_path / "web" / "items" / item_id / "previews").iterdir())) == 6


def test_thumbnails(page, clip):
    item_id = page.ready(clip)
    frames = list(read_frames(clip))
    for at, number in ((0, 0), (1, 25), (99, 59)):
        answer = page.get(f"/api/items/{item_id}/thumbnail?at={at}")
        assert answer.headers["content-type"] == "image/jpeg"
        picture = np.asarray(Image.open(io.BytesIO(answer.content)))
        differences = [np.abs(picture.astype(int) - frame).mean() for frame in frames]
        assert differences[number] == min(differences)
    for wrong in ("-1", "nan", "x", "1e99"):
        assert page.get(f"/api/items/{item_id}/thumbnail?at={wrong}").status_code == 422
    assert page.get("/api/items/nothing/thumbnail").status_code == 404


def test_a_strip_of_the_whole_clip(page, clip):
    item_id = page.ready(clip)
    frames = list(read_frames(clip))
    strip = np.asarray(Image.open(io.BytesIO(page.get(f"/api/items/{item_id}/strip?count=4").content)))
    assert strip.shape == (48, 4 * 64, 3)
    for picture, number in zip(np.split(strip, 4, axis=1), (8, 23, 38, 53), strict=True):
        differences = [np.abs(picture.astype(int) - frame).mean() for frame in frames]
        assert abs(int(np.argmin(differences)) - number) <= 1
    for wrong in ("0", "21", "x"):
        assert page.get(f"/api/items/{item_id}/strip?count={wrong}").status_code == 422


def test_the_first_thumbnail_is_there_from_the_start(page, clip, monkeypatch):
    item_id = page.ready(clip)
    monkeypatch.setattr("restill.restoring.sandbox.run", None)
    assert page.get(f"/api/items/{item_id}/thumbnail").headers["content-type"] == "image/jpeg"
