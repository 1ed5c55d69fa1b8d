"""Clips and files that a training does not use are named in one line, with the reason."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from restill.datasets.clean_photos import find_photos
from restill.datasets.clips import ClipSamples
from restill.datasets.files import find_clips
from restill.errors import RestillError
from restill.progress import some


class Shapes:
    """A source of which only the shapes are known."""

    def __init__(self, **shapes: tuple[int, int, int]) -> None:
        self.names, self._shapes = list(shapes), list(shapes.values())

    def shape(self, clip: int) -> tuple[int, int, int]:
        return self._shapes[clip]


def samples(source: Shapes, what: str = "clips") -> ClipSamples:
    return ClipSamples(source, 1, 0, crop=64, centres=2, context=1, align="none", what=what)  # type: ignore[arg-type]


def test_clips_that_are_too_short_or_too_small_are_named(capsys):
    source = Shapes(good=(9, 64, 64), single=(1, 80, 80), short=(3, 64, 64), small=(9, 32, 90), low=(9, 90, 32))
    assert samples(source, "left-out test clips").usable == [0]
    assert capsys.readouterr().err == (
        "4 of 5 left-out test clips are not used: single has 1 frame, short has 3 frames, small is 90x32 and 1 more; "
        "4 frames of at least 64x64 pixels are needed\n"
    )
    with pytest.raises(RestillError, match=r"none of the held-out clips can be used \(a has 2 frames\): 4 frames"):
        samples(Shapes(a=(2, 64, 64)), "held-out clips")


def test_files_of_a_folder_of_clips_are_named(tmp_path: Path, capsys):
    for folder in ("v", "w", "empty"):
        (tmp_path / folder).mkdir()
    for file in ("v/0.png", "w/0.png", "v.mp4", "u.mp4", "u.mkv", "notes.txt", ".hidden"):
        (tmp_path / file).write_bytes(b"x")
    (tmp_path / "lost.mp4").symlink_to("nowhere")
    found = {name: path.name for name, path in find_clips(tmp_path).items()}
    assert found == {"u": "u.mkv", "v": "v", "w": "w"}
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    reasons = "empty/ (empty), lost.mp4 (a broken link), notes.txt (neither a video nor a folder) and 2 more"
    assert f"not used: {reasons}" in said
    find_clips(tmp_path)
    assert not capsys.readouterr().err  # once is enough


def test_files_of_a_folder_of_photographs_are_named(tmp_path: Path, capsys):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "b.cr2").write_bytes(b"x")
    assert find_photos(tmp_path) == ["a.png"]
    assert ": b.cr2\n" in capsys.readouterr().err


def test_some_of_many_names():
    assert some(["a"]) == "a"
    assert some(list("abc")) == "a, b, c"
    assert some(list("abcde")) == "a, b, c and 2 more"
