"""Temporal consistency: by hand where the flow is known, and with DIS on clips that stand, move and flicker."""

from __future__ import annotations

import doctest
import json
import math

import cv2
import numpy as np
import pytest
from test_brisque_piqe import landscape
from typer.testing import CliRunner

import restill.evaluation.metrics.temporal
from restill.cli import app
from restill.errors import RestillError
from restill.evaluation import evaluate
from restill.evaluation.metrics.temporal import Consistency, flow_difference, motion_boundaries, occluded, warping_error
from restill.evaluation.protocols import protocol


def constant(x, y, height=24, width=32):
    return np.full((height, width, 2), (x, y), np.float32)


def measured(restored, clean, rule="all-frames"):
    consistency = Consistency(protocol(rule))
    for pair in zip(restored, clean, strict=True):
        consistency.add(*pair)
    return consistency.result()


def still(frames=6):
    return [landscape(64, 80)] * frames


def moving(frames=6, step=2):
    """A camera that moves to the right: what is at x was at x + step before."""
    scene = landscape(64, 80 + 2 * step * frames)
    return [scene[:, step * t : step * t + 80] for t in range(frames)]


def test_a_shift_of_whole_pixels_is_no_error():
    before, frame = moving(2, step=3)  # frame(x) = before(x + 3)
    flow = constant(3, 0, 64, 80)
    mask = ~occluded(flow, -flow)
    assert mask[:, :77].all()
    assert not mask[:, 77:].any()  # came into view
    assert warping_error(frame, before, flow, mask) == 0
    assert warping_error(frame, before, constant(0, 0, 64, 80), mask) > 1e-3


def test_the_error_is_a_mean_over_what_counts():
    frame, before = np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16, 3), np.uint8)
    frame[:8] = 51  # 0.2
    frame[:8, :, 0] = 102  # 0.4
    flow, mask = constant(0, 0, 16, 16), np.zeros((16, 16), bool)
    assert math.isnan(warping_error(frame, before, flow, mask))
    mask[4:12] = True  # of these 128 pixels, 64 differ by 0.4, 0.2, 0.2
    assert warping_error(frame, before, flow, mask) == pytest.approx((0.16 + 0.04 + 0.04) / 3 / 2)


def test_hidden_is_what_does_not_come_back():
    # |f + b|^2 > 0.01 (|f|^2 + |b|^2) + 0.5 with f = (4, 0) and b = (-x, 0): (4 - x)^2 > 0.66 + 0.01 x^2
    inside = (slice(None), slice(0, 20))
    assert not occluded(constant(4, 0), constant(-3.2, 0))[inside].any()  # 0.64 < 0.7624
    assert occluded(constant(4, 0), constant(-3.1, 0))[inside].all()  # 0.81 > 0.7561
    assert not occluded(constant(0, 0), constant(0, 0.71)).any()  # 0.5041 < 0.50504
    assert occluded(constant(0, 0), constant(0, 0.72)).all()  # 0.5184 > 0.50518
    flow, back = constant(4, 0), constant(-4, 0)
    back[:, 16:] = 0  # the other frame's right half does not move; x from 12 on leads there
    assert occluded(flow, back)[0].tolist() == [x >= 12 for x in range(32)]


def test_motion_boundaries_by_hand():
    # A step s from 0 costs the pixel before it: s^2 > 0.002. Beside a flow of 10 it may be 0.01 * 100 + 0.002.
    for step, found in ((0.04, False), (0.05, True)):
        flow = constant(0, 0)
        flow[10:, :, 1] = step
        boundary = motion_boundaries(flow)
        assert boundary[9].all() == found
        assert boundary.sum() == 32 * found
    for step, found in ((1.0, False), (1.01, True)):
        flow = constant(10, 0)
        flow[:, 20:, 0] += step
        assert motion_boundaries(flow).sum() == 24 * found
    both = constant(0, 0)
    both[:10, :20] = (0.032, 0.032)  # at its corner 4 * 0.032^2 = 0.0041; along its edges 0.00205, less 0.01 |f|^2
    assert motion_boundaries(both).sum() == 10 + 20 - 1


def test_tof_is_the_sum_of_both_components():
    assert flow_difference(constant(1, -2), constant(0, 0.5)) == pytest.approx(3.5)


def test_a_still_clip_has_none():
    result = measured(still(12), still(12))
    assert [result[key] for key in ("warping_error", "warping_error_clean", "tof")] == [0, 0, 0]
    assert result["profile_psnr"] == math.inf
    assert result["profile_ssim"] == pytest.approx(1)


@pytest.mark.parametrize("level", [3, 10])
def test_flicker_of_known_size(level):
    clean = still()
    restored = [frame // 2 + 60 + level * (t % 2) for t, frame in enumerate(clean)]
    result = measured([frame.astype(np.uint8) for frame in restored], clean)
    assert result["warping_error"] == pytest.approx((level / 255) ** 2, rel=1e-9)
    assert result["warping_error_clean"] == 0


def test_moving_clips():
    clean = moving()
    result = measured(clean, clean)
    assert result["warping_error"] == result["warping_error_clean"] < 1e-5  # DIS is not exact to the last bit
    assert result["tof"] == 0
    darker = [np.uint8(frame // 2 + 20 * (t % 2)) for t, frame in enumerate(clean)]
    assert measured(darker, clean)["warping_error"] == pytest.approx((20 / 255) ** 2, rel=0.02)
    frozen = measured([clean[0]] * len(clean), clean)
    assert frozen["tof"] == pytest.approx(2, rel=0.1)  # the clean clip moves by 2 pixels, this one does not
    assert frozen["warping_error"] > 100 * result["warping_error"]


def test_profile_by_hand():
    clean = [np.full((16, 16, 3), 100, np.uint8)] * 16
    restored = [frame.copy() for frame in clean]
    restored[3][8] = 110  # of the middle row, one of 16 lines of the profile
    restored[5][2] = 0  # another row
    result = measured(restored, clean)
    assert result["profile_psnr"] == pytest.approx(10 * math.log10(255**2 * 16 / 100))
    assert 0 < result["profile_ssim"] < 1
    profile = [np.stack([frame[8] for frame in clip]) for clip in (restored, clean)]
    assert result["profile_ssim_y"] == protocol("all-frames").score(*profile)["ssim_y"]


def test_too_short_for_a_profile():
    result = measured(still(10), still(10))
    assert math.isnan(result["profile_ssim"])
    assert math.isnan(result["profile_psnr"])
    assert result["warping_error"] == 0
    assert measured(still(10), still(10), "cstd")["profile_ssim"] == pytest.approx(1)  # a window of 7


def test_a_clip_must_be_large_enough():
    with pytest.raises(RestillError, match="at least 16x16 pixels, not 20x15"):
        measured([np.zeros((15, 20, 3), np.uint8)] * 2, [np.zeros((15, 20, 3), np.uint8)] * 2)


@pytest.fixture
def data(tmp_path):
    """Clip a1 of NTURain: it stands still; the rainy side is 0, 9, 0, 9, ... levels brighter."""
    for side in ("gt", "rain"):
        folder = tmp_path / "nturain" / "a1" / side
        folder.mkdir(parents=True)
        for t, frame in enumerate(still(14)):
            more = 9 * (t % 2) if side == "rain" else 0
            cv2.imwrite(str(folder / f"{t + 1:05d}.png"), frame // 2 + np.uint8(more))
    return tmp_path / "nturain"


def test_evaluate_adds_them(data, tmp_path):
    plain = evaluate("none", data=data, protocol="all-frames", quiet=True)
    report = evaluate("none", data=data, protocol="all-frames", profiles=tmp_path / "out", quiet=True)
    row = report.clips["a1"]
    assert {key: row[key] for key in plain.clips["a1"]} == plain.clips["a1"]
    assert row["warping_error"] == pytest.approx((9 / 255) ** 2)
    assert row["warping_error_clean"] == 0
    assert row["profile_psnr"] == pytest.approx(10 * math.log10(255**2 / (81 / 2)))
    assert plain.as_dict()["temporal"] is None
    picture = cv2.imread(str(tmp_path / "out" / "a1.png"))
    assert picture is not None
    assert picture.shape[1] > 80


def test_command(data, tmp_path):
    target = tmp_path / "out.json"
    line = ["evaluate", "none", "--data", str(data), "--protocol", "all-frames", "--temporal", "--json", str(target)]
    result = CliRunner().invoke(app, line, env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    for text in ("warping error (1e-3)", "tOF (px)", "profile PSNR RGB (dB)", f"{1000 * (9 / 255) ** 2:.4f}"):
        assert text in result.output
    written = json.loads(target.read_text(), parse_constant=pytest.fail)
    assert "motion boundaries" in written["temporal"]
    assert written["mean"]["warping_error"] == pytest.approx((9 / 255) ** 2)

    result = CliRunner().invoke(app, [*line, "--limit", "1"])
    assert "temporal consistency needs 2 frames or more" in str(result.exception)
    (tmp_path / "file").write_text("")
    with pytest.raises(RestillError, match="cannot create this folder"):
        evaluate("none", data=data, profiles=tmp_path / "file", quiet=True)


def test_examples_in_docstrings():
    result = doctest.testmod(restill.evaluation.metrics.temporal)
    assert result.attempted
    assert not result.failed
