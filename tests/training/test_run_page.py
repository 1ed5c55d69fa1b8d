"""The page that a run leaves: its log, held-out samples and recipe in one file; it never harms the run."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
import yaml
from test_loop import distilled, recipe

import restill
from restill.training import run_page
from restill.training.experiment import train
from restill.training.run_log import RunLog
from restill.training.run_page import PAGE
from restill.web.runs import Runs


def says(text: str, chart: str) -> str:
    """What a screen reader says of a chart."""
    (label,) = re.findall(rf'aria-label="{re.escape(chart)}, over the step: ([^"]*)"', text)
    return label


def test_a_distilled_run_leaves_its_log_samples_and_recipe_on_one_page(clips, tmp_path):
    run = distilled(clips, tmp_path)
    result = train(run, quiet=True)
    text = (run.folder / PAGE).read_text()
    assert "://" not in text
    assert all(source.startswith("data:") for source in re.findall(r'(?:src|href)="([^"]*)"', text))
    assert "RillS, distilled from RillS by method cstd: 6 of 6 steps." in text
    alts = re.findall(r'alt="([^"]*)"', text)
    assert alts == [f"{name}, held-out sample {i}" for i in (1, 2) for name in ("before", "after", "clean")]

    rows = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    last = {name: value for row in rows for name, value in row.items()}
    score = says(text, "PSNR on the held-out crops")
    assert f"student: last {result.validation:.2f} dB" in score
    assert f"teacher: last {last['teacher_psnr_rgb_crops']:.2f} dB" in score
    shares = {name for name in last if name.startswith("share")}
    assert shares == {"share", "share_spatial", "share_temporal"}
    for name in set(last) - shares - {"step", "validation_psnr_rgb_crops", "teacher_psnr_rgb_crops"}:
        assert f"{name}: last {last[name]:.4g}, from" in says(text, name)
    assert all(f"{name}: {last[name]:.4g}" in says(text, "Share of the task&#x27;s gradient") for name in shares)
    losses = text[text.index("<h2>Losses") : text.index("<h2>Shares")]
    assert set(re.findall("<h3>(.*?)</h3>", losses)) == {*result.losses}

    (shown,) = [block for block in re.findall(r"<pre[^>]*>(.*?)</pre>", text, re.S) if "student:" in block]
    assert yaml.safe_load(shown.replace("&#x27;", "'")) == yaml.safe_load((run.folder / "recipe.yaml").read_text())


def test_a_page_that_fails_does_not_fail_the_run(clips, tmp_path, monkeypatch, capsys):
    def fails(*_):
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(run_page, "run_page", fails)
    result = train(recipe(clips, tmp_path, steps=2), quiet=True)
    assert (result.steps, result.interrupted) == (2, False)
    assert (tmp_path / "run" / "student.safetensors").exists()
    assert not (tmp_path / "run" / PAGE).exists()
    assert f"{PAGE} was not written: ZeroDivisionError: of all things" in capsys.readouterr().err.replace("\n", "")


def test_batches_of_your_own_are_shown_too(tmp_path):
    torch.manual_seed(0)
    batches = [(torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16))]  # gray pictures
    restill.distill(
        None,
        torch.nn.Conv2d(1, 1, 3, padding=1),
        "plain",
        data=batches,
        validation={"batches": batches, "every": 1},
        steps=2,
        output=tmp_path / "run",
        quiet=True,
    )
    text = (tmp_path / "run" / PAGE).read_text()
    assert text.count('alt="after, held-out sample') == 2
    assert "2 of 2 steps" in text
    assert "teacher" not in text


def test_without_held_out_clips_there_are_no_samples(clips, tmp_path):
    data = recipe(clips, tmp_path).data.model_dump() | {"held_out": []}
    train(recipe(clips, tmp_path, steps=2, data=data), quiet=True)
    text = (tmp_path / "run" / PAGE).read_text()
    assert "Held-out samples" not in text
    assert "<h2>Losses</h2>" in text


def test_a_long_log_makes_a_short_page(tmp_path):
    points = [(step, float(step % 7)) for step in range(20, 1_000_000, 20)]
    means = run_page._means(points)
    assert len(means) == run_page.MOST
    assert all(value == pytest.approx(3, abs=0.1) for _, value in means)
    assert run_page._means([(1, 2.0)]) == [(1, 2.0)]


def test_a_run_can_be_followed(clips, tmp_path):
    """Each validation leaves samples, and the first one the teacher's PSNR; a resumed run drops what is after it."""
    run = distilled(clips, tmp_path)
    log = RunLog(run.folder, run, 0)
    log.show(999, [{"before": np.zeros((4, 4, 3), np.uint8)}])
    log.close()
    train(run, quiet=True, overwrite=True)
    rows = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    validated = [row["step"] for row in rows if "validation_psnr_rgb_crops" in row]
    names = {path.name for path in (run.folder / "samples").iterdir()}
    sides = ("before", "after", "clean")
    assert names == {f"{step:06d}-{number}-{side}.png" for step in validated for number in (1, 2) for side in sides}
    shown = Runs(run.folder.parent).one(run.folder.name)
    assert shown["teacher_psnr"] == next(
        row["teacher_psnr_rgb_crops"] for row in rows if "teacher_psnr_rgb_crops" in row
    )
    assert [sample["step"] for sample in shown["samples"]] == [step for step in validated for _ in (1, 2)]
    assert set(shown["losses"]) >= {"reconstruction", "total"}
