"""Two steps of what is not rain: super-resolution of clips under STD, denoising of photographs; told by recipes."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from restill.errors import RestillError
from restill.evaluation.models import load_checkpoint
from restill.training import recipe_feed
from restill.training.experiment import train
from restill.training.recipe import load_recipe, parse_recipe, read_fields
from restill.training.samples import samples_of

torch.set_num_threads(1)

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
SMALL = {
    "fastdvdnet-vsr-quarter": {"channels": 4, "width": 8, "hr_channels": 8},
    "vdsr": {"width": 4},
}


def run(tmp_path, data, student, **fields):
    fields = {
        "name": "tiny",
        "seed": 1,
        "steps": 2,
        "batch": 1,
        "student": student,
        "data": {"workers": 0, **data},
        "validation": {"every": 2, "samples": 2},
        "threads": 1,
        "output": str(tmp_path / "runs"),
        **fields,
    }
    return train(parse_recipe(fields, "test"), quiet=True)


def network(name):
    return {"network": name, "options": SMALL[name]}


@pytest.mark.parametrize("student", SMALL)
def test_super_resolution_under_std_trains_validates_and_restores(clips, tmp_path, student):
    data = {"root": str(clips), "held_out": ["two"], "degradation": "downsample", "crop": 64}
    done = run(
        tmp_path,
        {**data, "centres": 3, "edges": "replicate"},
        network(student),
        teacher={"network": "edvr-m", "options": {"channels": 8, "blocks": 1}},
        method="std",
        options={"warmup": 1, "hidden": 4},
    )
    assert done.steps == 2
    assert {"reconstruction", "space", "time"} <= done.losses.keys()
    assert done.validation is not None
    assert math.isfinite(done.validation)
    frames = load_checkpoint(done.folder)
    window = np.random.default_rng(0).random((1, 7 if student != "vdsr" else 1, 3, 16, 20), np.float32)
    assert frames.run(window).shape == (1, 3, 64, 80)


def test_validation_of_super_resolution_compares_with_the_clean_size(clips, tmp_path, monkeypatch):
    seen = []
    real = recipe_feed.validate

    def spy(method, batches, device):
        seen.extend((batch["degraded"].shape, batch["clean"].shape) for batch in batches)
        return real(method, batches, device)

    monkeypatch.setattr(recipe_feed, "validate", spy)
    data = {"root": str(clips), "held_out": ["two"], "degradation": {"name": "downsample"}, "crop": 64, "centres": 1}
    done = run(tmp_path, data, network("vdsr"), options={"reconstruction": "l1", "recon_weights": [1]})
    assert seen == [((1, 1, 3, 16, 16), (1, 1, 3, 64, 64))] * 2
    # a fresh VDSR is nearly the bicubic picture: the two sides show the same place
    assert done.validation is not None
    assert done.validation > 25


def test_an_image_recipe_denoises_photographs(tmp_path):
    rng = np.random.default_rng(0)
    for name, size in (("a.png", (40, 60)), ("more/b.png", (70, 33)), ("more/c.jpg", (48, 48))):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        smooth = cv2.GaussianBlur(rng.integers(0, 256, (*size, 3)).astype(np.uint8), (0, 0), 3)
        cv2.imwrite(str(tmp_path / "photos" / name), smooth)
    data = {
        "dataset": "clean-photos",
        "root": str(tmp_path / "photos"),
        "held_out": ["a.png"],
        "degradation": {"name": "noise", "sigma": [15, 25]},
        "crop": 32,
        "centres": 1,
        "unpaired": {"dataset": "clean-photos", "root": str(tmp_path / "photos"), "degradation": "blur"},
    }
    small = {"network": "res-sl", "options": {"channels": 4, "blocks": [0, 0, 0, 0], "refinement": 1}}
    done = run(tmp_path, data, small, options={"reconstruction": "l1", "recon_weights": [1]})
    assert done.steps == 2
    assert done.validation is not None
    assert math.isfinite(done.validation)


def test_unpaired_frames_of_their_own_size_are_cut_as_the_degraded_ones(clips):
    fields = {
        "name": "tiny",
        "steps": 1,
        "student": network("vdsr"),
        "data": {
            "root": str(clips),
            "degradation": "downsample",
            "crop": 64,
            "centres": 1,
            "unpaired": {"root": str(clips)},
        },
    }
    recipe = parse_recipe(fields, "test")
    sample = samples_of(recipe.data, None, 3, 1, 0, plain=False)[0]
    assert sample["degraded"].shape == sample["unpaired"].shape == (1, 3, 16, 16)
    assert sample["clean"].shape == (1, 3, 64, 64)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"degradation": "nois"}, r"data\.degradation.*nearest is noise"),
        ({"degradation": {"name": "noise", "sigma": -1}}, r"data\.degradation.*number from 0 to 255"),
        ({"degradation": "blur", "rain": "storm"}, r"data\.rain.*leave one of the two out"),
        ({"unpaired": {"root": "x", "degradation": {}}}, r"data\.unpaired\.degradation.*needs a 'name'"),
    ],
)
def test_a_wrong_degradation_is_told_when_the_recipe_is_read(data, words):
    fields = {"name": "tiny", "steps": 1, "student": {"network": "vdsr"}, "data": {"root": "x", **data}}
    with pytest.raises(RestillError, match=words) as caught:
        parse_recipe(fields, "test")
    assert "\n" not in str(caught.value)


NAMED = [path for path in sorted((RECIPES / "std").glob("*.yaml")) if "name" in read_fields(path)]


def test_the_recipes_of_std_are_the_papers_training():
    recipes = {path.stem: load_recipe(path) for path in NAMED}
    assert {"edvr", "vdsr", "vdsr_std", "fastdvdnet_quarter_std", "table2_sd"} <= recipes.keys()
    assert len({recipe.name for recipe in recipes.values()}) == len(recipes)
    for stem, recipe in recipes.items():
        assert (recipe.steps, recipe.batch, recipe.optimizer.lr) == (800_000, 2, 1e-4)
        assert (recipe.data.crop, recipe.data.centres, recipe.data.edges) == (256, 7, "replicate")
        assert [recipe.schedule.lr(1e-4, step, 800_000) for step in (0, 200_000, 799_999)] == [1e-4, 0.5e-4, 0.125e-4]
        assert recipe.options["reconstruction"] == "l1"
        assert recipe.method == "std" or not stem.endswith("_std")


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [path for path in NAMED if path.stem != "rbpn" and "pisr" not in path.stem], ids=lambda path: path.stem
)
def test_each_recipe_of_std_runs_two_steps(clips, tmp_path, path):
    fields = read_fields(path)
    one_width = fields["student"]["network"] in ("vdsr", "vsrnet")
    fields["student"]["options"] = {"width": 8} if one_width else {"channels": 8}
    if fields["student"]["network"] == "d3dnet":
        fields["student"]["options"] = {"width": 2}
    if "teacher" in fields:
        fields["teacher"] = {"network": "edvr-m", "options": {"channels": 8, "blocks": 1}}
    if fields.get("method") == "std":
        fields["options"] = {**fields.get("options", {}), "warmup": 1, "hidden": 4}
    data = {"dataset": "clean-clips", "root": str(clips), "degradation": "downsample", "crop": 64, "workers": 0}
    fields["data"] |= data
    fields |= {"steps": 2, "batch": 1, "threads": 1, "output": str(tmp_path)}
    assert train(parse_recipe(fields, str(path)), quiet=True).steps == 2
