"""Rows of NIQE: pictures without a clean side, as they are and as models leave them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_recipes import FIRST, write_recipes

from restill.datasets.leaks import digest
from restill.evaluation.metrics.niqe import NiqeModel, load_niqe_model, niqe
from restill.evaluation.models import load_checkpoint
from restill.runtime import stream
from restill.tables import reproduce, runner
from restill.training.experiment import train

RECIPES = Path(__file__).parents[2] / "recipes"
TABLE = {
    "title": "A table of real rain",
    "paper": "Somebody, 2020",
    "protocol": "niqe",
    "sets": {"real": {"dataset": "real275"}},
    "columns": [{"name": "Real275", "set": "real"}],
    "metrics": ["niqe"],
    "rows": [
        {"label": "input", "model": "none"},
        {"label": "trained", "recipe": "first.yaml", "paper": {"niqe": [3.5]}},
        {"label": "theirs", "paper": {"niqe": [3.4]}},
    ],
}
DATA = {"real275": "real", "clean-clips": "clips"}
# where pictures go; with those of the clean side, which NIQE is not to look at
LAYOUTS = {
    "spa-data": [
        ("real_test_1000/rain/{:03d}.png", "real_test_1000/gt/{:03d}gt.png"),
        ("test/input/{}.png", "test/target/{}.png"),
    ],
    "real275": [("test/rain/norain-{}.png",), ("rain/norain-{}.png",), ("norain-{}.png",)],
    "ivipc": [("test/rain/{}.png",), ("rain/{}.png",), ("{}.png",)],
}


def rainy(seed: int, size: tuple[int, int] = (100, 200)) -> np.ndarray:
    """(H, W, 3) RGB: a texture."""
    noise = np.random.default_rng(seed).integers(0, 255, (*size, 3)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 1 + 0.2 * seed)


def write(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.ascontiguousarray(picture[..., ::-1]))


def model_file(path: Path, mean: float = 0.5) -> NiqeModel:
    np.savez(path, mu_prisparam=np.full(36, mean), cov_prisparam=np.eye(36))
    return load_niqe_model(path)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a table, its recipe, a clip to train on, three rainy pictures of two sizes; the current one."""
    write_recipes(tmp_path, {"tables/tiny": TABLE, "first": FIRST})
    for t in range(6):
        write(tmp_path / "clips" / "one" / f"{t:05d}.png", rainy(50)[t : t + 48, :56])
    for number in range(3):
        write(tmp_path / "real" / "rain" / f"norain-{number}.png", rainy(number, (100 + 97 * (number == 2), 200)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


PICTURES = [rainy(0), rainy(1), rainy(2, (197, 200))]


def test_the_number_is_the_mean_of_niqe_over_the_pictures(place, monkeypatch):
    pristine = model_file(place / "m.npz")
    result = reproduce("tiny", data=DATA, niqe_model="m.npz", quiet=True)
    assert [row.messages for row in result.rows] == [[], [], ["not implemented"]]
    assert result.rows[0].ours["niqe"][0] == [pytest.approx(np.mean([niqe(each, pristine) for each in PICTURES]))]
    network = load_checkpoint(result.rows[1].runs[0])
    restored = [frame for each in PICTURES for frame in stream(network, [each])]
    assert [frame.dtype for frame in restored] == 3 * [np.uint8]
    assert result.rows[1].ours["niqe"][0] == [pytest.approx(np.mean([niqe(each, pristine) for each in restored]))]
    assert result.protocols == ["NIQE (model m.npz, of Y)"]
    assert "| input | paper | - |" in result.markdown()
    # what is measured is kept, for this model of NIQE alone
    monkeypatch.setattr(runner, "train", lambda *_, **__: pytest.fail("trained again"))
    with monkeypatch.context() as patch:
        patch.setattr("restill.tables.measure.niqe", lambda *_: pytest.fail("measured again"))
        assert reproduce("tiny", data=DATA, niqe_model="m.npz", quiet=True).as_dict() == result.as_dict()
    other = model_file(place / "m.npz", 1.0)
    again = reproduce("tiny", ["input"], DATA, niqe_model="m.npz", quiet=True).rows[0]
    assert again.ours["niqe"][0] == [pytest.approx(np.mean([niqe(each, other) for each in PICTURES]))]


def test_nothing_is_trained_without_niqes_model(place, monkeypatch):
    monkeypatch.setattr(runner, "train", lambda *_, **__: pytest.fail("trained"))
    needs = "needs NIQE's model: --niqe-model FILE, see docs/no-reference.md"
    result = reproduce("tiny", data=DATA, quiet=True)
    assert [row.messages for row in result.rows] == [[needs], [needs], ["not implemented"]]
    assert result.rows[0].ours["niqe"] == [[]]
    wrong = reproduce("tiny", data=DATA, niqe_model="no.npz", quiet=True).rows[1]
    assert wrong.messages[0].startswith("'no.npz' does not exist; NIQE's score needs 'modelparameters.mat'")
    both = reproduce("tiny", ["input"], quiet=True).rows[0].messages
    assert both[0].startswith(
        "needs real275 in data/real275, or in another folder given by --data real275=DIR, laid out as "
    )
    assert both[1:] == [needs]
    # a number that was measured is not shown as that of another model
    model_file(place / "m.npz")
    reproduce("tiny", ["input"], DATA, niqe_model="m.npz", quiet=True)
    assert reproduce("tiny", ["input"], DATA, quiet=True).rows[0].messages == [needs]


def test_a_picture_without_contrast_has_no_niqe(place):
    pristine = model_file(place / "m.npz")
    write(place / "real/rain/norain-2.png", np.full((100, 100, 3), 90, np.uint8))
    for _ in range(2):  # measured, and read again
        row = reproduce("tiny", ["input"], DATA, niqe_model="m.npz", quiet=True).rows[0]
        assert row.ours["niqe"][0] == [pytest.approx(np.mean([niqe(each, pristine) for each in PICTURES[:2]]))]


def test_a_picture_that_is_too_small_is_named(place):
    model_file(place / "m.npz")
    write(place / "real/rain/norain-2.png", rainy(2, (90, 200)))
    row = reproduce("tiny", ["input"], DATA, niqe_model="m.npz", quiet=True).rows[0]
    assert row.messages == ["real/rain/norain-2.png: NIQE needs pictures of at least 96x96 pixels, not 200x90"]


def test_pictures_that_are_tested_on_and_those_that_are_trained_on_are_not_the_same(place, monkeypatch):
    model_file(place / "m.npz")
    known: list[tuple[str, bytes]] = []
    monkeypatch.setattr("restill.evaluation.overlap.remember_tests", lambda rows: known.extend(rows))
    reproduce("tiny", ["input"], DATA, niqe_model="m.npz", quiet=True)
    assert {code for _, code in known} == {digest(each) for each in PICTURES}
    run = train("recipes/first.yaml", ["data.root=clips"], quiet=True).folder
    (run / "pictures.digests").write_bytes(digest(PICTURES[1]))
    row = reproduce("tiny", ["trained"], DATA, niqe_model="m.npz", quiet=True).rows[0]
    assert "was trained on this very picture" in row.messages[0]
    # what is allowed is marked, and what was measured so is not shown where it is not
    for _ in range(2):
        result = reproduce("tiny", ["trained"], DATA, niqe_model="m.npz", allow_test_images=True, quiet=True)
        assert result.rows[0].messages == []
        assert len(result.rows[0].ours["niqe"][0]) == 1
        assert "- [1] Ours on Real275: the model was trained on pictures of this set (--allow-test-images)." in (
            result.markdown()
        )
        assert "| trained [1] | paper | 3.5" in result.markdown()
    row = reproduce("tiny", ["trained"], DATA, niqe_model="m.npz", quiet=True).rows[0]
    assert row.ours["niqe"] == [[]]
    assert "was trained on pictures of real, so its score would be meaningless" in row.messages[0]


def test_test_pictures_are_trained_on_where_that_is_allowed(place):
    model_file(place / "m.npz")
    unpaired = {"unpaired": {"dataset": "real275", "root": "elsewhere"}}
    fields = {**FIRST, "method": "ssid-kd", "options": {"dc_window": 3}, "student_feature": "body.0"}
    fields |= {"student": {"network": "rill-p", "options": {"channels": 8}}, "data": {**FIRST["data"], **unpaired}}
    write_recipes(place, {"first": fields})
    refused = reproduce("tiny", data=DATA, niqe_model="m.npz", quiet=True)  # the input's row has seen them
    assert "or pass --allow-test-images" in refused.rows[1].messages[0]
    allowed = reproduce("tiny", data=DATA, niqe_model="m.npz", allow_test_images=True, quiet=True)
    assert allowed.rows[1].messages == []
    assert allowed.rows[1].notes
    assert allowed.rows[0].notes == []


@pytest.mark.parametrize(("dataset", "places"), [(name, each) for name, many in LAYOUTS.items() for each in many])
def test_the_sets_of_the_paper_are_read_in_their_layouts(dataset, places, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pristine = model_file(tmp_path / "m.npz")
    for side, form in enumerate(places):
        for number in (1, 2):
            write(tmp_path / "here" / form.format(number), rainy(10 * side + number))
    row = reproduce(
        "ssid-table2", ["rainy input"], {dataset: "here"}, niqe_model="m.npz", recipes=RECIPES, quiet=True
    ).rows[0]
    numbers = dict(zip(("spa-data", "real275", "ivipc"), row.ours["niqe"], strict=True))
    assert numbers.pop(dataset) == [pytest.approx(np.mean([niqe(rainy(each), pristine) for each in (1, 2)]))]
    assert list(numbers.values()) == [[], []]
    assert [text.split()[1] for text in row.messages] == list(numbers)
