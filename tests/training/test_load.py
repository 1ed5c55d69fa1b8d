"""``restill.load``: the student as a module, equal to its ONNX file."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import restill
from restill import zoo
from restill.errors import RestillError
from restill.networks import create
from restill.networks.saved import load_network, save_network
from restill.runtime import load_model
from restill.training.export import export

torch.set_num_threads(1)


def window_of(network: torch.nn.Module, height: int, width: int) -> torch.Tensor:
    seed = torch.Generator().manual_seed(0)
    return torch.rand(2, network.spec.frames, 3, height, width, generator=seed)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", [card.name for card in zoo.cards()])
@torch.no_grad()
def test_every_student_equals_its_file(name, tmp_path):
    network = restill.load(name)
    assert not network.training
    batch = window_of(network, 36, 50)
    model = load_model(name, threads=1)
    expected = np.concatenate([model.run(window[None].numpy()) for window in batch])
    np.testing.assert_allclose(network(batch).numpy(), expected, atol=1e-5)


@torch.no_grad()
def test_it_is_the_network_that_was_trained(tmp_path):
    """Not the plain form of the export: as a checkpoint, it gives the same network again."""
    network = restill.load("rill-s")
    fresh = {name: value.shape for name, value in create("rill-s").state_dict().items()}
    assert {name: value.shape for name, value in network.state_dict().items()} == fresh
    path = tmp_path / "student.safetensors"
    save_network(path, network, {"network": "rill-s", "options": {}, "align": "auto", "name": "again"})
    batch = window_of(network, 32, 48)
    torch.testing.assert_close(load_network(path)[0](batch), network(batch), atol=1e-6, rtol=0)
    torch.testing.assert_close(restill.load(tmp_path)(batch), network(batch), atol=1e-6, rtol=0)


def test_what_cannot_be_loaded(tmp_path):
    with pytest.raises(RestillError, match="'rill-z' is not known"):
        restill.load("rill-z")
    with pytest.raises(RestillError, match=r"model\.int8\.onnx' is quantized"):
        restill.load(zoo.find("rill-s").with_name("model.int8.onnx"))
    restill.export(torch.nn.Identity(), tmp_path / "own.onnx")
    with pytest.raises(RestillError, match="a network of your own"):
        restill.load(tmp_path / "own.onnx")


def test_a_file_with_other_options_is_refused_and_its_run_is_not(tmp_path):
    about = {"network": "rill-s", "options": {"pairs": 3}, "align": "none", "name": "mine"}
    network = create("rill-s", pairs=3)  # every weight of the default is there, and some more
    save_file(network.state_dict(), tmp_path / "student.safetensors", metadata={"restill": json.dumps(about)})
    export(tmp_path, tmp_path / "mine.onnx")
    with pytest.raises(RestillError, match="load the run's folder"):
        restill.load(tmp_path / "mine.onnx")
    batch = window_of(network, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(restill.load(tmp_path)(batch), network.eval()(batch))
