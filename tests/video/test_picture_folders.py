"""Folders of pictures: every file has a result or is named; photographs are told from the frames of a clip."""

from __future__ import annotations

import os
import string
import tempfile
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from small_pictures import GRID, ICC, animated, exif, full

from restill.errors import RestillError
from restill.restoring.api import restore
from restill.restoring.choose import named
from restill.restoring.request import Request
from restill.video import probe, read_frames, transcode
from restill.video.decode import open_source
from restill.video.fingerprint import input_fingerprint
from restill.video.photographs import are_unlike, decide
from restill.video.picture_names import natural_key, result_names
from restill.video.pictures import write_picture
from restill.video.survey import survey

LETTERS = "aAbß²1" + "é"
STEMS = st.text(LETTERS + ".- ", min_size=1, max_size=4).filter(lambda stem: stem.strip(". ") != "")
KINDS = st.sampled_from([".jpg", ".JPG", ".png", ".bmp", ".webp", ".tif", ".txt", ".mp4", "", "broken.png", "link.jpg"])


def noise(seed: int, width: int = 96, height: int = 72) -> np.ndarray:
    """A picture of soft blobs, another for each seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 6, width // 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def photographs(folder: Path, count: int = 5) -> Path:
    folder.mkdir()
    for number in range(count):
        write_picture(folder / f"p{number}.png", noise(number))
    return folder


def clip_of_frames(folder: Path, count: int = 5, step: int = 3) -> Path:
    """A camera that pans."""
    folder.mkdir()
    wide = noise(0, 96 + step * count)
    for number in range(count):
        write_picture(folder / f"f{number}.png", wide[:, step * number : step * number + 96])
    return folder


def noted(work) -> tuple[object, str]:
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        result = work()
    return result, "\n".join(str(note.message) for note in notes)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.tuples(STEMS, KINDS), st.integers(0, 9), min_size=1, max_size=8), st.booleans())
def test_every_file_has_a_result_of_its_own_or_is_named(files, alone):
    with tempfile.TemporaryDirectory() as made:
        folder, out = Path(made) / "in", Path(made) / "out"
        folder.mkdir()
        readable, others = set(), set()
        for (stem, kind), number in files.items():
            path = folder / f"{stem}{kind}"
            (readable if kind.lower() in (".jpg", ".png", ".bmp", ".webp", ".tif") else others).add(path.name)
            if kind == "link.jpg":
                path.symlink_to("nowhere")
            elif path.name in readable:
                write_picture(path, np.full((8, 8, 3), number, np.uint8))
            else:
                path.write_bytes(b"no picture")
        hidden = {name for name in readable if name.startswith(".")}
        readable, others = readable - hidden, others | hidden
        if not readable:
            with pytest.raises(RestillError, match="holds no picture"):
                open_source(folder)
            return
        source = open_source(folder)
        decide(source, alone, to_folder=True)
        _, notes = noted(lambda: transcode(source, out, lambda frames: frames))
        assert len(list(out.iterdir())) == len(readable)
        for name in others:
            assert f"'{name}'" in notes or " more" in notes


@given(st.lists(st.text(string.ascii_letters + ".", min_size=1, max_size=5), min_size=1, max_size=8, unique=True))
def test_no_two_results_have_one_name(names):
    files = [Path(f"{name}{suffix}") for name in names for suffix in (".png", ".PNG", ".jpg", ".png.jpg")]
    files = list(dict.fromkeys(files))
    for suffixes in ([".png"] * len(files), [file.suffix.lower() for file in files]):
        results = result_names(files, suffixes)
        assert len({name.casefold() for name in results}) == len(files)
        assert all(name.endswith(suffix) for name, suffix in zip(results, suffixes, strict=True))


def test_results_keep_stems_that_no_other_file_has():
    files = [Path(name) for name in ("f1.jpg", "f2.jpg", "f2.png", f"{'ä' * 125}.heic")]
    names = result_names(files, [".png"] * 4)
    assert names[:3] == ["f1.png", "f2.jpg.png", "f2.png.png"]
    assert all(len(os.fsencode(name)) <= 255 for name in result_names([Path("x" * 251 + ".bmp")] * 2, [".png"] * 2))


def test_natural_order_of_any_digits():
    names = ["a²2", "a10", "a9", "a2", "a٣", "a02"]
    assert [path.name for path in sorted(map(Path, names), key=natural_key)][:4] == ["a02", "a2", "a9", "a10"]


def test_files_that_are_not_read_are_named(tmp_path):
    folder = clip_of_frames(tmp_path / "in", 3)
    (folder / "loop.png").symlink_to("loop.png")
    (folder / ".lock").symlink_to("nowhere")
    (folder / "movie.mp4").write_bytes(b"no video")
    (folder / "bad.png").write_bytes(b"no picture")
    (folder / "sub").mkdir()
    (folder / "Thumbs.db").touch()
    os.mkfifo(folder / "pipe.png")
    assert input_fingerprint(folder) == input_fingerprint(folder)
    summary, notes = noted(lambda: transcode(folder, tmp_path / "out", lambda frames: frames))
    assert summary.frames == 3
    for name in ("loop.png", ".lock", "movie.mp4", "bad.png", "sub", "pipe.png"):
        assert f"'{name}'" in notes
    assert "Thumbs.db" not in notes
    for file in folder.glob("f*.png"):
        file.unlink()
    with pytest.raises(RestillError, match=r"holds no picture that can be read: 'bad\.png'"):
        probe(folder)


def test_a_folder_that_may_not_be_read_is_one_sentence(tmp_path, monkeypatch):
    def refused(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(RestillError, match="cannot be read: Permission denied"):
        probe(tmp_path)


@pytest.mark.parametrize("step", [0, 1, 3, 6])
def test_a_moving_clip_is_a_clip(tmp_path, step):
    assert not are_unlike(survey(clip_of_frames(tmp_path / "in", step=step)), open_source(tmp_path / "in").limits)


@pytest.mark.parametrize("count", [2, 5, 12])
def test_photographs_are_noticed(tmp_path, count):
    source = open_source(photographs(tmp_path / "in", count))
    line = decide(source, None, to_folder=True)
    assert line.endswith("neighboring pictures have nothing in common (--clip restores them as a clip)")
    assert source.info.alone


def test_pages_are_photographs_where_they_have_nothing_in_common(tmp_path):
    pages = [Image.fromarray(noise(number)) for number in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert "nothing in common" in decide(open_source(tmp_path / "a.tif"), None, to_folder=True)
    pages = [Image.open(file) for file in sorted(clip_of_frames(tmp_path / "c").iterdir())]
    pages[0].save(tmp_path / "b.tif", save_all=True, append_images=pages[1:])
    assert decide(open_source(tmp_path / "b.tif"), None, to_folder=True) == ""


def test_it_can_be_forced_either_way(tmp_path):
    photos, frames = open_source(photographs(tmp_path / "p")), open_source(clip_of_frames(tmp_path / "c"))
    assert decide(photos, False, to_folder=True) == decide(frames, True, to_folder=True) == ""
    assert (photos.info.alone, frames.info.alone) == (False, True)


def test_the_student_for_pictures_restores_photographs(tmp_path):
    source = open_source(photographs(tmp_path / "p"))
    decide(source, None, to_folder=True)
    name, why = named(Request(tmp_path / "p", tmp_path / "out"), source.info)
    assert (name, why) == ("rill-p", "the default for pictures")


def test_a_folder_of_photographs_becomes_what_each_alone_becomes(tmp_path):
    folder = photographs(tmp_path / "in", 3)
    write_picture(folder / "p9.jpg", noise(9, 60, 84))
    Image.fromarray(noise(7)).save(folder / "p8.webp", exif=exif().tobytes(), icc_profile=ICC, lossless=True)
    restore(folder, tmp_path / "out", "rill-p", quiet=True)
    for file in sorted(folder.iterdir()):
        restore(file, tmp_path / f"one{file.suffix}", "rill-p", quiet=True, overwrite=True)
        together, one = tmp_path / "out" / file.name, tmp_path / f"one{file.suffix}"
        assert together.read_bytes() == one.read_bytes()


def test_sizes_that_differ_are_photographs_or_refused(tmp_path):
    folder = photographs(tmp_path / "in", 2)
    write_picture(folder / "q.png", noise(5, 60, 60))
    differ = r"'p0\.png' is 96x72, 'q\.png' 60x60"
    assert "have different sizes ('p0.png' is 96x72" in decide(open_source(folder), None, to_folder=True)
    with pytest.raises(RestillError, match=rf"{differ}\); remove --clip"):
        decide(open_source(folder), False, to_folder=True)
    with pytest.raises(RestillError, match=f"different sizes: {differ}; name a folder"):
        restore(folder, tmp_path / "out.mp4", "min-median", quiet=True)
    with pytest.raises(RestillError, match=r"q\.png' is 60x60 .*--pictures to restore each separately"):
        list(read_frames(folder))


def test_what_frames_hold_is_kept_in_folders_and_named_for_videos(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(2):
        full(folder / f"f{number}.png")
    _, notes = noted(lambda: transcode(folder, tmp_path / "out", lambda frames: frames))
    with Image.open(tmp_path / "out" / "f1.png") as picture:
        assert picture.info["icc_profile"] == ICC
    assert notes == "transparency is not kept: 'f0.png', 'f1.png'"
    _, notes = noted(lambda: transcode(folder, tmp_path / "out.mp4", lambda frames: frames))
    assert "the ICC color profile is not kept: 'f0.png', 'f1.png'" in notes
    animated(folder / "f2.webp")
    (folder / "grid.avif").write_bytes(GRID)
    source = open_source(folder)
    decide(source, True, to_folder=True)
    _, notes = noted(lambda: transcode(source, tmp_path / "all", lambda frames: frames))
    assert sorted(file.name for file in (tmp_path / "all").iterdir()) == ["f0.png", "f1.png", "f2.webp", "grid.jpg"]
    assert "only the first of its 4 pictures is restored: 'f2.webp'" in notes


@pytest.mark.parametrize("start", [0, 1, 2])
def test_a_photograph_that_breaks_off_is_named_and_the_others_are_restored(tmp_path, start):
    folder = photographs(tmp_path / "in", 4)
    write_picture(folder / "p1.jpg", noise(7))
    data = (folder / "p1.jpg").read_bytes()
    (folder / "p1.jpg").write_bytes(data[: len(data) // 2])
    source = open_source(folder)
    with pytest.raises(RestillError, match=r"p1\.jpg' cannot be read as a picture: "):
        list(source.frames())
    decide(source, True, to_folder=True)
    frames, notes = noted(lambda: [ticket.file for _, ticket in source.frames(start=start)])
    assert frames == ["p0.png", "p1.png", "p2.png", "p3.png"][start:]
    assert "p1.jpg' cannot be read as a picture" in notes


def test_a_folder_of_videos_says_what_to_do(tmp_path):
    (tmp_path / "a.mp4").touch()
    with pytest.raises(RestillError, match=r"holds no pictures, only 'a\.mp4': videos are given one by one"):
        probe(tmp_path)


def test_the_frames_of_a_video_are_restored_alone_on_request(clip):
    source = open_source(clip("a.mp4"))
    assert not source.info.alone
    assert decide(source, True, to_folder=False) == ""
    assert source.info.alone
    source.close()


def test_a_folder_of_one_photograph_keeps_its_format(tmp_path):
    folder = photographs(tmp_path / "in", 0)
    write_picture(folder / "a.jpg", noise(1))
    restore(folder, tmp_path / "out", "min-median", quiet=True)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["a.jpg"]
