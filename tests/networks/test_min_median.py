"""min-median: values by hand, and that it has nothing to train."""

import pytest
import torch

from restill.errors import RestillError
from restill.networks import create
from restill.runtime import load_model
from restill.training.distill import distill
from restill.training.export import export

torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("before", "center", "after", "expected"),
    [
        (0.2, 0.9, 0.4, 0.4),  # a drop on the center: the median
        (0.9, 0.3, 0.4, 0.3),  # a drop on a neighbor changes nothing
        (0.8, 0.1, 0.7, 0.1),  # what is dark only here stays
        (0.9, 0.8, 0.1, 0.8),  # two drops of three are one too many
    ],
)
def test_by_hand(before, center, after, expected):
    window = torch.tensor([before, center, after]).reshape(1, 3, 1, 1, 1).expand(1, 3, 3, 2, 5)
    assert torch.equal(create("min-median")(window), torch.full((1, 3, 2, 5), expected))


def test_each_value_for_itself():
    window = torch.full((1, 3, 3, 2, 2), 0.5)
    window[0, 1, 2, 1, 0] = 1.0
    window[0, 1, 0, 0, 1] = 0.25
    expected = torch.full((1, 3, 2, 2), 0.5)
    expected[0, 0, 0, 1] = 0.25
    assert torch.equal(create("min-median")(window), expected)


def test_there_is_nothing_to_train():
    pictures = torch.zeros(1, 3, 3, 8, 8)
    with pytest.raises(RestillError, match="the student MinMedian has no weights that can be trained"):
        distill(None, "min-median", "plain", data=[(pictures, pictures)], steps=1, quiet=True)


def test_export_by_name_is_what_the_zoo_has(tmp_path):
    written = load_model(export("min-median", tmp_path / "model.onnx"), threads=1)
    assert written.info == load_model("min-median", threads=1).info
    assert (written.info.align, written.info.parameters, written.info.size_multiple) == ("auto", 0, 1)
    window = torch.rand(1, 3, 3, 17, 23)
    for model in (written, load_model("min-median", threads=1)):
        assert (model.run(window.numpy()) == create("min-median")(window).numpy()).all()
