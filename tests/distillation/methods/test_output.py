"""Output distillation by hand; what all methods must do is in test_every_method.py."""

from __future__ import annotations

import pytest
import torch
from method_cases import make, networks
from test_every_method import rainy_batch

from restill.errors import RestillError
from restill.losses.reconstruction import reconstruction

torch.set_num_threads(1)


@pytest.mark.parametrize("kind", ["l1", "neg_psnr"])
def test_the_teachers_picture_is_a_target_under_the_tasks_own_loss(kind: str):
    teacher, student = networks()
    method = make("output", teacher, student, reconstruction=kind, weight=3.0)
    batch = rainy_batch()
    losses = method(batch, 0)
    windows = method.shown(batch)
    clean, loss = method.targets(batch), reconstruction(kind)
    pictures, taught = student(windows), teacher(windows)
    assert losses["reconstruction"].item() == pytest.approx(loss(pictures, clean).item())
    assert losses["picture"].item() == pytest.approx(loss(pictures, taught).item())
    assert method.default_weights == {"reconstruction": 1.0, "picture": 3.0}


def test_networks_of_different_scales_have_no_picture_in_common():
    from restill.distillation import create_method
    from restill.networks import create

    method = create_method("output", create("vdsr"), create("rill-p"), 0)
    with pytest.raises(RestillError, match="both networks must give pictures of the same shape"):
        method({"degraded": torch.rand(1, 1, 3, 32, 32), "clean": torch.rand(1, 1, 3, 32, 32)}, 0)
