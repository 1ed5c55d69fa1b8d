"""Samples are made once: in a run, in the next one, and whatever happened to the files."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import torch

from restill.datasets import cached_samples as kept
from restill.datasets.cached_samples import CachedSamples, SampleStore
from restill.datasets.files import cache_folder


class Made:
    """Counts what is made."""

    def __init__(self) -> None:
        self.made: list[int] = []

    def __len__(self) -> int:
        return 100

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        self.made.append(index)
        return {"clean": torch.full((1, 3, 8, 8), index, dtype=torch.uint8)}


def fill(samples: Made, made_by: object = "seed 1", count: int = 12, distinct: int = 5) -> list[int]:
    """A run over the samples; what each one shows."""
    run = CachedSamples(samples, distinct, SampleStore(made_by))  # type: ignore[arg-type]
    return [int(run[i]["clean"][0, 0, 0, 0]) for i in range(count)]


def folders() -> list[Path]:
    return sorted((cache_folder() / "samples").iterdir())


def test_a_second_run_makes_none_and_another_makes_its_own():
    samples = Made()
    assert fill(samples) == [i % 5 for i in range(12)]
    assert samples.made == [0, 1, 2, 3, 4]
    assert fill(samples) == [i % 5 for i in range(12)]
    assert samples.made == [0, 1, 2, 3, 4]
    fill(samples, "seed 2")
    assert samples.made == [0, 1, 2, 3, 4] * 2


def test_other_code_makes_them_anew(monkeypatch):
    samples = Made()
    fill(samples)
    monkeypatch.setattr(kept, "code_version", lambda: "another")
    fill(samples)
    assert len(samples.made) == 10


def test_what_was_cut_off_or_damaged_is_made_anew():
    samples = Made()
    fill(samples)
    (folder,) = folders()
    (folder / "0000001.safetensors").write_bytes(b"half a file")
    (folder / "0000002.safetensors").unlink()
    (folder / "0000003.999.partial").write_bytes(b"cut off")
    samples.made.clear()
    assert fill(samples) == [i % 5 for i in range(12)]
    assert samples.made == [1, 2]


def test_several_may_write_at_once():
    samples, seen = Made(), []
    runs = [threading.Thread(target=lambda: seen.append(fill(samples))) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert seen == [[i % 5 for i in range(12)]] * 4


def test_all_together_are_bounded_and_the_oldest_go_first(monkeypatch):
    fill(Made(), "old")
    (old,) = folders()
    os.utime(old, (1, 1))
    each = sum(file.stat().st_size for file in old.iterdir())
    monkeypatch.setattr(kept, "MOST_BYTES", 3 * each)
    fill(Made(), "new")
    assert old in folders()
    fill(Made(), "newer")
    fill(Made(), "newest")
    assert old not in folders()
    assert sum(file.stat().st_size for folder in folders() for file in folder.iterdir()) <= 3 * each


@pytest.mark.parametrize("limit", ["MOST_BYTES", "SPARE_BYTES"])
def test_where_there_is_no_room_memory_does(limit, monkeypatch):
    monkeypatch.setattr(kept, limit, 0 if limit == "MOST_BYTES" else 1 << 62)
    samples = Made()
    assert fill(samples) == [i % 5 for i in range(12)]
    assert samples.made == [0, 1, 2, 3, 4]
    assert not list(folders()[0].iterdir())


def test_where_nothing_can_be_written_memory_does(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("RESTILL_CACHE", str(tmp_path / "file"))
    samples = Made()
    fill(samples)
    assert samples.made == [0, 1, 2, 3, 4]
