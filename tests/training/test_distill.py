"""Distillation from Python: networks and batches that the package has never heard of."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from foreign_networks import TinyUnet, clip
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import DataLoader, Dataset

import restill
from restill.errors import RestillError
from restill.networks import create
from restill.training.checkpoint import checkpoints, load_network
from restill.training.distill import as_batch

torch.set_num_threads(1)
PLACES = {"teacher_feature": "refine", "student_feature": "refine", "context": 1}
RUN = {"quiet": True, "threads": 1, "optimizer": {"lr": 1e-2}}


def batches(count: int = 4) -> list[dict[str, torch.Tensor]]:
    """Clean clips with noise on them."""
    made = [clip(batch=2, seed=i) for i in range(count)]
    for batch in made:
        batch["degraded"] = (batch["clean"] + 0.2 * (batch["degraded"] - 0.5)).clamp(0, 1)
    return made


def test_any_module_teaches_any_module_in_place():
    torch.manual_seed(0)
    teacher, student = TinyUnet(8), TinyUnet(4)
    before = {key: value.clone() for key, value in teacher.state_dict().items()}
    untouched = {key: value.clone() for key, value in student.state_dict().items()}
    done = restill.distill(teacher, student, method="mse", data=batches(), steps=6, **PLACES, **RUN)
    assert done is student
    assert not done.training
    assert all(torch.equal(before[key], value) for key, value in teacher.state_dict().items())
    assert not all(torch.equal(untouched[key], value) for key, value in student.state_dict().items())
    assert not any(module._forward_hooks for module in [*teacher.modules(), *student.modules()])


DEADLY = """
import os, signal, torch, restill
from restill.networks import create
from torch.utils.data import DataLoader, Dataset

class Deadly(Dataset):  # the third sample ends the process that makes it, as a full memory does
    def __len__(self):
        return 8

    def __getitem__(self, index):
        if index == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"degraded": torch.zeros(3, 16, 16), "clean": torch.zeros(3, 16, 16)}

loader = DataLoader(Deadly(), num_workers=1)
try:
    restill.distill(None, create("rill-p", channels=4), "plain", data=loader, steps=8, threads=1, quiet=True)
except restill.RestillError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_worker_that_is_killed_is_told_in_a_sentence():
    done = subprocess.run([sys.executable, "-c", DEADLY], capture_output=True, text=True)
    assert "was killed, probably because memory ran out: lower data.distinct" in done.stdout, done.stderr


def test_the_feature_comes_nearer_to_the_teachers_than_it_does_alone():
    batch = batches(1)
    window = batch[0]["degraded"][:, :3]

    def distance(weight: float) -> float:
        torch.manual_seed(0)
        teacher, student = TinyUnet(8), TinyUnet(8)
        restill.distill(teacher, student, "mse", data=batch, steps=60, options={"weight": weight}, **PLACES, **RUN)
        seen = []
        for network in (teacher, student):
            network.refine.register_forward_hook(lambda module, inputs, output: seen.append(output))
            network(window)
        return (seen[0] - seen[1]).square().mean().item()

    assert distance(1.0) < 0.3 * distance(0.0)


def test_what_is_written_goes_on_where_it_stopped(tmp_path):
    def run(steps: int, **more) -> nn.Module:
        torch.manual_seed(0)
        student = create("res-sl", channels=8)
        teacher = create("res-sl", channels=8)
        pictures = [(torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)) for _ in range(2)]
        return restill.distill(
            teacher, student, "mse", data=pictures, steps=steps, output=tmp_path / "mine", save_every=2, **RUN, **more
        )

    run(2)
    assert [folder.name for folder in checkpoints(tmp_path / "mine")] == ["checkpoint-000002"]
    with pytest.raises(RestillError, match="holds an earlier run"):
        run(4)
    student = run(4, resume=True)
    steps = [json.loads(line)["step"] for line in (tmp_path / "mine" / "log.jsonl").read_text().splitlines()]
    assert steps == [2, 4]
    saved = load_file(tmp_path / "mine" / "student.safetensors")
    assert all(torch.equal(saved[key], value) for key, value in student.state_dict().items())
    with pytest.raises(RestillError, match=r"a network that you built yourself \(ResSL\).*restill.export\(net"):
        load_network(tmp_path / "mine")


def test_names_and_a_recipes_data_do_too(clips, tmp_path):
    student = restill.distill(
        "rill-l",
        "rill-s",
        data={"root": clips, "crop": 32, "centres": 2, "align": "none", "workers": 0, "augment": False},
        batch=2,
        steps=2,
        output=tmp_path / "run",
        **RUN,
    )
    loaded, info = load_network(tmp_path / "run")
    assert info == {"network": "rill-s", "options": {}, "align": "none", "name": "run"}
    window = torch.rand(1, 3, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(loaded(window), student(window))


class Noisy(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        clean = torch.full((3, 16, 16), 50 * index, dtype=torch.uint8)
        return clean + 5, clean


def test_a_data_loader_of_pictures_in_bytes():
    student = create("prednet-student3", channels=4)
    trained = restill.distill(None, student, "plain", data=DataLoader(Noisy(), 2), steps=5, **RUN)
    assert trained is student


def test_a_network_that_comes_ready_for_use_is_trained_in_training_mode():
    student = create("prednet-student3", channels=4)
    student.head = torch.nn.Sequential(student.head, torch.nn.BatchNorm2d(3))
    restill.distill(None, student.eval(), "plain", data=DataLoader(Noisy(), 2), steps=2, **RUN)
    assert student.head[1].num_batches_tracked > 0


def test_batches_are_read_as_people_have_them():
    picture = torch.randint(0, 255, (2, 3, 8, 8), dtype=torch.uint8)
    made = as_batch((picture, picture))
    assert made["degraded"].shape == (2, 1, 3, 8, 8)
    assert torch.equal(made["clean"][:, 0], picture.float() / 255)
    for wrong, words in (
        (picture, "a dict with 'degraded' and 'clean'"),
        ({"degraded": picture}, "a dict with 'degraded' and 'clean'"),
        ((picture, picture[0]), r"'clean' must be a tensor .* not \(3, 8, 8\)"),
        ((picture, [1]), "'clean' must be a tensor .* not list"),
    ):
        with pytest.raises(RestillError, match=words):
            as_batch(wrong)
    with pytest.raises(RestillError, match="with 1 frames of context on either side it must have at least 3"):
        as_batch((picture, picture), context=1)


def test_mistakes_are_named():
    student, data = TinyUnet(4), batches(1)
    for changes, words in (
        ({"method": "msee"}, "method 'msee' is not known"),
        ({"student_feature": "nowhere"}, "TinyUnet has no module 'nowhere'"),
        ({"options": {"wait": 1}}, "option 'wait'"),
        ({"weights": {"featur": 1}}, "'weights' names 'featur'; the losses are: reconstruction, feature"),
        ({"optimiser": {}}, "field 'optimiser' is not known"),
        ({"steps": 0}, "field 'steps'"),
        ({"method": "std"}, "nothing would be distilled in 1 steps, since method 'std' starts after 20000"),
        ({"data": []}, "the data has no more batches"),
        ({"data": {"rot": "x"}}, "data: field 'rot' is not known"),
        ({"context": 3}, r"with 3 frames of context on either side .* must have at least 7"),
        ({"teacher": "teacher.pt"}, "the teacher 'teacher.pt' is neither a module"),
    ):
        given = {"teacher": TinyUnet(4), "student": student, "method": "mse", "data": data, "steps": 1}
        with pytest.raises(RestillError, match=words):
            restill.distill(**(given | PLACES | {"quiet": True} | changes))


def test_validation_shows_a_network_what_its_method_shows_it(clips, tmp_path):
    """PISR's teacher restores the clean picture from its own code; it never sees the rain."""
    made = {}
    for rain in ("drizzle", "storm"):
        data = {"root": clips, "crop": 32, "centres": 1, "workers": 0, "held_out": ["two"], "rain": rain}
        folder = tmp_path / rain
        torch.manual_seed(0)
        restill.distill(
            None,
            create("pisr-teacher", decoder="prednet-student3", options={"channels": 4}),
            "pisr-teacher",
            data=data,
            batch=1,
            steps=1,
            output=folder,
            **(RUN | {"optimizer": {"lr": 1e-9}}),
        )
        lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        made[rain] = [line["validation_psnr_rgb_crops"] for line in lines if "validation_psnr_rgb_crops" in line]
    assert made["drizzle"] == pytest.approx(made["storm"], abs=1e-3)
