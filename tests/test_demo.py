"""The demo: its clips move like a hand-held camera, and its page is self-contained and agrees with its numbers."""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from demo import before_after, clips, report
from PIL import Image


def test_clip_moves_smoothly_and_repeats() -> None:
    photo = clips.photograph("astronaut")
    clip = clips.make_clip(photo, 24, seed=3)
    assert all(frame.shape == (440, 440, 3) and frame.dtype == np.uint8 for frame in clip)
    steps = [np.abs(a.astype(int) - b).mean() for a, b in itertools.pairwise(clip)]
    assert all(0.2 < step < 30 for step in steps)
    assert all((a == b).all() for a, b in zip(clip, clips.make_clip(photo, 24, seed=3), strict=True))


@pytest.mark.parametrize("name", [*clips.TRAINING, *clips.HELD_OUT])
def test_photographs_need_no_download(name: str) -> None:
    photo = clips.photograph(name)
    assert photo.ndim == 3
    assert photo.shape[2] == 3


def test_a_picture_moves_and_fits_a_page(tmp_path: Path) -> None:
    frames = [np.full((40, 2 * before_after.WIDTH, 3), level, np.uint8) for level in (0, 100, 200)]
    before_after.animate(frames, tmp_path / "a.webp")
    with Image.open(tmp_path / "a.webp") as picture:
        assert picture.size == (before_after.WIDTH, 20)
        assert picture.n_frames == 3
        picture.seek(2)
        assert np.abs(np.asarray(picture.convert("RGB")).astype(int) - 200).max() < 4
        assert picture.info["duration"] == before_after.DURATION


def test_the_picture_of_the_page_is_small_and_moves() -> None:
    assert before_after.PICTURE.stat().st_size < 700_000
    with Image.open(before_after.PICTURE) as picture:
        assert picture.n_frames == before_after.FRAMES - 2


def score(label: str, psnr: float) -> report.Score:
    return report.Score(label, psnr, 0.9)


def a_report(alone: float, cstd: float) -> report.Report:
    frame = np.zeros((48, 64, 3), np.uint8)
    curve: report.Points = [(x, 0.1 / (1 + x)) for x in range(0, 200, 20)]
    return report.Report(
        "a machine <with> brackets",
        200,
        report.Restored("rill", frame, frame + 9, score("rain", 25), score("restored", 30), 48, 1.5, b"mp4"),
        report.Distilled(
            "rill",
            "a teacher",
            12345,
            67890,
            score("rainy input", 25),
            score("start", 26),
            report.Run(score("alone", alone), 200, 40, {"reconstruction": curve}),
            report.Run(score("CSTD", cstd), 200, 70, {"reconstruction": curve, "appearance": curve}),
            score("teacher", 31),
            {"clean": frame},
        ),
    )


def test_page_stands_alone() -> None:
    page = report.build(a_report(27, 28))
    assert not re.search(r"(src|href)\s*=\s*[\"']?(?!data:)\w", page)
    assert "http" not in page
    assert "$" not in page
    assert "&lt;with&gt;" in page
    assert page.count("<svg") == 2
    assert "all-frames" in page


@pytest.mark.parametrize(
    ("alone", "cstd", "said"),
    [
        (27, 28, "distilled with CSTD is 1.00 dB better than the one trained alone"),
        (28, 27, "trained alone is 1.00 dB better than the one distilled with CSTD"),
        (27, 27.01, "almost no difference: +0.01 dB"),
    ],
)
def test_verdict_follows_the_numbers(alone: float, cstd: float, said: str) -> None:
    assert said in report.build(a_report(alone, cstd))


def test_chart_survives_odd_numbers() -> None:
    assert report.chart("flat", {"a": [(0, 1.0), (10, 1.0)]}).startswith("<svg")
    assert "nan" not in report.chart("broken", {"a": [(0, float("nan")), (10, 1.0)]})
    assert report.chart("none", {"a": []}) == ""


@pytest.mark.slow
def test_whole_demo_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from demo.__main__ import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESTILL_CACHE", "set anew by the demo, put back by the test")
    page = main(steps=0.02, frames=10).read_text()
    assert "<svg" in page
    assert "distilled with CSTD" in page
