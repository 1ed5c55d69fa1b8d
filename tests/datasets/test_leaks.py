"""A test picture in a training set is found by what it shows, under whatever name."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from restill.datasets import open_paired, open_source
from restill.datasets.leaks import (
    DIGEST,
    FLAT,
    TRAINED_ON,
    digest,
    digests,
    find_leaks,
    refuse_test_pictures,
    remember_tests,
    trained_on,
    write_trained_on,
)
from restill.errors import RestillError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESTILL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def noise(path: Path, seed: int, *options: int) -> np.ndarray:
    """A picture file of noise; the picture, RGB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = np.random.default_rng(seed).integers(0, 256, (16, 20, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), made[..., ::-1], list(options))
    return made


def pairs(root: Path, split: str, seeds: range) -> Path:
    for seed in seeds:
        noise(root / split / "input" / f"{seed}.png", seed)
        noise(root / split / "target" / f"{seed}.png", 1000 + seed)
    return root


def test_copies_are_found_however_they_are_packed(tmp_path: Path) -> None:
    test = open_paired("rain200h", pairs(tmp_path / "test", "test", range(3)))
    clean = tmp_path / "clean"
    for seed in (7, 8):
        noise(clean / "mine" / f"{seed}.png", seed)
    train = open_source("clean-clips", clean)
    assert find_leaks([train], [test]) == []

    noise(clean / "other" / "1.png", 50)
    noise(clean / "other" / "2.png", 1001, cv2.IMWRITE_PNG_COMPRESSION, 0)  # other bytes, the same picture
    train = open_source("clean-clips", clean)
    (leak,) = find_leaks([train])  # the test set is known by now
    assert leak.training == f"{clean / 'other'}, frame 2"
    assert leak.test.endswith("test/target/1.png")
    with pytest.raises(RestillError, match=r"other, frame 2 is the same picture as .*target/1\.png.*--allow-test"):
        refuse_test_pictures([train])
    assert find_leaks([open_source("clean-clips", clean, ["mine"])]) == []


def test_either_side_and_either_half(tmp_path: Path) -> None:
    find_leaks([], [open_paired("rain200h", pairs(tmp_path / "test", "test", range(2)))])
    halves = tmp_path / "halves" / "train" / "1.png"
    halves.parent.mkdir(parents=True)
    left = cv2.imread(str(tmp_path / "test" / "test" / "input" / "1.png"))
    assert cv2.imwrite(str(halves), np.hstack([left[::-1], left]))
    (leak,) = find_leaks([open_paired("rain200h", tmp_path / "halves", "train")])
    assert leak.training == f"{halves} (its right half)"
    assert leak.test.endswith("test/input/1.png")


def test_a_digest_is_made_once_and_anew_when_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = open_paired("rain200h", pairs(tmp_path, "train", range(4)), "train")
    before = digests(train)
    assert [len(code) for code in before] == [2 * DIGEST] * 4
    reads = []
    monkeypatch.setattr("restill.datasets.leaks.digest", lambda picture: reads.append(1) or digest(picture))
    assert digests(open_paired("rain200h", tmp_path, "train")) == before
    assert not reads
    noise(tmp_path / "train" / "input" / "2.png", 99, cv2.IMWRITE_PNG_COMPRESSION, 0)
    after = digests(open_paired("rain200h", tmp_path, "train"))
    assert len(reads) == 2
    assert [a == b for a, b in zip(after, before, strict=True)] == [True, True, False, True]


def test_black_is_nobodys_picture(tmp_path: Path) -> None:
    black = np.zeros((4, 4, 3), np.uint8)
    assert digest(black) == FLAT
    remember_tests([("black.png", digest(black))])
    (tmp_path / "clips" / "dark").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "clips" / "dark" / "1.png"), black)
    assert find_leaks([open_source("clean-clips", tmp_path / "clips")]) == []


def test_small_frames_are_not_pictures_of_the_files(tmp_path: Path) -> None:
    for t in range(2):
        noise(tmp_path / "walk" / f"{t}.png", t)
    data = open_paired("vid4", tmp_path)
    assert digests(data) == [b"".join(digest(noise(tmp_path / f"{t}.png", t)) for t in range(2))]


def test_a_run_says_what_it_was_trained_on(tmp_path: Path) -> None:
    train = open_paired("rain200h", pairs(tmp_path, "train", range(2)), "train")
    run = tmp_path / "run"
    (run / "checkpoint-000010").mkdir(parents=True)
    for code in digests(train):  # once for each start
        write_trained_on(run, code + FLAT)
    assert len((run / TRAINED_ON).read_bytes()) == 4 * DIGEST
    wanted = {digest(noise(tmp_path / "again.png", seed)) for seed in (0, 1, 1000, 1001)}
    for place in (run, run / "student.safetensors", run / "checkpoint-000010", run / "checkpoint-000010" / "x"):
        assert trained_on(place) == wanted
    assert trained_on(tmp_path / "elsewhere" / "a" / "b") == frozenset()


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RESTILL_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="cannot record.*RESTILL_CACHE"):
        remember_tests([("a.png", b"1" * DIGEST)])
    with pytest.raises(RestillError, match="set RESTILL_CACHE"):
        find_leaks([open_paired("rain200h", pairs(tmp_path, "train", range(1)), "train")])


def test_a_data_base_that_is_none(tmp_path: Path, cache: Path) -> None:
    cache.mkdir()
    (cache / "pictures.sqlite").write_text("no data base " * 100)
    with pytest.raises(RestillError, match=r"pictures\.sqlite: cannot be used"):
        find_leaks([open_paired("rain200h", pairs(tmp_path, "train", range(1)), "train")])
    shutil.rmtree(cache)
