"""Uploads in chunks: they resume, and what is too much is refused."""

from __future__ import annotations

from asking import OWN, TUS, encoded

from restill.web.names import safe_name
from restill.web.uploads import WebLimits


def test_chunks_become_an_item(page, clip):
    data = clip.read_bytes()
    begun = page.begin(len(data), filename="rainy clip.mp4")
    assert begun.status_code == 201
    address, item_id = begun.headers["location"], begun.headers["restill-item"]
    assert address == f"/files/{item_id}"
    assert page.item(item_id)["state"] == "uploading"
    assert page.send(address, data[:1000]).headers["upload-offset"] == "1000"
    assert page.send(address, data[1000:], 1000).status_code == 204
    item = page.wait(item_id, "ready")
    assert (item["kind"], item["width"], item["height"], item["frames"]) == ("video", 64, 48, 60)
    assert item["name"] == "rainy clip.mp4"
    again = page.client.head(address)  # the page did not get the last answer
    assert again.headers["upload-offset"] == again.headers["upload-length"] == str(len(data))


def test_an_upload_goes_on_after_a_restart(page, open_page, clip):
    data = clip.read_bytes()
    address = page.begin(len(data), filename="a.mp4").headers["location"]
    page.send(address, data[:777])
    again = open_page()
    looked = again.client.head(address)
    assert (looked.headers["upload-offset"], looked.headers["cache-control"]) == ("777", "no-store")
    assert again.send(address, data[777:], 777).status_code == 204
    again.wait(address.rpartition("/")[2], "ready")


def test_a_wrong_offset_is_refused(page):
    address = page.begin(10, filename="a.mp4").headers["location"]
    page.send(address, b"12345")
    assert page.send(address, b"12345", 4).status_code == 409
    assert page.send(address, b"12345", 6).status_code == 409
    assert page.client.head(address).headers["upload-offset"] == "5"


def test_more_than_announced_is_refused(page):
    address = page.begin(3, filename="a.mp4").headers["location"]
    assert page.send(address, b"12345").status_code == 413
    assert page.item(address.rpartition("/")[2])["state"] == "uploading"


def test_the_protocol_is_kept(page):
    assert page.client.options("/files/").headers["tus-extension"] == "creation,termination"
    no_length = {**TUS, "Origin": OWN, "Upload-Metadata": encoded(filename="a")}
    for headers in (no_length, {**no_length, "Upload-Length": "-1"}, {**no_length, "Upload-Length": "1e3"}):
        answer = page.client.post("/files/", headers=headers)
        assert answer.status_code == 400
        assert "Upload-Length" in answer.json()["message"]
    assert page.client.post("/files/", headers={"Origin": OWN, "Upload-Length": "1"}).status_code == 400
    bad = {**TUS, "Origin": OWN, "Upload-Length": "1", "Upload-Metadata": "filename ?"}
    assert "not base64" in page.client.post("/files/", headers=bad).json()["message"]
    address = page.begin(10, filename="a.mp4").headers["location"]
    plain = {**TUS, "Origin": OWN, "Upload-Offset": "0", "Content-Type": "text/plain"}
    assert page.client.patch(address, content=b"1", headers=plain).status_code == 415
    assert page.get("/api/items").json()[0]["state"] == "uploading"


def test_an_upload_can_be_ended(page, tmp_path):
    address = page.begin(10, filename="a.mp4").headers["location"]
    page.send(address, b"123")
    assert page.client.delete(address, headers={**TUS, "Origin": OWN}).status_code == 204
    assert page.client.head(address).status_code == 404
    assert page.get("/api/items").json() == []
    assert list((tmp_path / "web" / "uploads").iterdir()) == []


def test_limits_are_kept(open_page, tmp_path):
    page = open_page(uploads=WebLimits(bytes=100, items=2))
    assert "at most 100" in page.begin(101, filename="a.mp4").json()["message"]
    assert page.begin(100, filename="a.mp4").status_code == 201
    assert page.begin(100, filename="b.mp4").status_code == 201
    refused = page.begin(100, filename="c.mp4")
    assert refused.status_code == 413
    assert "delete some first" in refused.json()["message"]


def test_a_full_disk_is_refused(open_page):
    page = open_page(uploads=WebLimits(free=1 << 60))
    assert "too little room" in page.begin(1, filename="a.mp4").json()["message"]


def test_what_is_no_video_fails_in_one_sentence(page, tmp_path):
    for name, content in (("a.mp4", b"no video at all" * 99), ("b.png", b"\x89PNG"), ("c.mov", b"")):
        (tmp_path / name).write_bytes(content)
        item = page.wait(page.upload(tmp_path / name), "failed")
        assert item["message"].startswith(f"'{name}'")
        assert str(tmp_path) not in item["message"]


def test_names_stay_in_their_folder(page, clip, tmp_path):
    tricks = ("../../evil.mp4", "/etc/evil.mp4", "..", "a\0b.mp4", "C:\\x\\evil.mp4", "\u202egpj.mp4", "x" * 5000, "")
    for name in tricks:
        begun = page.begin(5, filename=name)
        assert begun.status_code == 201, name
        page.send(begun.headers["location"], b"12345")
        page.wait(begun.headers["restill-item"], "failed")
        source = tmp_path / "web" / "items" / begun.headers["restill-item"] / "source"
        (file,) = source.iterdir()
        assert file.name == safe_name(name or "file")
        assert len(file.name) <= 160
    assert not list(tmp_path.rglob("../evil*"))
