"""The training tab: the curves and samples of runs, and nothing else of their folders."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from restill.video.pictures import write_picture


@pytest.fixture
def runs(tmp_path):
    """Two runs: one that is at work, and one that is done."""
    for name, steps in (("new", 900), ("old", 1000)):
        run = tmp_path / "runs" / name
        (run / "samples").mkdir(parents=True)
        rows = [{"step": step, "total": 1 / step, "lr": 0.1, "share": 2} for step in range(1, steps + 1)]
        rows += [{"step": step, "validation_psnr_rgb_crops": 30 + step / 1000} for step in (500, steps)]
        rows.insert(0, {"step": 0, "teacher_psnr_rgb_crops": 35.5})
        (run / "log.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows) + '{"step": 9')
        (run / "recipe.yaml").write_text("name: a\nsteps: 1000\nstudent:\n  steps: 5\n")
        for side in ("before", "after", "clean"):
            write_picture(run / "samples" / f"000500-1-{side}.png", np.zeros((4, 4, 3), np.uint8))
        write_picture(run / "samples" / "000600-1-before.png", np.zeros((4, 4, 3), np.uint8))  # not whole yet
    os.utime(tmp_path / "runs" / "old" / "log.jsonl", (1, 1))
    (tmp_path / "runs" / "empty").mkdir()
    return tmp_path / "runs"


def test_runs_are_listed(open_page, runs):
    page = open_page(runs=runs)
    assert page.get("/api/runs").json() == [
        {"name": "new", "steps": 900, "of": 1000, "state": "running"},
        {"name": "old", "steps": 1000, "of": 1000, "state": "done"},
    ]
    os.utime(runs / "new" / "log.jsonl", (1, 1))
    assert {run["name"]: run["state"] for run in page.get("/api/runs").json()} == {"new": "stopped", "old": "done"}


def test_a_run_is_shown(open_page, runs):
    page = open_page(runs=runs)
    shown = page.get("/api/runs/new").json()
    assert set(shown["losses"]) == {"total"}
    assert len(shown["losses"]["total"]) == 300
    assert shown["losses"]["total"][0] == [3, pytest.approx((1 + 1 / 2 + 1 / 3) / 3)]
    assert shown["validation"] == [[500, 30.5], [900, 30.9]]
    assert shown["teacher_psnr"] == 35.5
    (sample,) = shown["samples"]
    assert (sample["step"], sample["sample"]) == (500, 1)
    for side in ("before", "after", "clean"):
        assert page.get(sample[side]).headers["content-type"] == "image/png"


def test_only_samples_are_served(open_page, runs):
    page = open_page(runs=runs)
    (runs / "new" / "samples" / "000700-1-before.png").symlink_to(page.server.token)
    for address in (
        "new/samples/000700-1-before.png",
        "new/samples/recipe.yaml",
        "new/samples/..%2frecipe.yaml",
        "new/samples/%2e%2e%2flog.jsonl",
        "..%2fruns%2fnew",
        "..",
        "empty",
        "new%00",
    ):
        assert page.get(f"/api/runs/{address}").status_code in (404, 405)


def test_no_folder_no_runs(page):
    assert page.get("/api/runs").json() == []
    assert page.get("/api/runs/new").status_code == 404
