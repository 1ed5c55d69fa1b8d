"""STD's equations against plain arithmetic, each option, warm-up and guard."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from cstd_reference import cell
from foreign_networks import TinyUnet, clip, fill
from torch import Tensor, nn

from restill.distillation import cells as cells_module
from restill.distillation import create_method, method_class
from restill.distillation.methods.std import STD
from restill.distillation.scales import attention_map, unit_map
from restill.errors import RestillError
from restill.networks import create

torch.set_num_threads(1)


def std(widths: tuple[int, int] = (6, 4), place: Any = "refine", **options: Any) -> STD:
    """Around two TinyUnet of these widths, teacher's first; the weights need no random generator."""
    teacher, student = (TinyUnet(width) for width in widths)
    method = create_method(
        "std", teacher, student, 1, teacher_feature=place, student_feature=place, **{"warmup": 0, "hidden": 3} | options
    )
    for module, speed in ((teacher, 0.7), (student, 0.9), (method.adapter, 0.5), (method.cell, 0.3)):
        if module is not None:
            fill(module, speed, 0.3)
    assert isinstance(method, STD)
    return method


def features(method: STD, batch: dict[str, Tensor], place: str = "refine") -> tuple[np.ndarray, np.ndarray]:
    """What both networks show, student first: (B, L, C, h, w) each."""
    centers = range(1, batch["degraded"].shape[1] - 1)
    found = []
    for network in (method.student, method.teacher):
        assert network is not None
        kept: list[Tensor] = []
        hook = network.get_submodule(place).register_forward_hook(lambda m, i, out, kept=kept: kept.append(out))
        for t in centers:
            network(batch["degraded"][:, t - 1 : t + 2])
        hook.remove()
        found.append(torch.stack(kept, 1).detach().double().numpy())
    return found[0], found[1]


def last_cell(clip_features: np.ndarray, method: STD) -> np.ndarray:
    """(L, C, h, w) -> (D, h, w), in numpy."""
    assert method.cell is not None
    weight, bias = (p.detach().double().numpy() for p in method.cell.parameters())
    zero = np.zeros((len(bias) // 4, *clip_features.shape[-2:]))
    state = (zero, zero)
    for f in clip_features:
        state = cell(f, state, None, weight, bias)
    return state[1]


def adapted(f: np.ndarray, method: STD) -> np.ndarray:
    assert isinstance(method.adapter, nn.Conv2d)
    weight, bias = (p.detach().double().numpy() for p in method.adapter.parameters())
    return np.einsum("tc,blchw->blthw", weight[:, :, 0, 0], f) + bias[:, None, None]


# --- the equations -------------------------------------------------------------------------------------------------

MAPS = {
    "sum_of_squares": lambda f: (f**2).sum(2),
    "sum_of_abs": lambda f: abs(f).sum(2),
    "max_of_squares": lambda f: (f**2).max(2),
}


@pytest.mark.parametrize("kind", MAPS)
def test_space_is_the_mean_distance_of_attention_maps(kind):
    method, batch = std(attention=kind), clip(batch=2)
    f_s, f_t = features(method, batch)
    want = ((MAPS[kind](f_s) - MAPS[kind](f_t)) ** 2).mean()
    assert method(batch, 0)["space"].item() == pytest.approx(want, rel=1e-4)


def test_attention_maps_of_two_channels_by_hand():
    f = torch.tensor([1.0, -3.0]).view(1, 2, 1, 1)
    assert attention_map(f).item() == 10
    assert attention_map(f, "sum_of_abs").item() == 4
    assert attention_map(f, "max_of_squares").item() == 9
    two = unit_map(torch.tensor([[[[3.0, 4.0]]], [[[0.0, 0.0]]]]))  # each picture by itself, and no 0/0
    assert two.flatten().tolist() == pytest.approx([0.6, 0.8, 0, 0], abs=1e-6)


def test_time_is_the_distance_of_the_last_cells_of_one_shared_cell():
    method, batch = std(), clip(batch=2, frames=5)
    f_s, f_t = features(method, batch)
    f_s = adapted(f_s, method)
    squares = [(last_cell(s, method) - last_cell(t, method)) ** 2 for s, t in zip(f_s, f_t, strict=True)]
    assert method(batch, 0)["time"].item() == pytest.approx(np.mean(squares), rel=1e-4)


def test_the_order_of_the_frames_matters_to_time_alone():
    method, batch = std(), clip(frames=5)
    f_s, f_t = (torch.from_numpy(f[0]).float() for f in features(method, batch))
    assert method._space(f_s, f_t).item() == pytest.approx(method._space(f_s.flip(0), f_t.flip(0)).item(), rel=1e-5)
    there, back = method._time(f_s, f_t, 3).item(), method._time(f_s.flip(0), f_t.flip(0), 3).item()
    assert there != pytest.approx(back, rel=1e-3)


def test_the_l2_norm_is_that_of_each_sample_over_its_elements():
    method, batch = std(ld="l2norm"), clip(batch=2)
    f_s, f_t = features(method, batch)
    d_space = (f_s**2).sum(2) - (f_t**2).sum(2)  # (B, L, h, w)
    want = [np.linalg.norm(d) / d.size for d in d_space.reshape(-1, *d_space.shape[2:])]
    losses = method(batch, 0)
    assert losses["space"].item() == pytest.approx(np.mean(want), rel=1e-4)
    f_s = adapted(f_s, method)
    d_time = [last_cell(s, method) - last_cell(t, method) for s, t in zip(f_s, f_t, strict=True)]
    assert losses["time"].item() == pytest.approx(np.mean([np.linalg.norm(d) / d.size for d in d_time]), rel=1e-4)


def test_reconstruction_is_charbonnier_with_the_papers_epsilon():
    batch = clip(batch=2)
    method = std()
    windows = torch.stack([batch["degraded"][:, t - 1 : t + 2] for t in (1, 2)], 1).flatten(0, 1)
    difference = (method.student(windows) - batch["clean"][:, 1:3].flatten(0, 1)).detach().double()
    values = (difference**2 + 1e-12).sqrt()
    assert method(batch, 0)["reconstruction"].item() == pytest.approx(values.mean().item(), rel=1e-5)
    per_picture = std(charb="sum")(batch, 0)["reconstruction"].item()
    assert per_picture == pytest.approx(values.sum().item() / len(values), rel=1e-5)
    assert std(reconstruction="mse")(batch, 0)["reconstruction"].item() == pytest.approx((difference**2).mean().item())


def test_the_weights_are_the_papers():
    assert std().default_weights == {"reconstruction": 1.0, "space": 1.0, "time": 100.0}
    assert std(lambda1=0.5, lambda2=3.0).default_weights == {"reconstruction": 1.0, "space": 0.5, "time": 3.0}
    cell_of_64 = std((64, 4), hidden=64).cell
    assert cell_of_64 is not None
    assert sum(p.numel() for p in cell_of_64.parameters()) == 295_168


# --- warm-up and guard ---------------------------------------------------------------------------------------------


def test_during_the_warm_up_the_teacher_is_not_run():
    method, batch = std(warmup=20), clip()
    runs: list[int] = []
    assert method.teacher is not None
    method.teacher.register_forward_hook(lambda *_: runs.append(1))
    losses = method(batch, 19)
    assert set(losses) == {"reconstruction"}
    assert not runs
    losses["reconstruction"].backward()
    method.after_step({name: value.item() for name, value in losses.items()})
    assert method.metrics() == {"cells_frozen": 0.0}
    assert set(method(batch, 20)) == {"reconstruction", "space", "time"}
    assert runs
    assert method_class("std").Options().warmup == 20_000  # type: ignore[attr-defined]


def test_a_collapsed_cell_is_frozen_for_good_and_the_student_is_not(monkeypatch):
    method = std()
    assert method.cell is not None
    method.after_step({"reconstruction": 0.1, "space": 0.0, "time": 1.1e-8})
    assert method.metrics()["cells_frozen"] == 0
    with monkeypatch.context() as patch:  # another process sees more: the mean over both counts
        patch.setattr(cells_module, "mean_over_processes", lambda value: value + 1)
        method.after_step({"time": 9e-9})
    assert all(p.requires_grad for p in method.cell.parameters())
    method.after_step({"reconstruction": 0.1, "space": 0.1, "time": 9e-9})
    resumed = std()
    resumed.load_state_dict(method.state_dict())
    for frozen in (method, resumed):
        assert frozen.metrics()["cells_frozen"] == 1
        assert frozen.cell is not None
        assert not any(p.requires_grad for p in frozen.cell.parameters())
        frozen(clip(), 0)["time"].backward()
        assert all(p.grad is None for p in frozen.cell.parameters())
        assert all(p.requires_grad for p in frozen.student.parameters())
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in frozen.student.parameters())


# --- options -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "names"), [((False, False), set()), ((True, False), {"space"}), ((False, True), {"time"})]
)
def test_the_papers_ablations(on, names):
    method, whole, batch = std(sd=on[0], td=on[1]), std(), clip()
    losses, all_of_it = method(batch, 0), whole(batch, 0)
    assert set(losses) == {"reconstruction"} | names
    assert all(losses[name].item() == all_of_it[name].item() for name in losses)
    assert (method.cell is None) == ("time" not in names)
    method.after_step(dict.fromkeys(losses, 0.0))


def test_unit_maps_do_not_know_the_scale_of_a_feature():
    method = std(sd_norm=True, td=False)
    f_s, f_t = (torch.from_numpy(f[0]).float() for f in features(method, clip()))
    one, other = method._space(f_s, f_t).item(), method._space(f_s, 50 * f_t).item()
    assert one == pytest.approx(other, rel=1e-3)
    metrics = method.metrics()
    assert metrics["mean_M_T"] == pytest.approx(2500 * (f_t**2).sum(1).mean().item(), rel=1e-4)
    assert metrics["mean_M_S"] == pytest.approx((f_s**2).sum(1).mean().item(), rel=1e-4)


def test_the_teachers_cell_is_a_constant_unless_told():
    batch, gradients = clip(), []
    for detach in (True, False):
        method = std(td_detach=detach)
        loss = method(batch, 0)["time"]
        loss.backward()
        assert method.cell is not None
        assert method.cell.gates.weight.grad is not None
        student = torch.cat([p.grad.flatten() for p in method.student.parameters() if p.grad is not None])
        gradients.append((loss.item(), student, method.cell.gates.weight.grad))
    assert gradients[0][0] == gradients[1][0]
    assert torch.equal(gradients[0][1], gradients[1][1])  # only the cell learns otherwise
    assert not torch.allclose(gradients[0][2], gradients[1][2], rtol=1e-2)


def test_pooling_before_the_cell_and_a_wider_cell():
    method, batch = std(td_pool=2, hidden=5), clip()
    f_s, f_t = features(method, batch)

    def half(f: np.ndarray) -> np.ndarray:
        return f.reshape(*f.shape[:3], f.shape[3] // 2, 2, f.shape[4] // 2, 2).mean((4, 6))

    f_s, f_t = half(adapted(f_s, method)), half(f_t)
    want = ((last_cell(f_s[0], method) - last_cell(f_t[0], method)) ** 2).mean()
    assert method(batch, 0)["time"].item() == pytest.approx(want, rel=1e-4)
    odd = method._pooled(torch.ones(1, 1, 3, 5))
    assert odd.tolist() == [[[[1.0] * 3] * 2]]


def test_lr_features_are_distilled_at_their_own_place_and_size():
    teacher, student, batch = TinyUnet(6), TinyUnet(4), clip()
    places = {"feature": "refine", "lr": "bottleneck"}
    method = create_method(
        "std", teacher, student, 1, teacher_feature=places, student_feature=places, at="lr", warmup=0, hidden=3
    )
    assert isinstance(method, STD)
    f_s, f_t = features(method, batch, "bottleneck")
    assert f_s.shape[2:] == (8, 6, 6)
    want = (((f_s**2).sum(2) - (f_t**2).sum(2)) ** 2).mean()
    assert method(batch, 0)["space"].item() == pytest.approx(want, rel=1e-4)
    assert isinstance(method.adapter, nn.Conv2d)
    assert method.adapter.weight.shape == (12, 8, 1, 1)


def test_equal_widths_have_no_adapter_and_sizes_that_differ_take_the_students():
    assert isinstance(std((4, 4)).adapter, nn.Identity)
    method = create_method(
        "std", TinyUnet(4), TinyUnet(4), 1, teacher_feature="encoder", student_feature="decoder", warmup=0, hidden=3
    )
    assert all(math.isfinite(value.item()) for value in method(clip(), 0).values())


def test_the_students_of_the_paper_at_four_times_the_size():
    torch.manual_seed(0)
    batch = {"degraded": torch.rand(1, 4, 3, 8, 8), "clean": torch.rand(1, 4, 3, 32, 32)}
    teacher, student = create("vespcn", channels=6, flow_width=4), create("vdsr", width=5)
    method = create_method("std", teacher, student, 1, warmup=0, hidden=3)
    losses = method(batch, 0)
    torch.stack(list(losses.values())).sum().backward()
    assert set(losses) == {"reconstruction", "space", "time"}
    assert all(torch.isfinite(loss) for loss in losses.values())


def test_under_bfloat16_the_cell_stays_float32():
    method = std()
    with torch.autocast("cpu", torch.bfloat16):
        losses = method(clip(), 0)
    assert all(loss.dtype == torch.float32 and torch.isfinite(loss) for loss in losses.values())
    losses["time"].backward()


def test_more_than_one_place_is_refused():
    with pytest.raises(RestillError, match="std distils one feature, but 'feature' has 2 paths; give one path each"):
        std(place=["encoder", "refine"])
    with pytest.raises(RestillError, match=r"method 'std', option 'attention': .*'sum_of_squares'"):
        std(attention="sum")
