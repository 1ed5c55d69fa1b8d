"""PISR's first step: what the teacher is shown and held to; what all methods must do is in test_every_method.py."""

from __future__ import annotations

import copy

import pytest
import torch
from foreign_networks import TinyUnet, clip
from torch import Tensor
from torch.nn.functional import avg_pool2d, l1_loss

import restill
from restill.distillation import create_method
from restill.errors import RestillError
from restill.networks import create
from restill.networks.pisr import PrivilegedTeacher

torch.set_num_threads(1)
VDSR = {"decoder": "vdsr", "options": {"width": 4}, "width": 4, "narrow": 3}


def enlarged(h: int = 6, w: int = 10) -> dict[str, Tensor]:
    torch.manual_seed(2)
    return {"degraded": torch.rand(2, 1, 3, h, w), "clean": torch.rand(2, 1, 3, 4 * h, 4 * w)}


def test_it_is_held_to_the_clean_picture_and_its_code_to_the_degraded_one():
    torch.manual_seed(0)
    teacher, batch = create("pisr-teacher", **VDSR), enlarged(h=8, w=12)
    method = create_method("pisr-teacher", None, teacher, 0)
    losses = method(batch, 0)
    x, y = batch["degraded"][:, 0], batch["clean"][:, 0]
    code = teacher.encoder.layers(y)  # type: ignore[operator]
    assert losses["imitation"].item() == pytest.approx(l1_loss(code, x).item(), rel=1e-5)
    picture = teacher.decoder(code[:, None])  # type: ignore[operator]
    assert losses["reconstruction"].item() == pytest.approx(l1_loss(picture, y).item(), rel=1e-5)
    assert method.default_weights == {"reconstruction": 1.0, "imitation": 1e-4}
    assert create_method("pisr-teacher", None, teacher, 0, weight=0.5).default_weights["imitation"] == 0.5


def test_every_frame_that_is_encoded_imitates_its_own():
    torch.manual_seed(0)
    teacher, batch = PrivilegedTeacher(TinyUnet(4), width=4, narrow=3, context=1), clip(frames=3)
    loss = create_method("pisr-teacher", None, teacher, 1)(batch, 0)["imitation"]
    wants = [
        l1_loss(teacher.encoder.layers(y), x)
        for x, y in zip(batch["degraded"].unbind(1), batch["clean"].unbind(1), strict=True)
    ]
    assert loss.item() == pytest.approx(torch.stack(wants).mean().item(), rel=1e-5)


def test_sizes_that_the_decoder_does_not_take_are_padded_on_both_sides_alike():
    torch.manual_seed(0)
    teacher, batch = create("pisr-teacher", **VDSR), enlarged(h=6, w=10)  # padded to 8x12, and 24x40 to 32x48
    losses = create_method("pisr-teacher", None, teacher, 0)(batch, 0)
    assert all(torch.isfinite(loss) for loss in losses.values())


def test_a_code_that_is_no_picture_goes_through_a_convolution():
    torch.manual_seed(0)
    network, batch = TinyUnet(4), clip(frames=3)
    method = create_method("pisr-teacher", None, network, 1, student_feature="bottleneck")
    code = network.bottleneck(network.encoder(batch["clean"].flatten(1, 2)))  # (1, 8, 6, 6)
    want = l1_loss(method.adapter(code), avg_pool2d(batch["degraded"][:, 1], 2))  # type: ignore[operator]
    assert method(batch, 0)["imitation"].item() == pytest.approx(want.item(), rel=1e-5)


def test_a_place_for_the_code_is_needed_and_only_one():
    with pytest.raises(RestillError, match="no spec that names the code in the middle"):
        create_method("pisr-teacher", None, TinyUnet(4), 1)
    with pytest.raises(RestillError, match="uses one code; give student_feature one path"):
        create_method("pisr-teacher", None, TinyUnet(4), 1, student_feature=["encoder", "bottleneck"])


def test_clean_frames_of_no_whole_scale_and_aligned_neighbors_are_refused():
    method = create_method("pisr-teacher", None, create("pisr-teacher", **VDSR), 0)
    with pytest.raises(RestillError, match=r"at scale 1, but the clean frames are \(9, 9\) and the degraded ones"):
        method({"degraded": torch.rand(1, 1, 3, 6, 6), "clean": torch.rand(1, 1, 3, 9, 9)}, 0)
    with pytest.raises(RestillError, match=r"at scale 2, but the clean frames are \(8, 12\)"):
        method({"degraded": torch.rand(1, 1, 3, 6, 6), "clean": torch.rand(1, 1, 3, 8, 12)}, 0)
    around = PrivilegedTeacher(TinyUnet(4), width=4, narrow=3, context=1)
    method = create_method("pisr-teacher", None, around, 1)
    batch = clip(frames=3)
    with pytest.raises(RestillError, match=r"needs data\.align none"):
        method({**batch, "windows": batch["degraded"][:, None]}, 0)


def test_both_steps_from_python_with_a_network_of_ones_own():
    """The teacher's code comes nearer to the degraded picture, and the student learns the task."""
    torch.manual_seed(0)
    student, batch = TinyUnet(4), clip(batch=2, frames=3)
    batch["degraded"] = (batch["clean"] + 0.3 * (batch["degraded"] - 0.5)).clamp(0, 1)
    teacher = PrivilegedTeacher(copy.deepcopy(student), width=4, narrow=3, context=1)
    with torch.no_grad():
        before = l1_loss(teacher.encoder(batch["clean"]), batch["degraded"].transpose(1, 2)).item()
    run = {"data": [batch], "steps": 30, "quiet": True, "threads": 1, "optimizer": {"lr": 1e-2}, "context": 1}
    trained = restill.distill(None, teacher, "pisr-teacher", options={"weight": 1.0}, **run)
    with torch.no_grad():
        assert l1_loss(teacher.encoder(batch["clean"]), batch["degraded"].transpose(1, 2)).item() < 0.7 * before
    assert trained is teacher
    untaught = copy.deepcopy(student)
    done = restill.distill(teacher, student, "pisr", teacher_feature="decoder.refine", student_feature="refine", **run)
    assert done.state_dict().keys() == untaught.state_dict().keys()
    center = batch["clean"][:, 1]
    with torch.no_grad():
        assert l1_loss(done(batch["degraded"]), center) < 0.9 * l1_loss(untaught(batch["degraded"]), center)
