"""restill compare on tiny clips: one file, a crop of each model, and the numbers of restill score and evaluate."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from restill.errors import RestillError
from restill.evaluation import evaluate, score
from restill.evaluation.pages import watch
from restill.evaluation.pages.compare import MOST_MODELS, compare
from restill.html.parts import MOST_BYTES, data_uri
from restill.runtime import load_model, stream

FRAMES, HEIGHT, WIDTH = 12, 126, 170


def write(folder: Path, frames: list[np.ndarray]) -> Path:
    folder.mkdir(parents=True)
    for t, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{t:05d}.png"), frame[..., ::-1])
    return folder


def scene(moving: int = 0) -> list[np.ndarray]:
    texture = np.random.default_rng(0).integers(40, 180, (130, 210, 3)).astype(np.uint8)
    return [texture[:HEIGHT, moving * t : moving * t + WIDTH].copy() for t in range(FRAMES)]


@pytest.fixture
def clips(tmp_path) -> tuple[Path, Path]:
    """A static scene with streaks of one frame each, and without, as a clip of NTURain."""
    rainy = scene()
    for t, frame in enumerate(rainy):
        frame[5:90, 12 * t : 12 * t + 3] += np.uint8(60)
    return write(tmp_path / "set" / "a1" / "rain", rainy), write(tmp_path / "set" / "a1" / "gt", scene())


def alts(page: Path) -> list[str]:
    return re.findall(r'alt="([^"]*)"', page.read_text())


def test_one_file_with_a_crop_of_each_model(clips, tmp_path):
    rain, gt = clips
    done = compare(rain, ["rill-s", "min-median", "none"], tmp_path / "look.html", clean=gt, quiet=True)
    assert done.page == tmp_path / "look.html"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["look.html"]
    text = done.page.read_text()
    assert "://" not in text
    assert all(source.startswith("data:") for source in re.findall(r'(?:src|href)="([^"]*)"', text))
    crops: dict[str, list[str]] = {}
    for name, where in (alt.split(", ", 1) for alt in alts(done.page) if " pixels at " in alt):
        crops.setdefault(where, []).append(name)
    assert len(crops) == watch.CROPS
    assert all(names == ["input", "rill-s", "min-median", "clean"] for names in crops.values())
    assert 'role="slider"' in text
    assert "Where input, rill-s, min-median differ most" in text


def test_the_numbers_are_those_of_score_and_evaluate(clips, tmp_path):
    rain, gt = clips
    done = compare(rain, ["rill-s"], tmp_path / "look.html", clean=gt, quiet=True)
    model = load_model("rill-s", backend="onnxruntime")
    restored = write(tmp_path / "restored", list(stream(model, read(rain), guard=False)))
    row = score([restored], ["rain-left", "detail-lost"], rainy=rain, quiet=True).clips[str(restored)]
    assert done.numbers["rain_left"]["rill-s"] == pytest.approx(row["rain-left"])
    assert done.numbers["detail_lost"]["rill-s"] == pytest.approx(row["detail-lost"])
    assert done.numbers["rain_left"]["input"] > 0.5
    for name, scored in {"rill-s": "rill-s", "input": "none"}.items():
        report = evaluate(scored, "nturain", tmp_path / "set", protocol="all-frames", quiet=True)
        assert done.numbers["psnr"][name] == pytest.approx(report.clips["a1"]["psnr"], abs=1e-6)
    text = done.page.read_text()
    for metric, form in (("psnr", ".2f"), ("rain_left", ".4f"), ("detail_lost", ".4f")):
        assert f">{done.numbers[metric]['rill-s']:{form}}</td>" in text
    assert "protocol all-frames" in text.lower()


def read(folder: Path) -> list[np.ndarray]:
    return [cv2.imread(str(path))[..., ::-1] for path in sorted(folder.iterdir())]


def test_without_truth_and_without_a_static_camera(tmp_path):
    moving = scene(moving=3)
    for frame in moving:
        frame[:, :43] = 90  # a quarter stands still
    done = compare(write(tmp_path / "moving", moving), ["min-median"], quiet=True)
    assert done.page == tmp_path / "moving.compare.html"
    assert done.numbers == {}
    assert "were not measured, because the camera moves: only 25% of the pixels stand still" in done.page.read_text()
    short = compare(write(tmp_path / "short", scene()[:3]), ["min-median"], quiet=True)
    assert "because the clip has 3 frames; the median over time needs 10 or more" in short.page.read_text()
    picture = compare(tmp_path / "short" / "00000.png", ["min-median"], quiet=True)
    assert "One row over time" not in picture.page.read_text()


def test_the_page_says_the_command_and_the_terminal_the_numbers(clips, tmp_path, monkeypatch, capsys):
    from restill.cli import main

    out = tmp_path / "a look.html"
    words = ["compare", str(clips[0]), "--models", "min-median,none", "-o", str(out), "--quiet"]
    monkeypatch.setattr(sys, "argv", ["/usr/bin/restill", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert f"restill compare {clips[0]} --models min-median,none -o &#x27;{out}&#x27; --quiet" in out.read_text()
    said = capsys.readouterr().out
    assert f"written: {out}" in said
    (cell,) = re.findall(r"min-median +([\d.]+) +[\d.]+ +min-median,", said)
    assert f">{cell}</td>" in out.read_text()


def test_no_page_is_too_large_to_send(clips, tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (*watch.CROP, 3), np.uint8)  # no picture takes more bytes
    each = 2 * MOST_BYTES * 4 / 3 + watch.CROPS * len(data_uri(noise, exact=True))  # a frame, a profile, the crops
    assert (MOST_MODELS + 2) * each < 10e6
    with pytest.raises(RestillError, match=f"7 models are named; a page shows {MOST_MODELS} at most"):
        compare(clips[0], [f"{number}.onnx" for number in range(7)], quiet=True)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"models": ["none"]}, "no model is named"),
        ({"models": ["rill-xxl"]}, "model 'rill-xxl' is not known"),
        ({"limit": 0}, "limit must be 1 frame or more"),
        ({"output": "look.png"}, r"a page is an HTML file"),
        ({"clean": "small"}, r"small' is 85x63; for these models the clean clip must be 170x126"),
        ({"clean": "short"}, "differ in their number of frames"),
        ({"clip": "short", "clean": "set/a1/gt"}, "differ in their number of frames"),
    ],
)
def test_each_mistake_gets_its_sentence(clips, tmp_path, given, says):
    write(tmp_path / "short", scene()[:3])
    write(tmp_path / "small", [frame[::2, ::2] for frame in scene()])
    given = {"clip": "set/a1/rain", "models": ["min-median"], "output": "look.html", **given}
    given |= {key: tmp_path / given[key] for key in ("clip", "clean", "output") if key in given}
    with pytest.raises(RestillError, match=says):
        compare(**given, quiet=True)
    assert not (tmp_path / "look.html").exists()


def test_an_earlier_page_is_kept_unless_told(clips, tmp_path):
    (tmp_path / "look.html").write_text("mine")
    with pytest.raises(RestillError, match=r"look\.html' exists; give another name, or --overwrite"):
        compare(clips[0], ["min-median"], tmp_path / "look.html", quiet=True)
    assert (tmp_path / "look.html").read_text() == "mine"
    compare(clips[0], ["min-median"], tmp_path / "look.html", overwrite=True, quiet=True)
    assert "<html" in (tmp_path / "look.html").read_text()


def test_models_that_enlarge(tmp_path):
    small = write(tmp_path / "small", [np.full((16, 24, 3), 90, np.uint8)] * 2)
    done = compare(small, ["bicubic"], quiet=True)
    assert "because the models enlarge the picture" in done.page.read_text()
    assert 'width="96" height="64"' in done.page.read_text()


def test_no_torch_is_needed_without_a_checkpoint(clips, tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from restill.evaluation.pages.compare import compare\n"
        f"compare({str(clips[0])!r}, ['min-median'], {str(tmp_path / 'look.html')!r}, quiet=True)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
