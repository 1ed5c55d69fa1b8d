"""restill evaluate --report: the numbers that are printed, PSNR of every frame, and pictures of the largest errors."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from restill.errors import RestillError
from restill.evaluation import evaluate
from restill.evaluation.pages import evaluated, watch

FRAMES, SIZE = 14, (130, 170)


@pytest.fixture
def data(tmp_path) -> Path:
    """Clips a1 and a2 of gray; a rainy frame t is t + 1 levels brighter, twice that in a2."""
    root = tmp_path / "nturain"
    for number in (1, 2):
        for side in ("gt", "rain"):
            folder = root / f"a{number}" / side
            folder.mkdir(parents=True)
            for t in range(FRAMES):
                level = 50 + (number * (t + 1) if side == "rain" else 0)
                cv2.imwrite(str(folder / f"{t + 1:05d}.png"), np.full((*SIZE, 3), level, np.uint8))
    return root


def test_the_page_shows_what_is_printed(data, tmp_path, monkeypatch, capsys):
    from restill.cli import main

    page, numbers = tmp_path / "scores.html", tmp_path / "scores.json"
    words = ["evaluate", "none", "--data", str(data), "--report", str(page), "--json", str(numbers), "--quiet"]
    monkeypatch.setattr(sys, "argv", ["/usr/bin/restill", *words, "--temporal"])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    said, text = capsys.readouterr().out, page.read_text()
    lines = [line.split() for line in said.splitlines() if re.match(r" *(a\d|mean of clips) ", line)]
    assert len(lines) == 6  # scores and consistency
    printed = [cell for line in lines for cell in line if re.fullmatch(r"[\d.]+|nan|inf", cell)]
    shown = re.findall(r'<td class="right">([^<]+)</td>', text)
    assert shown == printed
    mean = json.loads(numbers.read_text())["mean"]["psnr"]
    assert f">{mean:.2f}</td>" in text
    assert f"restill evaluate none --data {data} --report {page}" in text
    assert "cstd (RGB, 8 bits by truncation, SSIM 7x7 uniform" in text
    assert "://" not in text
    assert all(source.startswith("data:") for source in re.findall(r'(?:src|href)="([^"]*)"', text))


def test_psnr_of_every_scored_frame(data, tmp_path):
    report = evaluate("rill-s", "nturain", data, report=tmp_path / "scores.html", quiet=True)
    text = (tmp_path / "scores.html").read_text()
    charts = re.findall(r"<h3>(a\d)</h3>.*?aria-label=\"([^\"]*)\"", text)
    for clip, says in charts:
        assert f"rill-s: mean {report.clips[clip]['psnr']:.2f} dB" in says
        number = int(clip[1])
        levels = [number * (t + 1) for t in report.protocol.frames(FRAMES)]
        values = [20 * np.log10(255 / level) for level in levels]
        assert f"input: mean {np.mean(values):.2f} dB, from {min(values):.2f} to {max(values):.2f}" in says
    assert [clip for clip, _ in charts] == ["a1", "a2"]


def test_the_largest_errors_of_all_clips_are_shown_beside_the_clean_frame(data, tmp_path):
    evaluate("none", "nturain", data, report=tmp_path / "scores.html", quiet=True)
    text = (tmp_path / "scores.html").read_text()
    crops = re.findall(r"<h3>Frame (\d+) of (a\d), 160x120 pixels at \d+,\d+: ([\d.]+) levels</h3>", text)
    assert len(crops) == watch.CROPS
    assert crops[0] == ("9", "a2", "20.0")  # cstd leaves out the last four frames
    assert re.findall(r'alt="(\w+), frame 9 of a2, 160x120', text)[:3] == ["input", "none", "clean"]
    assert "Row 65" not in text  # too few frames
    assert "Frame 9 of a2 (the first is 0)" in text  # the slider: of the clip of the lowest PSNR


def test_the_row_over_time_begins_at_the_first_scored_frame(data, tmp_path):
    evaluate("none", "nturain", data, protocol="s2vd", report=tmp_path / "scores.html", quiet=True)
    assert "Row 65 of frames 2 to 11 of a2" in (tmp_path / "scores.html").read_text()


def test_many_clips_make_no_long_page(tmp_path):
    root = tmp_path / "nturain"
    rng = np.random.default_rng(0)
    for number in range(20):
        for side in ("gt", "rain"):
            folder = root / f"a{number + 1}" / side
            folder.mkdir(parents=True)
            for t in range(2):
                frame = rng.integers(0, 256, (24, 32, 3), np.uint8)
                cv2.imwrite(str(folder / f"{t + 1:05d}.png"), frame)
    evaluate("none", "nturain", root, protocol="all-frames", report=tmp_path / "scores.html", quiet=True)
    text = (tmp_path / "scores.html").read_text()
    assert text.count('role="img"') == evaluated.CHARTS
    assert f"The {evaluated.CHARTS} clips with the lowest mean." in text
    assert text.count(" levels</h3>") == watch.CROPS  # of one place each


def test_pictures_make_one_chart(tmp_path):
    for side in ("input", "target"):
        folder = tmp_path / "set" / "test" / side
        folder.mkdir(parents=True)
        for number in (1, 2, 3):
            level = 60 + 10 * number * (side == "input")
            cv2.imwrite(str(folder / f"{number}.png"), np.full((24, 32, 3), level, np.uint8))
    evaluate("none", "rain100h", tmp_path / "set", report=tmp_path / "scores.html", quiet=True)
    text = (tmp_path / "scores.html").read_text()
    assert text.count('role="img"') == 1
    assert "over the picture: input: mean" in text
    assert "One row over time" not in text


def test_a_page_that_cannot_be_written_is_refused_before_the_work(data, tmp_path):
    with pytest.raises(RestillError, match="its folder does not exist"):
        evaluate("none", "nturain", data, report=tmp_path / "no" / "scores.html", quiet=True)
