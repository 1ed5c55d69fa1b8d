"""The queue: jobs run one after the other, pause, resume, are cancelled, and survive the server."""

from __future__ import annotations

import numpy as np
import pytest
from asking import SETTINGS

from restill.degradations.rain import rain_frames
from restill.degradations.rain_settings import named_rain
from restill.restoring.api import restore
from restill.video import read_frames, transcode
from restill.web import queue


def frames(path):
    return [frame.tobytes() for frame in read_frames(path)]


def test_a_job_gives_what_the_command_gives(page, clip, tmp_path):
    item_id = page.ready(clip)
    assert page.post(f"/api/items/{item_id}/start", SETTINGS).json()["state"] in ("waiting", "running")
    item = page.wait(item_id, "done")
    assert (item["frames_done"], item["message"]) == (60, "")
    assert item["result"]["name"] == "rainy_clip.derained.mp4"
    answer = page.get(f"/api/items/{item_id}/result")
    assert "attachment" in answer.headers["content-disposition"]
    assert len(answer.content) == item["result"]["size"]
    (tmp_path / "got.mp4").write_bytes(answer.content)
    restore(clip, tmp_path / "own.mp4", "min-median", quiet=True)
    assert frames(tmp_path / "got.mp4") == frames(tmp_path / "own.mp4")
    part = page.get(f"/api/items/{item_id}/result", headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.content) == (206, answer.content[:10])


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"strength": 3}, "'strength' is wrong"),
        ({"quality": "huge"}, "'quality' is wrong"),
        ({"student": "/etc/passwd"}, "is not known"),
        ({"student": "../mine.onnx"}, "is not known"),
        ({"output": "/etc/x"}, "'output' is wrong"),
        ({"task": "delete"}, "'task' is wrong"),
    ],
)
def test_wrong_settings_are_one_sentence(page, clip, body, says):
    answer = page.post(f"/api/items/{page.ready(clip)}/start", body)
    assert answer.status_code in (400, 422)
    assert says in answer.json()["message"]


def test_what_is_not_ready_does_not_start(page):
    item_id = page.begin(10, filename="a.mp4").headers["restill-item"]
    answer = page.post(f"/api/items/{item_id}/start", {})
    assert (answer.status_code, "uploading" in answer.json()["message"]) == (409, True)
    for action in ("pause", "resume", "cancel"):
        assert page.post(f"/api/items/{item_id}/{action}").status_code == 409
        assert page.post(f"/api/items/nothing/{action}").status_code == 404
    assert page.get(f"/api/items/{item_id}/result").status_code == 409


def test_pause_and_resume_keep_what_is_done(page, clip, held, running, tmp_path):
    item_id = running
    assert page.post(f"/api/items/{item_id}/pause").json()["state"] == "paused"
    held.set()
    other = page.ready(clip)
    page.post(f"/api/items/{other}/start", SETTINGS)
    page.wait(other, "done")  # the queue goes on with the next
    assert page.item(item_id)["state"] == "paused"
    assert list((tmp_path / "web" / "items" / item_id / "result").rglob("*.part"))
    assert page.post(f"/api/items/{item_id}/resume").status_code == 200
    page.wait(item_id, "done")


def test_cancel_forgets(page, clip, held, running, tmp_path):
    item_id = running
    assert page.post(f"/api/items/{item_id}/cancel").json()["state"] == "cancelled"
    held.set()
    other = page.ready(clip)
    page.post(f"/api/items/{other}/start", SETTINGS)
    page.wait(other, "done")
    assert not (tmp_path / "web" / "items" / item_id / "result").exists()
    page.post(f"/api/items/{item_id}/start", SETTINGS)
    page.wait(item_id, "done")


def test_the_queue_goes_on_after_a_restart(page, open_page, clip, held, running):
    first, second = running, page.ready(clip)
    page.post(f"/api/items/{second}/start", SETTINGS)
    held.set()
    page.end()
    again = open_page()
    for item_id in (first, second):
        assert again.wait(item_id, "done")["frames_done"] == 60


def test_delete_removes_all(page, clip, held, running, tmp_path):
    item_id = running
    held.set()
    assert page.delete(f"/api/items/{item_id}").status_code == 204
    assert page.item(item_id) is None
    assert list((tmp_path / "web" / "items").iterdir()) == []


def test_only_own_files_are_served(page, clip, tmp_path):
    item_id = page.ready(clip)
    page.post(f"/api/items/{item_id}/start", SETTINGS)
    item = page.wait(item_id, "done")
    file = tmp_path / "web" / "items" / item_id / "result" / item["result"]["name"]
    file.unlink()
    file.symlink_to(tmp_path / "web" / "token")
    assert page.get(f"/api/items/{item_id}/result").status_code == 404


def test_a_fault_of_ours_does_not_stop_the_queue(page, clip, monkeypatch):
    first, second = page.ready(clip), page.ready(clip)
    pack = queue._packed
    monkeypatch.setattr(queue, "_packed", lambda *_: 1 / 0)
    page.post(f"/api/items/{first}/start", SETTINGS)
    assert "failed, which should not happen: ZeroDivisionError" in page.wait(first, "failed")["message"]
    monkeypatch.setattr(queue, "_packed", pack)
    page.post(f"/api/items/{second}/start", SETTINGS)
    page.wait(second, "done")


def test_rain_is_rendered_as_the_command_does(page, clip, tmp_path):
    item_id = page.ready(clip)
    rain = {"strength": "heavy", "wind": 2, "seed": 5}
    page.post(f"/api/items/{item_id}/start", {"task": "rain", "rain": rain})
    item = page.wait(item_id, "done")
    assert item["result"]["name"] == "rainy_clip.rain.mp4"
    (tmp_path / "got.mp4").write_bytes(page.get(f"/api/items/{item_id}/result").content)
    settings = named_rain("heavy", {}, 5, 2)
    transcode(clip, tmp_path / "own.mp4", lambda frames: rain_frames(frames, settings, 5, 25.0))
    got, own, clean = (list(read_frames(file)) for file in (tmp_path / "got.mp4", tmp_path / "own.mp4", clip))
    for mine, others, dry in zip(got, own, clean, strict=True):  # the command encodes in one segment, so not the same
        assert 3 * np.abs(mine.astype(int) - others).mean() < np.abs(mine.astype(int) - dry).mean()
    (piece,) = page.get(f"/api/items/{item_id}/watch").json()["pieces"]
    assert page.get(piece["url"]).status_code == 200
