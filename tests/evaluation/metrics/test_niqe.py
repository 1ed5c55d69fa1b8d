"""NIQE: by hand, against another implementation, its model's files, and in the direction it is made for."""

from __future__ import annotations

import doctest
import functools
import math

import numpy as np
import pytest
from test_brisque_piqe import blocky, blurred, landscape, noisy
from typer.testing import CliRunner

import restill.evaluation.metrics.niqe
from restill.cli import app
from restill.errors import RestillError
from restill.evaluation import score
from restill.evaluation.metrics.niqe import NiqeModel, load_niqe_model, niqe, niqe_features

# compute_feature of BasicSR 1.4.2, of the MSCN maps of the Y of `landscape(96, 96)` and of half of it.
FEATURES = [
    *(1.746, 0.595071, 0.632, 0.077424, 0.034494, 0.063993, 0.651, 0.078739, 0.037422, 0.070093, 0.75, 0.029586),
    *(0.063965, 0.081525, 0.751, 0.025641, 0.065565, 0.080829, 1.985, 0.648194, 0.688, 0.10912, 0.037699, 0.09026),
    *(0.718, 0.111418, 0.039836, 0.099551, 0.797, 0.059492, 0.064369, 0.104623, 0.757, 0.044417, 0.066146, 0.093063),
]
# niqe of BasicSR 1.4.2 with `model()`, of the Y of `landscape(200, 300, 3)`, halved in float64 (it halves in float32).
SCORES = {"clean": 5.697656305605092, "noisy": 568.1326274968928, "blurred": 147.79816480464}


@functools.cache
def model() -> NiqeModel:
    """Made of 72 synthetic blocks."""
    features = np.concatenate([niqe_features(landscape(288, 288, seed)) for seed in range(8)])
    return NiqeModel("synthetic", features.mean(axis=0), np.cov(features, rowvar=False))


def test_features_equal_those_of_basicsr():
    assert niqe_features(landscape(96, 96)) == pytest.approx(np.array([FEATURES]), abs=1e-6)


@pytest.mark.parametrize("kind", SCORES)
def test_score_equals_that_of_basicsr(kind):
    picture = landscape(200, 300, 3)
    picture = {"clean": picture, "noisy": noisy(picture, 24), "blurred": blurred(picture, 1.0)}[kind]
    assert niqe(picture, model()) == pytest.approx(SCORES[kind], rel=1e-6)


def test_distance_by_hand():
    # Where the mean covariance is 4 I, the distance is half the Euclidean one: 36 times 0.5, 6 * 0.5 / 2.
    picture = landscape(192, 288)
    features = niqe_features(picture)
    assert features.shape == (6, 36)
    covariance = 8 * np.eye(36) - np.cov(features, rowvar=False)
    assert niqe(picture, NiqeModel("", features.mean(axis=0) + 0.5, covariance)) == pytest.approx(1.5)
    assert niqe(picture, NiqeModel("", features.mean(axis=0), covariance)) == pytest.approx(0, abs=1e-9)


def test_one_block_has_no_covariance():
    picture = landscape(96, 96)
    assert niqe(picture, NiqeModel("", niqe_features(picture)[0] + 0.5, 8 * np.eye(36))) == pytest.approx(1.5)


def test_only_whole_blocks_count():
    picture = landscape(200, 300)
    assert (niqe_features(picture) == niqe_features(picture[:192, :288])).all()
    assert niqe_features(picture).shape == (6, 36)


@pytest.mark.parametrize(
    ("damage", "amounts"), [(noisy, (0, 6, 12, 24, 48)), (blurred, (0, 0.7, 1, 1.5)), (blocky, (0, 40, 60, 80))]
)
def test_more_damage_more_niqe(damage, amounts):
    scores = [niqe(damage(landscape(192, 288, 9), amount), model()) for amount in amounts]
    assert scores == sorted(set(scores))
    assert scores[-1] > 10 * scores[0]


def test_flat_blocks_do_not_count():
    picture = landscape(192, 288)
    picture[:96, :96] = 200
    features = niqe_features(picture)
    assert np.isnan(features).any(axis=1).tolist() == [True] + 5 * [False]
    assert math.isfinite(niqe(picture, model()))
    assert math.isnan(niqe(np.full((96, 96), 128, np.uint8), model()))


@pytest.mark.parametrize("names", [("mu_prisparam", "cov_prisparam"), ("mu_pris_param", "cov_pris_param")])
def test_both_kinds_of_file(tmp_path, names):
    savemat = pytest.importorskip("scipy.io").savemat
    arrays = dict(zip(names, (model().mean[None], model().covariance), strict=True))  # the mean is a row in MATLAB
    savemat(tmp_path / "modelparameters.mat", arrays)
    np.savez(tmp_path / "niqe_pris_params.npz", **arrays)
    for file in ("modelparameters.mat", "niqe_pris_params.npz"):
        read = load_niqe_model(tmp_path / file)
        assert read.name == file
        assert (read.mean == model().mean).all()
        assert (read.covariance == model().covariance).all()


def test_score_command(tmp_path):
    cv2 = pytest.importorskip("cv2")
    np.savez(tmp_path / "m.npz", mu_prisparam=model().mean, cov_prisparam=model().covariance)
    cv2.imwrite(str(tmp_path / "a.png"), landscape(96, 192)[..., ::-1])
    line = ["score", str(tmp_path / "a.png"), "--metric", "niqe,piqe", "--niqe-model", str(tmp_path / "m.npz")]
    result = CliRunner().invoke(app, line, env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    for text in ("NIQE (model m.npz, of Y)", f"{niqe(landscape(96, 192), model()):.2f}"):
        assert text in result.output


def test_each_mistake_gets_its_sentence(tmp_path):
    small, one = np.zeros((95, 200), np.uint8), tmp_path / "one.npz"
    with pytest.raises(RestillError, match="96x96 pixels, not 200x95"):
        niqe_features(small)
    with pytest.raises(RestillError, match="uint8"):
        niqe_features(np.zeros((96, 96)))
    with pytest.raises(RestillError, match=r"niqe needs its trained model.*modelparameters\.mat.*Austin"):
        score(["a.png"], ["niqe"], quiet=True)
    with pytest.raises(RestillError, match=r"does not exist; NIQE's score needs 'modelparameters\.mat'"):
        load_niqe_model(one)
    for mean in (np.zeros(35), np.full(36, np.nan), np.array(["x"] * 36)):
        np.savez(one, mu_prisparam=mean, cov_prisparam=np.eye(36))
        with pytest.raises(RestillError, match="has no 'mu_prisparam' of 36 finite values"):
            load_niqe_model(one)
    np.savez(one, mu_prisparam=np.zeros(36))
    with pytest.raises(RestillError, match="has no 'cov_prisparam' of 36x36 finite values"):
        load_niqe_model(one)
    np.savez(one, mu_prisparam=np.array([{}] * 36), cov_prisparam=np.eye(36))  # pickled: never unpacked
    with pytest.raises(RestillError, match=r"cannot be read as a \.mat or \.npz file"):
        load_niqe_model(one)
    for name in ("text.npz", "text.mat"):
        (tmp_path / name).write_text("no array")
        with pytest.raises(RestillError, match=r"cannot be read as a \.mat or \.npz file"):
            load_niqe_model(tmp_path / name)


def test_example_in_docstrings():
    result = doctest.testmod(restill.evaluation.metrics.niqe)
    assert result.attempted
    assert not result.failed
