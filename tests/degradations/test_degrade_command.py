"""restill degrade: a picture, a folder and a video, at their size and smaller."""

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from restill.cli import app
from restill.degradations.downsample import downsample
from restill.errors import RestillError
from restill.video import probe, read_frames


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for t in range(3):
        cv2.imwrite(str(tmp_path / "in" / f"{t}.png"), rng.integers(60, 190, (50, 66, 3)).astype(np.uint8))
    return tmp_path / "in"


def degrade(*arguments):
    result = CliRunner().invoke(app, ["degrade", *map(str, arguments), "--quiet"])
    if isinstance(result.exception, RestillError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return list(read_frames(arguments[arguments.index("-o") + 1]))


def test_a_folder_gets_noise_and_the_seed_decides(folder, tmp_path):
    noisy = degrade(folder, "-o", tmp_path / "a", "--kind", "noise", "--set", "sigma=10", "--seed", 3)
    again = degrade(folder, "-o", tmp_path / "b", "--kind", "noise", "--set", "sigma=10", "--seed", 3)
    other = degrade(folder, "-o", tmp_path / "c", "--kind", "noise", "--set", "sigma=10", "--seed", 4)
    np.testing.assert_array_equal(noisy, again)
    assert not np.array_equal(noisy, other)
    error = np.array(noisy, float) - np.array(list(read_frames(folder)), float)
    assert error.std() == pytest.approx(10, rel=0.05)


def test_a_picture_becomes_small_exactly(folder, tmp_path):
    (small,) = degrade(folder / "0.png", "-o", tmp_path / "small.png", "--kind", "downsample")
    np.testing.assert_array_equal(small, downsample(next(iter(read_frames(folder / "0.png")))))
    assert small.shape == (13, 17, 3)


def test_a_video_becomes_small_at_any_size(folder, tmp_path):
    CliRunner().invoke(app, ["degrade", str(folder), "-o", str(tmp_path / "v.mkv"), "--kind", "blur", "--quiet"])
    assert (probe(tmp_path / "v.mkv").width, probe(tmp_path / "v.mkv").height) == (66, 50)
    small = degrade(tmp_path / "v.mkv", "-o", tmp_path / "s.mkv", "--kind", "downsample", "--set", "scale=2")
    assert [frame.shape for frame in small] == [(25, 33, 3)] * 3


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--kind", "rain"], "degradation 'rain' is not known; the degradations are: noise, blur, downsample"),
        (["--kind", "noise", "--set", "sigma=lots"], "noise's 'sigma' cannot be 'lots'"),
        (["--kind", "noise", "--set", "sigma"], "write NAME=VALUE"),
    ],
)
def test_a_wrong_word_is_one_sentence(folder, tmp_path, words, sentence):
    with pytest.raises(RestillError, match=sentence):
        degrade(folder, "-o", tmp_path / "out", *words)
    assert not (tmp_path / "out").exists()
