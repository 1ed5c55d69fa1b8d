"""The verdict: each kind of model on tiny made-up clips, and the known truth about real rain."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from restill.cli import app
from restill.errors import RestillError
from restill.evaluation import evaluate
from restill.evaluation.models import open_model
from restill.evaluation.protocols import protocol
from restill.runtime import Model, ModelInfo

FRAMES, SIZE = 10, (20, 24)


@pytest.fixture
def data(tmp_path) -> Path:
    """Clips a1 and a2; a clean frame t is gray 10 t, the rainy one 10 (clip) levels brighter."""
    root = tmp_path / "nturain"
    for number in (1, 2):
        for side, more in (("gt", 0), ("rain", 10 * number)):
            folder = root / f"a{number}" / side
            folder.mkdir(parents=True)
            for t in range(FRAMES):
                cv2.imwrite(str(folder / f"{t + 1:05d}.png"), np.full((*SIZE, 3), 10 * t + more, np.uint8))
    return root


def level(error: float) -> float:
    return 20 * math.log10(255 / error)


def fake(compute, before=0, after=0, multiple=1) -> Model:
    info = ModelInfo(
        name="fake",
        task="derain",
        network="none",
        frames_before=before,
        frames_after=after,
        scale=1,
        size_multiple=multiple,
        align="none",
        parameters=0,
        macs_per_pixel=0,
    )
    return Model(info, Path("fake"), "fake", compute)


def test_none_scores_the_input(data):
    report = evaluate("none", "nturain", data, protocol="all-frames", quiet=True)
    assert report.clips["a1"]["psnr"] == pytest.approx(level(10))
    assert report.clips["a2"]["psnr"] == pytest.approx(level(20))
    assert report.clips["a1"]["frames"] == FRAMES
    assert report.mean["psnr"] == pytest.approx((level(10) + level(20)) / 2)  # of decibels, not of errors
    assert {"psnr", "ssim", "psnr_y", "ssim_y"} <= report.clips["a1"].keys()


def test_each_output_meets_its_own_frame(data):
    # A model that gives the next frame of the window is wrong by one frame's step, and right at the replicated end.
    model = fake(lambda window: window[:, 2], before=1, after=1, multiple=8)
    report = evaluate(model, "nturain", data, clips=["a1"], protocol="all-frames", quiet=True)
    frames = [level(20)] * (FRAMES - 1) + [level(10)]
    assert report.clips["a1"]["psnr"] == pytest.approx(np.mean(frames))


def test_protocol_decides_rounding_and_frames(data):
    # The model returns the clean frame and 0.9 of a grey level more: truncation forgives it, rounding does not.
    model = fake(lambda window: window[:, 0] - np.float32((10 - 0.9) / 255))
    cstd = evaluate(model, "nturain", data, clips=["a1"], protocol="cstd", quiet=True)
    assert cstd.clips["a1"]["psnr"] == math.inf
    assert cstd.clips["a1"]["frames"] == FRAMES - 7
    rounding = evaluate(model, "nturain", data, clips=["a1"], protocol="all-frames", quiet=True)
    assert rounding.clips["a1"]["psnr"] == pytest.approx(level(1))


def test_what_is_not_scored_at_the_end_is_not_restored(data):
    calls = []
    model = fake(lambda window: calls.append(1) or window[:, 1], before=1, after=1)
    evaluate(model, "nturain", data, clips=["a1"], protocol="cstd", quiet=True)
    assert len(calls) == FRAMES - 4


def test_of_vimeo_the_center_frame_counts(tmp_path):
    # Frame t is gray 10 t, and so is its small copy; the model is right about the 4th alone.
    folder = tmp_path / "sequences" / "00001" / "0001"
    folder.mkdir(parents=True)
    (tmp_path / "sep_testlist.txt").write_text("00001/0001\n")
    for t in range(1, 8):
        cv2.imwrite(str(folder / f"im{t}.png"), np.full((32, 48, 3), 10 * t, np.uint8))
    model = fake(lambda window: np.full((1, 3, 4 * window.shape[3], 4 * window.shape[4]), 40 / 255, np.float32))
    model.info = model.info.model_copy(update={"scale": 4})
    report = evaluate(model, "vimeo90k", tmp_path, quiet=True)
    assert report.protocol.name == "vsr"
    assert report.clips["00001/0001"] == {"psnr": math.inf, "ssim": pytest.approx(1), "frames": 1}
    with pytest.raises(RestillError, match="'vsr' scores 1 of clip '00001/0001' of vimeo90k"):
        evaluate(model, "vimeo90k", tmp_path, temporal=True, quiet=True)


def test_json_has_no_infinity(data, tmp_path):
    report = evaluate(fake(lambda w: w[:, 0] - np.float32(10 / 255)), "nturain", data, clips=["a1"], quiet=True)
    report.write_json(tmp_path / "report.json")
    written = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    assert written["clips"]["a1"] == {"psnr": None, "ssim": pytest.approx(1), "frames": 3}


def test_checkpoint_equals_its_network(data, tmp_path):
    torch = pytest.importorskip("torch")
    from restill.networks import create
    from restill.training.checkpoint import save_network

    torch.manual_seed(0)
    network = create("rill-s", channels=4, pairs=1)
    torch.nn.init.normal_(network.head[0].weight, std=0.1)
    info = {"network": "rill-s", "options": {"channels": 4, "pairs": 1}, "align": "none", "name": "tiny"}
    save_network(tmp_path / "student.safetensors", network, info)
    report = evaluate(tmp_path, "nturain", data, clips=["a1"], protocol="all-frames", limit=3, quiet=True)
    assert report.clips["a1"]["frames"] == 3
    assert "first 3 frames only" in str(report)

    clip = [np.full((*SIZE, 3), 10 * t + 10, np.float32) / 255 for t in range(3)]
    scores = []
    for t in range(3):
        window = np.stack([clip[max(t - 1, 0)], clip[t], clip[min(t + 1, 2)]]).transpose(0, 3, 1, 2)
        with torch.no_grad():
            clean = network(torch.from_numpy(window)[None])[0].permute(1, 2, 0).numpy()
        scores.append(protocol("all-frames").score(clean, np.full((*SIZE, 3), 10 * t, np.uint8))["psnr"])
    assert report.clips["a1"]["psnr"] == pytest.approx(np.mean(scores), abs=1e-3)


@pytest.mark.parametrize("align", [pytest.param("none", marks=pytest.mark.slow), "dis"])
def test_exported_file_scores_as_its_checkpoint(data, tmp_path, align):
    torch = pytest.importorskip("torch")
    from restill.networks import create
    from restill.training.checkpoint import save_network
    from restill.training.export import export

    torch.manual_seed(0)
    network = create("rill-s", channels=4, pairs=1)
    torch.nn.init.normal_(network.head[0].weight, std=0.1)
    info = {"network": "rill-s", "options": {"channels": 4, "pairs": 1}, "align": align, "name": "tiny"}
    save_network(tmp_path / "student.safetensors", network, info)
    export(tmp_path, tmp_path / "tiny.onnx")
    rng = np.random.default_rng(0)
    for path in (data / "a1" / "rain").iterdir():  # not flat, so that no rounding error moves a whole frame by a level
        cv2.imwrite(str(path), rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8))
    trained, shipped = (
        evaluate(model, "nturain", data, clips=["a1"], quiet=True).clips["a1"]
        for model in (tmp_path, tmp_path / "tiny.onnx")
    )
    assert shipped["psnr"] == pytest.approx(trained["psnr"], abs=0.01)
    assert shipped["ssim"] == pytest.approx(trained["ssim"], abs=1e-3)


def test_command_names_the_protocol_and_writes_json(data, tmp_path):
    target = tmp_path / "out.json"
    line = ["evaluate", "none", "--data", str(data), "--clips", "a2,a1", "--json", str(target)]
    result = CliRunner().invoke(app, line, env={"COLUMNS": "100"})
    assert result.exit_code == 0, result.output
    for text in ("cstd", "RGB", "truncation", "7x7 uniform", f"{level(10):.2f}", "mean of clips"):
        assert text in " ".join(result.output.split())
    written = json.loads(target.read_text())
    assert (written["model"], written["dataset"], written["protocol"]) == ("none", "nturain", "cstd")
    assert list(written["clips"]) == ["a2", "a1"]
    assert written["clips"]["a1"]["psnr"] == pytest.approx(level(10))
    assert written["clips"]["a1"]["frames"] == 3
    assert written["mean"]["psnr"] == pytest.approx((level(10) + level(20)) / 2)

    result = CliRunner().invoke(app, [*line[:-1], "-", "--quiet"])
    assert json.loads(result.stdout) == written


def test_each_mistake_gets_its_sentence(data, tmp_path):
    def fails(match, model="none", **options):
        with pytest.raises(RestillError, match=match):
            evaluate(model, **({"data": data, "quiet": True} | options))

    fails("protocol 'psnr'", protocol="psnr")
    fails("dataset 'vid5'", dataset="vid5")
    fails("clean-clips", dataset="clean-clips")
    fails("no such folder", data=tmp_path / "nowhere")
    fails("no clip b9", clips=["b9"])
    fails("model 'nobody'", model="nobody")
    fails("no such checkpoint", model=str(tmp_path / "run.safetensors"))
    fails("no such checkpoint", model=str(tmp_path))
    fails("clip of 7 frames is too short", limit=7)
    fails("limit", limit=0)
    with pytest.raises(RestillError, match="cannot be written"):
        evaluate("none", data=data, quiet=True).write_json(tmp_path / "no" / "folder.json")


def test_real_rain_untouched(shared_data):
    root = shared_data / "test_only" / "nturain"
    report = evaluate("none", data=root, clips=["a1"], protocol="all-frames", limit=4, quiet=True)
    assert report.clips["a1"]["psnr"] == pytest.approx(28.25, abs=0.6)
    assert report.clips["a1"]["psnr_y"] == pytest.approx(29.70, abs=0.6)


def test_no_torch_is_needed_without_a_checkpoint(data):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from restill.evaluation import evaluate\n"
        f"print(evaluate('none', data={str(data)!r}, quiet=True).mean['psnr'])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert float(result.stdout) == pytest.approx((level(10) + level(20)) / 2)


@pytest.mark.slow
def test_real_rain_untouched_in_full(shared_data):
    root = shared_data / "test_only" / "nturain"
    row = evaluate("none", data=root, clips=["a1"], protocol="all-frames", quiet=True).clips["a1"]
    assert row["frames"] == 168
    assert [round(row[key], 2) for key in ("psnr", "psnr_y")] == [28.25, 29.70]
    assert [round(row[key], 4) for key in ("ssim", "ssim_y")] == [0.9063, 0.9147]


def test_a_score_names_its_backend():
    with pytest.raises(RestillError, match="instead of 'auto'"):
        open_model("rill-s", "auto")
