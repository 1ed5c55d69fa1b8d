"""The students that come with Restill, and what their cards may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from restill import zoo
from restill.errors import RestillError
from restill.runtime import load_model
from restill.runtime.info import quantized_file

CARD = """
[card]
name = "tiny"
task = "derain"
network = "rill-s"
parameters = 12
macs_per_pixel = 3.5
frames_before = 1
frames_after = 1
align = "dis"
scale = 1
size_multiple = 4
trained_on = ["a", "b"]
recipe = "recipes/tiny.yaml"
licence = "Apache-2.0"
description = "For a test."

[[scores]]
model = "before"
dataset = "nturain"
clip = "a1"
protocol = "all-frames"
psnr = 30.5
ssim = 0.9
command = "restill evaluate tiny"
machine = "2 cores"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    return tmp_path


def put(folder: Path, text: str = CARD, name: str = "tiny") -> None:
    (folder / name).mkdir()
    (folder / name / "card.toml").write_text(text)


@pytest.mark.parametrize("card", zoo.cards(), ids=lambda card: card.name)
def test_card_and_file_agree(card):
    path = zoo.find(card.name)
    assert path.parent.name == card.name
    assert path.stat().st_size < 3e6
    said = load_model(path).info.model_dump(exclude={"format", "precision", "quantized_from", "reach", "feed", "size"})
    assert said == {field: getattr(card, field) for field in said}
    assert load_model(path, tile=64).info.reach is not None, "large frames are cut into tiles"
    assert card.scores, "a student without a measured score is not shipped"


@pytest.mark.parametrize("card", zoo.cards(), ids=lambda card: card.name)
def test_what_the_card_calls_safe_is_there(card):
    quantized = quantized_file(zoo.find(card.name))
    assert quantized.is_file() == bool(card.quantized)
    assert card.safe_precisions[0] == "f32"
    if "int8" in card.safe_precisions:
        assert quantized.stat().st_size < 3e6
        assert load_model(card.name, precision="int8").path == quantized  # and it was made of the file beside it


def test_defaults_are_there():
    for task, name in zoo.DEFAULTS.items():
        if name in [card.name for card in zoo.cards()]:
            assert zoo.default(task) == name
            assert zoo.card(name).task == task.partition("-")[0]


def test_cards(folder):
    assert zoo.cards() == []
    put(folder)
    (card,) = zoo.cards()
    assert card == zoo.card("tiny")
    assert (card.trained_on, card.scores[0].psnr) == (("a", "b"), 30.5)
    assert zoo.find("tiny") == folder / "tiny" / "model.onnx"


def test_find(folder, tmp_path):
    put(folder)
    own = tmp_path / "own.onnx"
    own.touch()
    assert zoo.find(own) == own
    with pytest.raises(RestillError, match="'big' is not known; the models are: tiny;"):
        zoo.find("big")
    with pytest.raises(RestillError, match="'big' is not known"):
        zoo.card("big")
    with pytest.raises(RestillError, match=r"'gone\.onnx' does not exist"):
        zoo.find("gone.onnx")


@pytest.mark.parametrize(
    ("typed", "meant"), [("ril-m", "rill-m"), ("rill_xl", "rill-xl"), ("RILL-S", "rill-s"), ("permisive", "permissive")]
)
def test_a_wrong_name_gets_the_nearest_one(typed, meant):
    for look_up in (zoo.find, zoo.card):
        with pytest.raises(RestillError, match=f"'{typed}' is not known.*Did you mean '{meant}'"):
            look_up(typed)


def test_a_name_like_no_other_gets_no_hint():
    with pytest.raises(RestillError, match=r"\.onnx file\.$"):
        zoo.find("quux")


@pytest.mark.parametrize(("easy", "name"), zoo.EASY_NAMES.items())
def test_easy_names(easy, name):
    assert zoo.find(easy) == zoo.find(name)
    assert zoo.card(easy) == zoo.card(name)
    assert zoo.safe_precisions(easy) == zoo.card(name).safe_precisions


def test_the_easy_name_for_use_at_work_is_for_use_at_work():
    assert zoo.card("permissive").any_use


def test_no_default(folder):
    with pytest.raises(RestillError, match="Restill contains no model for the task 'derain'"):
        zoo.default("derain")
    with pytest.raises(RestillError, match="'cook'"):
        zoo.default("cook")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (CARD.replace("parameters = 12\n", ""), "wrong field 'parameters': Field required"),
        (CARD.replace("scale = 1", 'scale = 1\ncolour = "red"'), "wrong field 'colour'"),
        (CARD.replace("psnr = 30.5", 'psnr = "good"'), "wrong field 'psnr'"),
        (CARD.replace('protocol = "all-frames"\n', ""), "wrong field 'protocol'"),
        (CARD.replace("scale = 1", 'scale = 1\nsafe_precisions = ["int4"]'), r"wrong field 'safe_precisions\.0'"),
        (CARD + "\n[more]\n", "wrong field 'more'"),
        ("a poem", "not valid TOML"),
    ],
)
def test_wrong_cards(folder, text, says):
    put(folder, text)
    with pytest.raises(RestillError, match=says):
        zoo.cards()
