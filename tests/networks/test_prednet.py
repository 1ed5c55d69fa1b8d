"""What PredNet has beside the counts, which test_counts.py holds."""

import pytest
import torch

from restill.errors import RestillError
from restill.networks import create


@pytest.mark.parametrize("name", ["prednet-teacher", "prednet-student1", "prednet-student2", "prednet-student3"])
def test_it_may_start_at_the_picture_in_the_middle(name):
    torch.manual_seed(0)
    network = create(name, start="picture")
    frames = network.spec.frames
    window = torch.rand(1, frames, 3, 24, 24)
    with torch.no_grad():
        out = network(window)
    away = [(out - window[:, t]).abs().mean().item() for t in range(frames)]
    assert min(range(frames), key=away.__getitem__) == frames // 2
    assert away[frames // 2] < 0.1
    with pytest.raises(RestillError, match="start of PredNet must be random or picture, not 'zero'"):
        create(name, start="zero")
