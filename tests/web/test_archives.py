"""A ZIP archive of frames: only its pictures come out, and never outside their folder."""

from __future__ import annotations

import io
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
from PIL import Image

from restill.web import unpacking


def png(value: int = 60) -> bytes:
    memory = io.BytesIO()
    Image.fromarray(np.full((30, 40, 3), value, np.uint8)).save(memory, "PNG")
    return memory.getvalue()


def archive(path, names, data=None):
    with ZipFile(path, "w", ZIP_DEFLATED) as file:
        for number, name in enumerate(names):
            file.writestr(name, data or png(60 + number))
    return path


def test_frames_in_an_archive(page, tmp_path):
    names = ["shots/f10.png", "shots/f2.png", "shots/readme.txt", "__MACOSX/shots/._f2.png", "shots/F2.PNG"]
    item = page.wait(page.upload(archive(tmp_path / "shots.zip", names)), "ready", "failed")
    assert (item["name"], item["kind"], item["frames"], item["message"]) == ("shots", "frames", 3, "")
    source = tmp_path / "web" / "items" / item["id"] / "source"
    assert sorted(file.name for file in source.iterdir()) == ["000002_f2.png", "000003_F2.PNG", "f10.png"]


def test_no_name_leads_out(page, tmp_path):
    names = ["../../../out.png", "/etc/out.png", "a/../../out.png", "..\\..\\out.png", "out\0.png"]
    item = page.wait(page.upload(archive(tmp_path / "a.zip", names)), "ready", "failed")
    assert item["kind"] == "frames"
    inside = tmp_path / "web" / "items" / item["id"] / "source"
    assert {file.parent for file in tmp_path.rglob("*out*.png")} == {inside}


def test_bad_archives_fail_in_one_sentence(page, tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "LARGEST", 200)
    cases = {
        "no.zip": (b"no archive", "cannot be read as a ZIP archive"),
        "bomb.zip": (archive(tmp_path / "b", ["a.png"], b"\0" * 9999).read_bytes(), "too many bytes"),
        "text.zip": (archive(tmp_path / "t", ["a.txt"]).read_bytes(), "holds 0 pictures"),
        "cut.zip": (archive(tmp_path / "c", ["a.png"]).read_bytes()[:90], "cannot be read as a ZIP archive"),
    }
    for name, (data, says) in cases.items():
        (tmp_path / name).write_bytes(data)
        item = page.wait(page.upload(tmp_path / name), "failed")
        assert item["message"].startswith(f"'{name}'")
        assert says in item["message"]
