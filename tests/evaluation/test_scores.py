"""restill score: folders, pictures and videos without a clean side."""

from __future__ import annotations

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from restill.cli import app
from restill.errors import RestillError
from restill.evaluation import score
from restill.evaluation.metrics.brisque_piqe import brisque_features, piqe
from restill.video import read_frames, transcode

# one support vector in the middle of the range, and a kernel as wide as that
MODEL = "svm_type epsilon_svr\nkernel_type rbf\ngamma 0.01\nrho 0\nSV\n100 1:0\n"
RANGE = "x\n-1 1\n" + "".join(f"{i + 1} -10 10\n" for i in range(36))


def picture(seed, height=40, width=48):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def photos(tmp_path):
    """Two pictures of different sizes, the second with 16 bits."""
    folder = tmp_path / "photos"
    folder.mkdir()
    cv2.imwrite(str(folder / "1.png"), picture(0)[..., ::-1])
    cv2.imwrite(str(folder / "2.png"), picture(1, 33, 64)[..., ::-1].astype(np.uint16) * 257)
    return folder


@pytest.fixture
def model(tmp_path):
    (tmp_path / "allrange").write_text(RANGE)
    path = tmp_path / "allmodel"
    path.write_text(MODEL)
    return path


def fake_brisque(frame):
    return 100 * np.exp(-0.01 * ((brisque_features(frame) / 10) ** 2).sum())


def test_a_folder_of_pictures_of_any_size(photos, model):
    result = score([photos], ["brisque", "piqe"], brisque_model=model, quiet=True)
    frames = [picture(0), picture(1, 33, 64)]
    row = result.clips[str(photos)]
    assert row["piqe"] == pytest.approx(np.mean([piqe(frame) for frame in frames]))
    assert row["brisque"] == pytest.approx(np.mean([fake_brisque(frame) for frame in frames]))
    assert (row["frames"], row["flat"]) == (2, 0)
    assert list(result.definitions) == ["brisque", "piqe"]
    assert "allmodel" in result.definitions["brisque"]


def test_a_folder_of_folders_is_the_clips_below_it(photos, tmp_path):
    """As Real275 and other sets are laid out: test/rain/NAME.png."""
    deep = tmp_path / "real275" / "test" / "rain"
    deep.parent.mkdir(parents=True)
    photos.rename(deep)
    (deep.parent / "empty").mkdir()
    assert list(score([tmp_path / "real275"], quiet=True).clips) == [str(deep)]
    (deep / "1.png").rename(tmp_path / "real275" / "test" / "one.png")
    assert list(score([tmp_path / "real275"], quiet=True).clips) == [str(deep.parent), str(deep)]


def test_the_mean_is_over_clips(photos):
    single = photos / "1.png"
    result = score([photos, single], quiet=True)
    first, second = (result.clips[str(path)]["piqe"] for path in (photos, single))
    assert first != second == pytest.approx(piqe(picture(0)))
    assert result.mean == {"piqe": pytest.approx((first + second) / 2)}


def test_a_video_and_its_limit(tmp_path):
    folder, video = tmp_path / "frames", tmp_path / "clip.mkv"
    folder.mkdir()
    for number in range(4):
        cv2.imwrite(str(folder / f"{number}.png"), picture(number))
    transcode(folder, video, lambda frames: frames)
    frames = [piqe(frame) for frame in read_frames(video)]
    assert len(frames) == 4
    assert score([video], quiet=True).clips[str(video)]["piqe"] == pytest.approx(np.mean(frames))
    short = score([video], limit=2, quiet=True)
    assert short.clips[str(video)] == {"piqe": pytest.approx(np.mean(frames[:2])), "frames": 2, "flat": 0}
    assert short.as_dict()["limit"] == 2


def test_flat_frames_have_no_brisque(photos, model):
    cv2.imwrite(str(photos / "0.png"), np.zeros((40, 48, 3), np.uint8))  # a clip that fades in
    row = score([photos], ["brisque"], brisque_model=model, quiet=True).clips[str(photos)]
    assert row["brisque"] == pytest.approx(np.mean([fake_brisque(picture(0)), fake_brisque(picture(1, 33, 64))]))
    assert (row["frames"], row["flat"]) == (3, 1)

    alone = score([photos / "0.png"], ["piqe", "brisque"], brisque_model=model, quiet=True)
    written = json.loads(json.dumps(alone.as_dict()), parse_constant=pytest.fail)
    assert written["clips"][str(photos / "0.png")] == {"piqe": 100, "brisque": None, "frames": 1, "flat": 1}


def test_command_names_the_definitions_and_writes_json(photos, model, tmp_path):
    target = tmp_path / "out.json"
    line = ["score", str(photos), str(photos / "1.png"), "--metric", "piqe,brisque", "--brisque-model", str(model)]
    result = CliRunner().invoke(app, [*line, "--json", str(target)], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    for text in ("PIQE (as MATLAB's piqe)", "BRISQUE (model allmodel", "lower is better", "mean of clips"):
        assert text in result.output
    written = json.loads(target.read_text())
    assert f"{written['mean']['piqe']:.2f}" in result.output
    assert written["clips"][str(photos)]["frames"] == 2

    result = CliRunner().invoke(app, [*line, "--json", "-", "--quiet"])
    assert json.loads(result.stdout) == written


def test_each_mistake_gets_its_sentence(photos, tmp_path):
    def fails(match, paths=None, *metrics, **options):
        with pytest.raises(RestillError, match=match):
            score(paths or [photos], metrics or ["piqe"], quiet=True, **options)

    fails("'nowhere' does not exist", [photos, "nowhere"])
    fails("metric 'nique' is not known", None, "nique")
    fails("brisque needs its trained model.*allmodel.*opencv_contrib", None, "brisque")
    fails("limit must be 1", limit=0)
    with pytest.raises(RestillError, match="nothing to score"):
        score([])
    cv2.imwrite(str(tmp_path / "small.png"), picture(0, 10, 20))
    fails("small.png': PIQE needs pictures of at least 16x16 pixels, not 20x10", [tmp_path / "small.png"])


def test_no_torch_is_needed(photos):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from restill.evaluation import score\n"
        f"print(score([{str(photos)!r}], quiet=True).mean['piqe'])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert 0 < float(result.stdout) <= 100
