"""FAKD's affinities against plain loops, each option; what all methods must do is in test_every_method.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.multiprocessing
from foreign_networks import UNET_PLACES, TinyUnet, clip
from method_cases import make, networks
from test_every_method import plain_descent, rainy_batch
from test_srkd import pairs
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, l1_loss

from restill.distillation import create_method
from restill.distillation.method import Method
from restill.distillation.methods.fakd import channel_affinity, instance_affinity, pooled, spatial_affinity
from restill.errors import RestillError

torch.set_num_threads(1)


def fakd(widths: tuple[int, int] = (6, 4), places: Any = UNET_PLACES["levels"], **options: Any) -> Method:
    """Around two TinyUnet of these widths, teacher's first."""
    torch.manual_seed(0)
    teacher, student = (TinyUnet(width) for width in widths)
    return create_method("fakd", teacher, student, 1, teacher_feature=places, student_feature=places, **options)


def cosines(columns: np.ndarray) -> np.ndarray:
    """(count, length) -> (count, count), by loops."""
    made = np.zeros((len(columns), len(columns)))
    for i, a in enumerate(columns):
        for j, b in enumerate(columns):
            made[i, j] = a @ b / ((np.linalg.norm(a) + 1e-8) * (np.linalg.norm(b) + 1e-8))
    return made


def between_pixels(f: Tensor) -> np.ndarray:
    """(N, C, h, w) -> (N, hw, hw)."""
    return np.stack([cosines(picture.reshape(picture.shape[0], -1).T) for picture in f.double().numpy()])


def between_channels(f: Tensor) -> np.ndarray:
    """(N, C, h, w) -> (N, C, C)."""
    return np.stack([cosines(picture.reshape(picture.shape[0], -1)) for picture in f.double().numpy()])


def between_pictures(f: Tensor) -> np.ndarray:
    """(N, C, h, w) -> (N, N)."""
    q = np.array([[(a * b).sum() for b in f.double().numpy()] for a in f.double().numpy()])
    return q / np.linalg.norm(q, axis=1, keepdims=True)


def test_affinities_by_hand():
    f = torch.tensor([[3.0, 0.0], [4.0, 2.0]]).view(1, 2, 1, 2)  # pixels (3, 4) and (0, 2), channels (3, 0) and (4, 2)
    assert torch.allclose(spatial_affinity(f), torch.tensor([[[1.0, 0.8], [0.8, 1.0]]]))
    other = 12 / (3 * 20**0.5)
    assert torch.allclose(channel_affinity(f), torch.tensor([[[1.0, other], [other, 1.0]]]))
    pictures = torch.tensor([[2.0, 0.0], [1.0, 1.0]]).view(2, 2, 1, 1)  # products [[4, 2], [2, 2]]
    rows = torch.tensor([[4 / 20**0.5, 2 / 20**0.5], [0.5**0.5, 0.5**0.5]])
    assert torch.allclose(instance_affinity(pictures), rows)


@pytest.mark.parametrize(
    ("affinity", "widths", "by_loops"),
    [
        ("spatial", (6, 4), between_pixels),
        ("channel", (4, 4), between_channels),
        ("instance", (6, 4), between_pictures),
    ],
)
def test_it_is_the_mean_difference_of_affinities_level_by_level(affinity, widths, by_loops):
    method, batch = fakd(widths, affinity=affinity), clip(batch=2, h=8, w=8)
    levels = pairs(method, batch, *UNET_PLACES["levels"])
    want = sum(abs(by_loops(s) - by_loops(t)).mean() for s, t in levels)
    assert want > 1e-3
    assert method(batch, 0)["affinity"].item() == pytest.approx(want, rel=1e-3)


def test_the_teachers_picture_shares_the_weight_of_the_clean_one():
    method, batch = fakd(), clip()
    assert method.default_weights == {"reconstruction": 0.5, "picture": 0.5, "affinity": 10.0}
    windows = torch.stack([batch["degraded"][:, t - 1 : t + 2] for t in (1, 2)], 1).flatten(0, 1)
    assert method.teacher is not None
    losses = method(batch, 0)
    assert losses["picture"].item() == pytest.approx(l1_loss(method.student(windows), method.teacher(windows)).item())
    clean = batch["clean"][:, 1:3].flatten(0, 1)
    assert losses["reconstruction"].item() == pytest.approx(l1_loss(method.student(windows), clean).item())
    weights = fakd(alpha=0.25, weight=1.0).default_weights
    assert weights == {"reconstruction": 0.75, "picture": 0.25, "affinity": 1.0}
    with pytest.raises(RestillError, match="method 'fakd', option 'alpha': Input should be less than or equal to 1"):
        fakd(alpha=1.5)


@pytest.mark.parametrize(
    ("size", "most", "grid"),
    [
        ((32, 32), 1024, (32, 32)),
        ((33, 32), 1024, (16, 16)),
        ((128, 128), 1024, (32, 32)),
        ((180, 120), 1024, (36, 24)),
        ((1, 50), 10, (1, 10)),
        ((7, 7), 1, (1, 1)),
    ],
)
def test_features_are_pooled_until_the_affinity_is_small_enough(size, most, grid):
    feature = torch.rand(1, 2, *size)
    small = pooled(feature, most)
    assert small.shape[-2:] == grid
    assert torch.equal(small, feature if grid == size else adaptive_avg_pool2d(feature, grid))


def test_pooling_and_other_sizes_bring_both_to_one_grid():
    method = create_method(
        *("fakd", TinyUnet(6), TinyUnet(4), 1), teacher_feature="bottleneck", student_feature="encoder", max_pixels=40
    )
    batch = clip()  # 12x12 in the student and 6x6 in the teacher; 144 pixels are too many, 36 are not
    assert method.teacher is not None
    ((s, _),) = pairs(method, batch, "encoder")
    ((_, t),) = pairs(method, batch, "bottleneck")
    want = abs(between_pixels(adaptive_avg_pool2d(s, (6, 6))) - between_pixels(t)).mean()
    assert method(batch, 0)["affinity"].item() == pytest.approx(want, rel=1e-3)


@pytest.mark.parametrize("affinity", [spatial_affinity, channel_affinity, instance_affinity])
def test_no_scale_of_a_feature_matters(affinity):
    torch.manual_seed(0)
    feature = torch.randn(3, 4, 5, 6)
    for scale in (1e-3, 1e15):
        assert torch.allclose(affinity(scale * feature), affinity(feature), atol=1e-4)


@pytest.mark.parametrize("affinity", [spatial_affinity, channel_affinity, instance_affinity])
def test_what_is_zero_is_like_nothing_and_gets_no_gradient(affinity):
    """1 / (0 + 1e-8) would be finite, and ruin the step."""
    feature = torch.rand(2, 3, 2, 2)
    feature[1] = 0
    feature.requires_grad_()
    made = affinity(feature)
    made.sum().backward()
    assert torch.isfinite(made).all()
    assert not made[1].any()
    assert feature.grad is not None
    assert torch.isfinite(feature.grad).all()
    assert feature.grad.abs().max() < 100


def test_a_dead_pixel_among_living_ones_gets_no_gradient():
    feature = torch.rand(1, 3, 2, 2)
    feature[..., 0, 0] = 0
    feature.requires_grad_()
    (spatial_affinity(feature) - 0.5).abs().mean().backward()
    assert feature.grad is not None
    assert not feature.grad[..., 0, 0].any()
    assert feature.grad[..., 1, 1].any()


def test_what_an_option_cannot_do_is_said_in_one_sentence():
    with pytest.raises(RestillError, match="'channel' needs networks of one width, but at level 1 the student has 4"):
        fakd(affinity="channel")
    method = create_method(
        *("fakd", TinyUnet(4), TinyUnet(4), 1),
        teacher_feature="refine",
        student_feature="refine",
        affinity="instance",
    )
    with pytest.raises(RestillError, match="the batch has only one; give larger batches, or 'spatial'"):
        method(clip(frames=3), 0)
    assert torch.isfinite(method(clip(), 0)["affinity"])  # two centers are two pictures


def test_under_bfloat16_affinities_stay_float32():
    method = fakd()
    with torch.autocast("cpu", torch.bfloat16):
        losses = method(clip(), 0)
    assert all(loss.dtype == torch.float32 and torch.isfinite(loss) for loss in losses.values())


def half_of_the_work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    half = {key: value.chunk(2)[rank] for key, value in rainy_batch(side=16).items()}
    method = make("fakd", *networks(), affinity="instance")
    loss = method(half, 0)["affinity"].detach()
    moved = plain_descent(method, half, processes=2)
    torch.save((loss, moved), f"{folder}/{rank}.pt")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_pictures_are_compared_with_those_of_the_other_process(tmp_path):
    torch.multiprocessing.spawn(half_of_the_work, (str(tmp_path),), nprocs=2)
    (first, moved), (second, _) = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    method = make("fakd", *networks(), affinity="instance")
    whole = rainy_batch(side=16)
    assert first.item() == second.item() == pytest.approx(method(whole, 0)["affinity"].item(), rel=1e-5)
    alone = plain_descent(method, whole)
    assert (moved - alone).norm() < 1e-3 * alone.norm()
