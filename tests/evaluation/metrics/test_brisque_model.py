"""BRISQUE's regression, read from the formats of LIBSVM and OpenCV."""

from __future__ import annotations

import numpy as np
import pytest

from restill.errors import RestillError
from restill.evaluation.metrics.brisque_model import load_brisque_model
from restill.evaluation.metrics.brisque_piqe import brisque, brisque_features

LIBSVM = """svm_type epsilon_svr
kernel_type rbf
gamma 0.05
nr_class 2
total_sv 2
rho -30.5
probA 4.2
SV
20 1:1 2:-0.5 36:0.25
-8 3:-1
"""
OPENCV = f"""%YAML:1.0
---
opencv_ml_svm:
   format: 3
   svmType: EPS_SVR
   kernel: {{ type:RBF, gamma:0.05 }}
   C: 1024.
   p: 0.1
   var_count: 36
   sv_total: 2
   support_vectors:
      - [ 1., -0.5, {"0., " * 33}0.25 ]
      - [ 0., 0., -1., {", ".join(["0."] * 33)} ]
   decision_functions:
      -
         sv_count: 2
         rho: -30.5
         alpha: [ -8., 20. ]
         index: [ 1, 0 ]
"""
OPENCV_RANGE = f"""%YAML:1.0
---
range: !!opencv-matrix
   rows: 2
   cols: 36
   dt: f
   data: [ {", ".join(["2."] * 36 + ["6."] * 36)} ]
"""
SCALED = np.array([0.1 * ((i * 7) % 11 - 5) for i in range(36)])
# svm_predict of libsvm-official 3.37.0 and SVM.predict of opencv-contrib-python-headless 5.0.0.93, of SCALED
SCORE = 38.66284647669123


@pytest.fixture
def libsvm(tmp_path):
    (tmp_path / "allmodel").write_text(LIBSVM)
    (tmp_path / "allrange").write_text("x\n-1 1\n" + "".join(f"{i + 1} 2 6\n" for i in range(36)))
    return tmp_path / "allmodel"


@pytest.fixture
def opencv(tmp_path):
    (tmp_path / "brisque_model_live.yml").write_text(OPENCV)
    (tmp_path / "brisque_range_live.yml").write_text(OPENCV_RANGE)
    return tmp_path / "brisque_model_live.yml"


@pytest.mark.parametrize(("kind", "convention"), [("libsvm", "release"), ("opencv", "opencv")])
def test_score_equals_that_of_its_library(kind, convention, request):
    model = load_brisque_model(request.getfixturevalue(kind))
    assert model.convention == convention
    assert model.name in str(model)
    assert model.predict(4 + 2 * SCALED) == pytest.approx(SCORE, abs=1e-10)  # the range is 2..6


def test_score_by_hand(libsvm):
    expected = 20 * np.exp(-0.05 * (1 + 0.25 + 0.0625)) - 8 * np.exp(-0.05) + 30.5
    assert load_brisque_model(libsvm).predict(np.full(36, 4.0)) == pytest.approx(expected)  # all scaled to 0


def test_only_opencv_cuts_scores(libsvm, opencv):
    libsvm.write_text(LIBSVM.replace("-30.5", "30.5"))
    opencv.write_text(OPENCV.replace("-30.5", "30.5"))
    assert load_brisque_model(libsvm).predict(4 + 2 * SCALED) == pytest.approx(SCORE - 61)
    assert load_brisque_model(opencv).predict(4 + 2 * SCALED) == 0
    opencv.write_text(OPENCV.replace("-30.5", "-300.5"))
    assert load_brisque_model(opencv).predict(4 + 2 * SCALED) == 100


def test_a_model_brings_its_convention(libsvm, opencv):
    picture = np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    for path in (libsvm, opencv):
        model = load_brisque_model(path)
        assert brisque(picture, model) == model.predict(brisque_features(picture, model.convention))
    assert np.isnan(brisque(np.zeros((40, 48, 3), np.uint8), load_brisque_model(opencv)))


def test_each_damaged_model_gets_its_sentence(libsvm, opencv):
    def fails(path, match):
        with pytest.raises(RestillError, match=match):
            load_brisque_model(path)

    def with_text(path, text):
        path.write_text(text)
        return path

    folder = libsvm.parent
    fails(folder / "absent_model", "absent_model' does not exist.*opencv_contrib")
    fails(folder / "allrange", "does not have the name of a BRISQUE model")
    fails(with_text(folder / "other_model", LIBSVM), "other_range' does not exist")
    fails(with_text(libsvm, LIBSVM.replace("epsilon_svr", "c_svc")), "allmodel' is not an epsilon_svr")
    fails(with_text(libsvm, LIBSVM.replace("3:-1", "37:-1")), "allmodel' is a damaged")
    fails(with_text(libsvm, LIBSVM.replace("3:-1", "0:-1")), "from 1 to 36")
    fails(with_text(libsvm, LIBSVM.partition("SV")[0]), "allmodel' is a damaged")
    with_text(libsvm, LIBSVM)
    with_text(folder / "allrange", "x\n-1 1\n1 2 6\n")
    fails(libsvm, "allrange' is not a range file")
    libsvm.write_bytes(b"\xff\x00")
    fails(libsvm, "cannot be read as text")

    fails(with_text(opencv, OPENCV.replace("EPS_SVR", "C_SVC")), "not an EPS_SVR")
    fails(with_text(opencv, OPENCV.replace("-8., 20.", "-8.")), "as many weights as vectors")
    fails(with_text(opencv, OPENCV.replace("decision_functions", "functions")), "damaged")
    fails(with_text(opencv, "%YAML:1.0\n---\nother: 1\n"), "has no 'opencv_ml_svm'")
    fails(with_text(opencv, "nothing of the kind"), "brisque_model_live.yml' is not a YAML file")
    with_text(opencv, OPENCV)
    with_text(folder / "brisque_range_live.yml", OPENCV_RANGE.replace("6.", "2."))
    fails(opencv, "brisque_range_live.yml' is not a range")
