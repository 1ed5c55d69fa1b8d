"""Rain left over and detail lost before a static camera: known shares of made-up clips."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from restill.cli import app
from restill.errors import RestillError
from restill.evaluation import evaluate, score
from restill.evaluation.metrics.static_camera import MOST, background
from restill.evaluation.static_clips import score_static

FRAMES, HEIGHT, WIDTH = 20, 32, 40


def scene(seed: int = 0) -> np.ndarray:
    gray = np.random.default_rng(seed).integers(60, 120, (HEIGHT, WIDTH, 1), dtype=np.uint8)
    return np.repeat(gray, 3, axis=2)


def rainy(streak: int = 40) -> list[np.ndarray]:
    """A still scene; in frame t column 2t is brighter, 1 of 40 columns."""
    frames = [scene() for _ in range(FRAMES)]
    for t, frame in enumerate(frames):
        frame[:, 2 * t] += np.uint8(streak)
    return frames


def write(folder: Path, frames: list[np.ndarray]) -> Path:
    folder.mkdir(parents=True)
    for t, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{t:03d}.png"), frame)
    return folder


def test_streaks_are_rain_left_over_and_holes_are_detail_lost() -> None:
    frames = rainy()
    ground = background(frames)
    assert ground.still.all()
    np.testing.assert_array_equal(ground.level, scene()[..., 0])
    assert ground.rain_left(frames[3]) == pytest.approx(100 / WIDTH)
    assert ground.detail_lost(frames[3]) == 0
    assert ground.rain_left(scene()) == ground.detail_lost(scene()) == 0
    hole = scene()
    hole[:4] -= 20
    assert (ground.rain_left(hole), ground.detail_lost(hole)) == (0, pytest.approx(100 * 4 / HEIGHT))
    assert background(rainy(12)).rain_left(rainy(12)[3]) == 0  # faint


def test_what_moves_does_not_count() -> None:
    """A dark and bright pattern passes over the lower part."""
    frames = rainy()
    for t, frame in enumerate(frames):
        frame[12:] = np.roll(scene(1)[12:], 3 * t, axis=1) // 4 * 7
    with pytest.warns(UserWarning, match="does the camera move"):
        ground = background(frames)
    assert ground.still[:12].all()
    assert ground.still[12:].mean() < 0.1


def test_a_mask_leaves_parts_out() -> None:
    mask = np.ones((HEIGHT, WIDTH), bool)
    mask[:, 20:] = False
    ground = background(rainy(), mask)
    assert ground.still.sum() == HEIGHT * 20
    assert ground.rain_left(rainy()[15]) == 0
    assert ground.rain_left(rainy()[5]) == pytest.approx(100 / 20)
    with pytest.raises(RestillError, match="mask has 8x8 pixels instead of 40x32"):
        background(rainy(), np.ones((8, 8), bool))


def test_memory_is_bounded_in_a_long_clip() -> None:
    """The median is that of frames over the whole clip: the picture is brighter in its second half."""
    seen = []

    def frames():
        for t in range(10 * MOST):
            seen.append(t)
            yield np.full((16, 16, 3), 100 if t < 4 * MOST else 104, np.uint8)

    assert (background(frames()).level == 104).all()
    assert len(seen) == 10 * MOST


def test_bad_clips_are_refused() -> None:
    with pytest.raises(RestillError, match="has 9 frames; the median over time needs 10"):
        background(rainy()[:9])
    with pytest.raises(RestillError, match="no pixel that stands still"):
        background([np.full((16, 16, 3), 200 * (t % 2), np.uint8) for t in range(20)])
    with pytest.raises(RestillError, match=r"8x8 pixels cannot be compared with an input of 40x32"):
        background(rainy()).rain_left(np.zeros((8, 8, 3), np.uint8))


def test_score_compares_with_the_input(tmp_path: Path) -> None:
    wet, dry = write(tmp_path / "wet", rainy()), write(tmp_path / "dry", [scene()] * FRAMES)
    result = score([wet, dry], ["rain-left", "detail-lost"], rainy=wet, quiet=True)
    assert result.clips[str(wet)]["rain-left"] == pytest.approx(100 / WIDTH)
    assert result.clips[str(dry)]["rain-left"] == 0
    done = CliRunner().invoke(app, ["score", str(wet), "--metric", "rain-left", "--input", str(wet), "--quiet"])
    assert "2.5000" in done.output
    with pytest.raises(RestillError, match="name it"):
        score([wet], ["rain-left"], quiet=True)
    with pytest.raises(RestillError, match="is no file"):
        score([wet], ["rain-left"], rainy=wet, mask=tmp_path / "none.png", quiet=True)


def test_evaluate_adds_the_table(tmp_path: Path) -> None:
    """The folder real_static of the set foreign is scored without asking."""
    root = tmp_path / "foreign"
    for side in ("gt", "rain"):
        write(root / "a.light" / side, [scene()] * 2)
    write(root / "real_static" / "yard", rainy())
    (root / "real_static" / "masks").mkdir()
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    mask[:16] = 0
    cv2.imwrite(str(root / "real_static" / "masks" / "yard.png"), mask)
    report = evaluate("none", "foreign", root, quiet=True)
    assert list(report.clips) == ["a.light"]
    row = report.static["yard"]
    assert row["rain_left"] == row["rain_left_input"] == pytest.approx(100 / WIDTH)
    assert (row["still"], row["frames"]) == (50, FRAMES)
    assert report.as_dict()["static"]["yard"]["detail_lost"] == 0
    done = CliRunner().invoke(app, ["evaluate", "none", "--dataset", "foreign", "--data", str(root), "--quiet"])
    assert "2.5000" in done.output


def test_a_restored_clip_is_compared_with_its_input(tmp_path: Path) -> None:
    """min-median takes streaks of one frame away."""
    from restill.evaluation.models import open_model

    write(tmp_path / "yard", rainy())
    row = score_static(open_model("min-median"), tmp_path, quiet=True)["yard"]
    assert row["rain_left"] < row["rain_left_input"] / 2


def test_shared_clips(shared_data: Path) -> None:
    rows = score_static(None, shared_data / "validation" / "real_static", 12, quiet=True)
    assert all(0 < row["rain_left"] < 5 for row in rows.values())
