import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from restill.errors import RestillError
from restill.training.checkpoint import checkpoints, load_network
from restill.training.experiment import train
from restill.training.feed import Place
from restill.training.recipe import parse_recipe
from restill.training.samples import samples_of


def recipe(clips, tmp_path, **changes):
    fields = {
        "name": "run",
        "seed": 1,
        "steps": 6,
        "batch": 2,
        "student": {"network": "rill-s", "options": {"channels": 8, "pairs": 1}},
        "data": {"root": str(clips), "crop": 32, "centres": 2, "align": "dis", "workers": 0, "held_out": ["two"]},
        "validation": {"every": 3, "samples": 2},
        "optimizer": {"lr": 1e-3},
        "options": {"reconstruction": "mse"},
        "threads": 1,
        "log_every": 1,
        "save_every": 3,
        "output": str(tmp_path),
    }
    return parse_recipe(fields | changes, "test")


def distilled(clips, tmp_path, **changes):
    teacher = train(recipe(clips, tmp_path, name="teacher", steps=2), overwrite=True, quiet=True)
    options = {"alpha": 0.1, "reconstruction": "mse"}
    return recipe(
        clips, tmp_path, method="cstd", teacher={"checkpoint": str(teacher.folder)}, options=options, **changes
    )


def test_pretraining_lowers_the_loss_and_writes_what_it_says(clips, tmp_path):
    data = recipe(clips, tmp_path).data.model_dump() | {"rain": "heavy"}
    result = train(recipe(clips, tmp_path, steps=60, data=data, optimizer={"lr": 3e-3}), quiet=True)
    lines = [json.loads(line) for line in (result.folder / "log.jsonl").read_text().splitlines()]
    assert sum("reconstruction" in line and "total" in line and "lr" in line for line in lines) == 60
    psnr = [line["validation_psnr_rgb_crops"] for line in lines if "validation_psnr_rgb_crops" in line]
    assert psnr[-1] == result.validation
    assert psnr[-1] > psnr[0] + 0.5
    assert list((result.folder / "tensorboard").iterdir())
    network, info = load_network(result.folder)
    assert info == {"network": "rill-s", "options": {"channels": 8, "pairs": 1}, "align": "dis", "name": "run"}
    assert len(checkpoints(result.folder)) == 2
    assert not list(tmp_path.rglob("*.partial"))
    assert network(torch.rand(1, 3, 3, 16, 16)).shape == (1, 3, 16, 16)


@pytest.mark.parametrize("method", [None, "cstd"])
def test_a_resumed_run_ends_in_the_same_weights_to_the_bit(clips, tmp_path, method):
    make = recipe if method is None else distilled
    whole = train(make(clips, tmp_path, name="whole"), quiet=True)
    split = make(clips, tmp_path, name="split")
    train(split, quiet=True)
    newest = checkpoints(split.folder)[-1]
    assert newest.name == "checkpoint-000006"
    for file in newest.iterdir():
        file.unlink()
    newest.rmdir()
    resumed = train(split, resume=True, quiet=True)
    a, b = (load_file(run.folder / "student.safetensors") for run in (whole, resumed))
    assert a.keys() == b.keys()
    for key in a:
        assert torch.equal(a[key], b[key]), key
    steps = [json.loads(line)["step"] for line in (split.folder / "log.jsonl").read_text().splitlines()]
    assert sorted(set(steps)) == [1, 2, 3, 4, 5, 6]


def test_workers_do_not_change_the_samples(clips, tmp_path):
    a = train(recipe(clips, tmp_path, name="a", steps=3), quiet=True)
    data = recipe(clips, tmp_path).data.model_dump() | {"workers": 2}
    b = train(recipe(clips, tmp_path, name="b", steps=3, data=data), quiet=True)
    first, second = (load_file(run.folder / "student.safetensors") for run in (a, b))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_workers_start_after_opencv_has_used_threads(clips, tmp_path):
    cv2.setNumThreads(4)
    cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (0, 0), 5)
    data = recipe(clips, tmp_path).data.model_dump() | {"workers": 1, "align": "none", "held_out": []}
    assert train(recipe(clips, tmp_path, steps=2, data=data), quiet=True).steps == 2


def test_an_earlier_run_is_not_lost_by_accident(clips, tmp_path):
    train(recipe(clips, tmp_path, steps=1), quiet=True)
    with pytest.raises(RestillError, match="--resume"):
        train(recipe(clips, tmp_path, steps=1), quiet=True)
    train(recipe(clips, tmp_path, steps=1), overwrite=True, quiet=True)


def test_a_checkpoint_of_another_recipe_is_refused(clips, tmp_path):
    train(recipe(clips, tmp_path, steps=3), quiet=True)
    other = recipe(clips, tmp_path, student={"network": "rill-s", "options": {"channels": 4, "pairs": 1}})
    with pytest.raises(RestillError, match=r"other settings: student\.options\.channels was 8 and is 4"):
        train(other, resume=True, quiet=True)


def test_a_loss_that_is_not_finite_stops_with_its_name(clips, tmp_path):
    with pytest.raises(RestillError, match=r"step \d+: loss 'reconstruction' is not finite"):
        train(recipe(clips, tmp_path, optimizer={"lr": 1e30}), quiet=True)


def test_a_method_without_its_teacher_is_refused(clips, tmp_path):
    with pytest.raises(RestillError, match="method 'cstd' needs a teacher"):
        train(recipe(clips, tmp_path, method="cstd"), quiet=True)


def test_unknown_weight_names_the_losses(clips, tmp_path):
    with pytest.raises(RestillError, match="reconstruction"):
        train(recipe(clips, tmp_path, weights={"temporel": 1.0}), quiet=True)


def test_ctrl_c_saves_and_says_how_to_go_on(clips, tmp_path):
    import yaml

    file = tmp_path / "recipe.yaml"
    long = recipe(clips, tmp_path, steps=100000, save_every=100000).model_dump(mode="json")
    file.write_text(yaml.safe_dump(long))
    command = [sys.executable, "-c", "from restill.cli import main; main()", "train", str(file)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)
    log = tmp_path / "run" / "log.jsonl"
    while process.poll() is None and not (log.exists() and len(log.read_text().splitlines()) > 3):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert "--resume" in said
    assert "Traceback" not in said
    assert len(checkpoints(tmp_path / "run")) == 1


@pytest.mark.slow
def test_two_processes_train_as_one_does(clips, tmp_path):
    one = train(recipe(clips, tmp_path, name="one", steps=3), quiet=True)
    said = torchrun(tmp_path, recipe(clips, tmp_path, name="two", steps=3))
    assert said.count("trained 3 steps") == 1
    assert_near(one.folder, tmp_path / "two", recipe(clips, tmp_path).optimizer.lr)


def torchrun(tmp_path, made, *words: str) -> str:
    import yaml

    file = tmp_path / f"{made.name}.yaml"
    file.write_text(yaml.safe_dump(made.model_dump(mode="json")))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    run = subprocess.run(
        [*command, "-m", "restill", "train", str(file), "--quiet", *words], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def assert_near(one: Path, other: Path, lr: float, near: float = 1e-6) -> None:
    """Adam divides by the gradient, so a weight whose gradient is nearly zero moves by the rounding of its sum."""
    a, b = (load_file(folder / "student.safetensors") for folder in (one, other))
    differences = torch.cat([(a[key] - b[key]).abs().flatten() for key in a])
    assert (differences > near).float().mean() < 1e-3
    assert differences.max() < 1e-2 * lr


@pytest.mark.slow
def test_two_processes_then_one_then_two_are_as_one(clips, tmp_path):
    one = train(recipe(clips, tmp_path, name="one", steps=6), quiet=True)
    torchrun(tmp_path, recipe(clips, tmp_path, name="mixed", steps=2))
    train(recipe(clips, tmp_path, name="mixed", steps=4), resume=True, quiet=True)
    torchrun(tmp_path, recipe(clips, tmp_path, name="mixed", steps=6), "--resume")
    assert_near(one.folder, tmp_path / "mixed", recipe(clips, tmp_path).optimizer.lr, near=1e-5)  # twice the steps


def test_a_batch_in_parts_is_a_whole_batch(clips, tmp_path):
    whole, parts = (
        train(recipe(clips, tmp_path, name=f"parts{count}", steps=3, accumulate=count), quiet=True) for count in (1, 2)
    )
    assert_near(whole.folder, parts.folder, recipe(clips, tmp_path).optimizer.lr)
    assert parts.losses == pytest.approx(whole.losses, rel=1e-4)
    with pytest.raises(RestillError, match=r"field 'accumulate': the \d+ samples .* into 7 equal parts"):
        train(recipe(clips, tmp_path, name="seven", steps=1, accumulate=7), quiet=True)


def test_the_log_says_how_long_a_step_waits_for_data(clips, tmp_path):
    run = train(recipe(clips, tmp_path, name="waits", steps=2, log_every=1), quiet=True)
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert all(0 <= line["waits_for_data"] <= 1 for line in lines if "total" in line)


def test_unpaired_clips_come_with_the_batch(clips, tmp_path):
    """Frames as they are, or with rain of their own; and not the crops that the paired side is cut from."""
    from restill.training.experiment import build
    from restill.training.recipe_feed import feed_from

    data = recipe(clips, tmp_path).data.model_dump() | {"align": "dis", "workers": 0, "held_out": []}
    for rain in (None, "heavy"):
        made = recipe(clips, tmp_path, data=data | {"unpaired": {"root": str(clips), "rain": rain}})
        feed, _ = feed_from(made.data, made, made.batch, build(made)[0])
        sample = next(iter(feed.batches(0, Place())))
        assert sample["unpaired"].shape == sample["degraded"].shape
        assert sample["unpaired_windows"].shape == sample["windows"].shape
        assert not torch.equal(sample["unpaired"], sample["degraded"])
        assert not torch.equal(sample["unpaired"], sample["clean"])


def test_the_recipe_says_where_to_look(clips, tmp_path):
    with pytest.raises(RestillError, match=r"RillS has no module 'bdy\.0'"):
        train(distilled(clips, tmp_path, student_feature="bdy.0"), quiet=True)
    paths = {"teacher_feature": "body.0", "student_feature": ["body.0"], "student_head": None}
    assert train(distilled(clips, tmp_path, name="paths", steps=1, **paths), quiet=True).steps == 1


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_run_learns_the_same(clips, tmp_path):
    plain, compiled = (
        train(recipe(clips, tmp_path, name=f"compile-{choice}", compile=choice), quiet=True) for choice in (False, True)
    )
    assert compiled.losses == pytest.approx(plain.losses, rel=1e-3)
    a, b = (load_file(run.folder / "student.safetensors") for run in (plain, compiled))
    assert a.keys() == b.keys()


def test_runs_of_one_process_may_differ_in_precision(clips, tmp_path):
    for precision in ("bf16", "fp32"):
        result = train(recipe(clips, tmp_path, name=precision, steps=1, precision=precision), quiet=True)
        assert result.steps == 1


def test_distinct_samples_come_again(clips, tmp_path):
    data = recipe(clips, tmp_path).data.model_copy(update={"distinct": 3, "cache": False})
    samples = samples_of(data, ["one"], 12, seed=1, context=1, plain=False)
    assert len(samples) == 12
    assert all(torch.equal(samples[i]["degraded"], samples[i + 3]["degraded"]) for i in range(9))
    assert not torch.equal(samples[0]["degraded"], samples[1]["degraded"])
    assert samples[4] is samples[7]
    again = train(recipe(clips, tmp_path, steps=2, data=data.model_dump()), quiet=True)
    assert again.steps == 2


CHANGES = [
    *({"crop": 48}, {"centres": 1}, {"rain": "heavy"}, {"dry": 0.5}, {"align": "none"}, {"augment": False}),
    *({"degradation": "noise"}, {"removes": "streaks"}, {"edges": "replicate"}, {"scale": (0.9, 1.0)}, {"turns": True}),
    {"position": "topleft"},
]


def test_samples_are_kept_by_all_that_decides_them(clips, tmp_path):
    """Whatever changes a sample has a folder of its own; what does not, such as the number of workers, shares one."""

    def folder(names=("one",), seed=1, context=1, **changes):
        data = recipe(clips, tmp_path).data.model_dump() | {"distinct": 3} | changes
        made = parse_recipe(recipe(clips, tmp_path).model_dump(mode="json") | {"data": data}, "test").data
        return samples_of(made, list(names), 12, seed=seed, context=context, plain=False).store.folder

    usual = folder()
    assert folder(workers=3, distinct=5, held_out=["one"], never=[]) == usual
    others = [folder(**change) for change in CHANGES]
    others += [folder(seed=2), folder(context=2), folder(names=("two",)), folder(names=("one", "two"))]
    others += [folder(unpaired={"root": str(clips)})]
    assert len({usual, *others}) == len(others) + 1


def test_a_share_of_the_samples_is_dry(clips, tmp_path):
    data = recipe(clips, tmp_path).data.model_copy(update={"dry": 0.5, "align": "none"})

    def dry(plain):
        samples = samples_of(data, ["one"], 40, seed=1, context=0, plain=plain)
        return sum(torch.equal(s["degraded"], s["clean"]) for s in (samples[i] for i in range(40)))

    assert 10 < dry(plain=False) < 30
    assert dry(plain=True) == 0  # what is validated on is rain


def test_what_removing_streaks_leaves(clips, tmp_path):
    """Mist stays on the clean side: it is brighter than the clip, and where no streak is equal to the degraded side."""
    rain = {"rate": 3, "mist": 0.3, "splash": 0, "whiteness": 1.0}

    def clean_side(removes):
        data = recipe(clips, tmp_path).data.model_copy(update={"removes": removes, "rain": rain, "align": "none"})
        sample = samples_of(data, ["one"], 1, seed=1, context=0, plain=True)[0]
        return sample["clean"].float(), sample["degraded"].float()

    clean, degraded = clean_side("all")
    misty, rainy = clean_side("streaks")
    assert torch.equal(degraded, rainy)
    assert (misty - clean).mean() > 5
    assert (misty == rainy).float().mean() > 0.3 > (clean == degraded).float().mean()


@pytest.mark.parametrize("change", [{"dataset": "rain12"}, {"degradation": "noise"}])
def test_streaks_are_of_rain_that_is_rendered(clips, tmp_path, change):
    data = recipe(clips, tmp_path).data.model_dump() | {"removes": "streaks"} | change
    with pytest.raises(RestillError, match=r"field 'data\.removes'.*rain that Restill renders"):
        recipe(clips, tmp_path, data=data)


@pytest.mark.parametrize(
    ("change", "naming"),
    [
        ({"dataset": "rain12"}, "is only for data sets that Restill degrades: clean-clips, clean-photos"),
        ({"degradation": "downsample"}, "is only for degradations that keep the size"),
    ],
)
def test_dry_where_there_is_no_dry_side(clips, tmp_path, change, naming):
    data = recipe(clips, tmp_path).data.model_dump() | {"dry": 0.1} | change
    with pytest.raises(RestillError, match=rf"field 'data\.dry'.*{naming}"):
        recipe(clips, tmp_path, data=data)
