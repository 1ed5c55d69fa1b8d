"""A run that aligns by SPyNet: its windows reach training and validation, evaluation finds them, export says no."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from restill.errors import RestillError
from restill.evaluation.models import load_checkpoint
from restill.networks.blocks.spynet import SPyNet, align_window, load_spynet, save_spynet
from restill.training.checkpoint import checkpoints, load_network
from restill.training.experiment import train
from restill.training.export import export
from restill.training.recipe import parse_recipe

torch.set_num_threads(1)


def run(clips, tmp_path, name, steps=2, resume=False, **data):
    fields = {
        "name": name,
        "seed": 1,
        "steps": steps,
        "batch": 1,
        "student": {"network": "rill-s", "options": {"channels": 4, "pairs": 1}},
        "data": {"root": str(clips), "crop": 32, "centres": 1, "workers": 0, "held_out": ["two"], **data},
        "validation": {"every": 2, "samples": 1},
        "optimizer": {"lr": 1e-2},
        "options": {"reconstruction": "mse"},
        "threads": 1,
        "save_every": 2,
        "output": str(tmp_path),
    }
    return train(parse_recipe(fields, "test"), quiet=True, resume=resume)


def weights(tmp_path, gain):
    torch.manual_seed(0)
    net = SPyNet()
    for parameter in net.parameters():
        parameter.data *= gain
    save_spynet(net, tmp_path / f"spynet{gain}.safetensors")
    return tmp_path / f"spynet{gain}.safetensors"


def student(result):
    return torch.cat([value.flatten() for value in load_file(result.folder / "student.safetensors").values()])


def test_training_and_validation_see_the_windows(clips, tmp_path):
    plain = run(clips, tmp_path, "plain", align="none")
    still = run(clips, tmp_path, "still", align="spynet", aligner=weights(tmp_path, 0))
    moved = run(clips, tmp_path, "moved", align="spynet", aligner=weights(tmp_path, 1))
    assert torch.allclose(student(still), student(plain), atol=1e-3)  # zero flow: nothing is warped
    assert still.validation == pytest.approx(plain.validation, abs=1e-2)
    assert not torch.allclose(student(moved), student(plain), atol=1e-3)
    assert load_network(moved.folder)[1]["align"] == "spynet"


def test_a_run_resumes_evaluates_by_its_own_aligner_and_is_not_exported(clips, tmp_path):
    data = {"align": "spynet", "aligner": weights(tmp_path, 1)}
    whole = run(clips, tmp_path, "whole", steps=4, **data)
    split = run(clips, tmp_path, "split", **data)
    shutil.rmtree(split.folder / "tensorboard")
    split = run(clips, tmp_path, "split", steps=4, resume=True, **data)
    assert torch.equal(student(split), student(whole))

    network, _ = load_network(whole.folder)
    window = torch.rand(1, 3, 3, 36, 44)
    with torch.no_grad():
        expected = network(align_window(load_spynet(data["aligner"]), window, 1)).numpy()
    for place in (whole.folder, whole.folder / "student.safetensors", checkpoints(whole.folder)[-1]):
        assert np.array_equal(load_checkpoint(place).run(window.numpy()), expected)
    shutil.copy(whole.folder / "student.safetensors", tmp_path / "alone.safetensors")
    with pytest.raises(RestillError, match=r"aligner\.safetensors in the same folder"):
        load_checkpoint(tmp_path / "alone.safetensors")
    with pytest.raises(RestillError, match=r"data\.align auto to export it"):
        export(whole.folder, tmp_path / "model.onnx")
