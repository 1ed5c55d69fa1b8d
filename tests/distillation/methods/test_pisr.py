"""PISR's second step against plain arithmetic, and both steps by recipe; see also test_every_method.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from foreign_networks import TinyUnet, clip
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

import restill
from restill.distillation import create_method
from restill.distillation.methods.pisr import PISR, laplace_nll
from restill.errors import RestillError
from restill.networks import create
from restill.training.checkpoint import checkpoints, load_network
from restill.training.experiment import build, train
from restill.training.recipe import load_recipe

torch.set_num_threads(1)
RECIPES = Path(__file__).parents[3] / "recipes" / "pisr"
SMALL = {"width": 4}
TEACHER = {"options": SMALL, "width": 4, "narrow": 3}  # around VDSR, four times the size


def pisr(place: Any = "refine", **options: Any) -> PISR:
    torch.manual_seed(0)
    method = create_method(
        *("pisr", TinyUnet(6), TinyUnet(4), 1), teacher_feature=place, student_feature=place, **options
    )
    assert isinstance(method, PISR)
    return method


def feature(network: nn.Module, clips: Tensor, place: str = "refine") -> Tensor:
    """(B*L, C, h, w), of clips (B, T, 3, H, W) with one frame of context."""
    windows = torch.stack([clips[:, t - 1 : t + 2] for t in range(1, clips.shape[1] - 1)], 1).flatten(0, 1)
    kept: list[Any] = []
    hook = network.get_submodule(place).register_forward_hook(lambda m, i, out: kept.append(out))
    network(windows)
    hook.remove()
    return kept[0].detach()


def two_layers(f: Tensor, layers: nn.Sequential) -> np.ndarray:
    """Conv1x1, PReLU, Conv1x1 of (N, C, h, w), in numpy."""
    first, prelu, last = (list(layer.parameters()) for layer in layers)
    w1, b1, slope, w2, b2 = (p.detach().double().numpy() for p in (*first, *prelu, *last))
    x = np.einsum("os,nshw->nohw", w1[:, :, 0, 0], f.double().numpy()) + b1[:, None, None]
    x = np.where(x > 0, x, slope * x)
    return np.einsum("os,nshw->nohw", w2[:, :, 0, 0], x) + b2[:, None, None]


def nll(method: PISR, place: int, f_s: Tensor, f_t: Tensor) -> float:
    mu = two_layers(f_s, method.mu[place])  # type: ignore[arg-type]
    b = 0.1 * np.log1p(np.exp(two_layers(f_s, method.b[place]))) + 1e-8  # type: ignore[arg-type]
    return float((np.log(2 * b) + abs(mu - f_t.double().numpy()) / b).mean())


def test_it_is_the_likelihood_of_what_the_teacher_shows_on_the_clean_frames():
    method, batch = pisr(), clip(batch=2)
    assert method.teacher is not None
    f_s, f_t = feature(method.student, batch["degraded"]), feature(method.teacher, batch["clean"])
    want = nll(method, 0, f_s, f_t)
    assert method(batch, 0)["variational"].item() == pytest.approx(want, rel=1e-4)
    shown_rain = nll(method, 0, f_s, feature(method.teacher, batch["degraded"]))
    assert abs(want - shown_rain) > 1e-3 * abs(want)  # it matters what the teacher is shown


def test_several_places_add_up_and_a_smaller_feature_of_the_student_is_met():
    method, batch = pisr(["encoder", "refine"]), clip()
    assert method.teacher is not None
    want = sum(
        nll(method, k, feature(method.student, batch["degraded"], at), feature(method.teacher, batch["clean"], at))
        for k, at in enumerate(["encoder", "refine"])
    )
    assert method(batch, 0)["variational"].item() == pytest.approx(want, rel=1e-4)
    method = create_method(
        *("pisr", TinyUnet(6), TinyUnet(4), 1), teacher_feature="encoder", student_feature="bottleneck"
    )
    assert isinstance(method, PISR)
    assert method.teacher is not None
    f_t = avg_pool2d(feature(method.teacher, batch["clean"], "encoder"), 2)
    want = nll(method, 0, feature(method.student, batch["degraded"], "bottleneck"), f_t)
    assert method(batch, 0)["variational"].item() == pytest.approx(want, rel=1e-4)


def test_the_likelihood_is_best_where_mu_is_the_feature_and_b_the_distance():
    """Not zero there, which is why no test asks it of an equal teacher."""
    torch.manual_seed(0)
    f, b = torch.randn(2, 3, 4, 4), torch.rand(2, 3, 4, 4) + 0.1
    best = laplace_nll(f, b, f)
    assert best.item() == pytest.approx(torch.log(2 * b).mean().item())
    assert best.item() != 0
    for off in (1e-3, -1e-3, 0.5 * torch.randn(f.shape)):
        assert laplace_nll(f + off, b, f) > best
    mu = f + torch.rand(f.shape) + 0.1  # no mu but this: b then is best at its distance
    distance = (mu - f).abs()
    for factor in (0.9, 1.1):
        assert laplace_nll(mu, factor * distance, f) > laplace_nll(mu, distance, f)
    assert laplace_nll(torch.zeros(1), torch.full((1,), 0.5), torch.ones(1)).item() == pytest.approx(2)


def test_mu_becomes_the_feature_and_b_small():
    method, batch = pisr(), clip(h=8, w=8)
    adam = torch.optim.Adam([*method.mu.parameters(), *method.b.parameters(), *method.student.parameters()], 1e-2)
    assert method.teacher is not None
    f_t = feature(method.teacher, batch["clean"])

    def moments() -> tuple[float, float]:
        with torch.no_grad():
            mu, b = method._moments(0, feature(method.student, batch["degraded"]))
        return (mu - f_t).abs().mean().item(), b.mean().item()

    (far, _), first = moments(), method(batch, 0)["variational"].item()
    for _ in range(80):
        adam.zero_grad()
        method(batch, 0)["variational"].backward()
        adam.step()
    near, width = moments()
    assert near < 0.6 * far
    assert width < 3 * near  # it knows how wrong it is
    assert method(batch, 0)["variational"].item() < first


def test_the_weight_is_smaller_where_the_student_enlarges():
    teacher, student = create("pisr-teacher", **TEACHER), create("vdsr", **SMALL)
    assert create_method("pisr", teacher, student, 0).default_weights == {"reconstruction": 1.0, "variational": 1e-6}
    assert pisr().default_weights["variational"] == 1e-4
    assert pisr(weight=0.5).default_weights["variational"] == 0.5


def test_at_four_times_the_size_both_features_cover_the_same_area():
    torch.manual_seed(0)
    teacher, student = create("pisr-teacher", **TEACHER), create("vdsr", **SMALL)
    method = create_method("pisr", teacher, student, 0)
    assert isinstance(method, PISR)
    batch = {"degraded": torch.rand(2, 1, 3, 6, 10), "clean": torch.rand(2, 1, 3, 24, 40)}
    assert method.windows(method.student_net, batch).shape == (2, 1, 3, 8, 12)
    assert method.windows(method.teacher_net, batch).shape == (2, 1, 3, 32, 48)
    losses = method(batch, 0)
    torch.stack(list(losses.values())).sum().backward()
    assert all(torch.isfinite(loss) for loss in losses.values())


def test_a_teacher_that_is_no_privileged_one_is_refused():
    method = create_method("pisr", create("vdsr", **SMALL), create("vdsr", **SMALL), 0)
    batch = {"degraded": torch.rand(1, 1, 3, 4, 4), "clean": torch.rand(1, 1, 3, 16, 16)}
    with pytest.raises(RestillError, match=r"clean picture \(16, 16\) and must get one of that size, not \(64, 64\)"):
        method(batch, 0)


def test_under_bfloat16_the_likelihood_stays_float32():
    method = pisr()
    with torch.autocast("cpu", torch.bfloat16):
        loss = method(clip(), 0)["variational"]
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)


# --- where the student starts ----------------------------------------------------------------------------------------


def test_the_student_starts_as_the_teachers_decoder():
    torch.manual_seed(0)
    teacher, student = create("pisr-teacher", **TEACHER), create("vdsr", **SMALL)
    own = {key: value.clone() for key, value in student.state_dict().items()}
    kept = create_method("pisr", teacher, student, 0, initialize=False)
    assert all(torch.equal(own[key], value) for key, value in student.state_dict().items())
    assert kept.metrics() == {"initialized": 0.0}
    method = create_method("pisr", teacher, student, 0)
    theirs = teacher.decoder.state_dict()  # type: ignore[union-attr]
    assert not torch.equal(own["head.weight"], theirs["head.weight"])
    assert all(torch.equal(theirs[key], value) for key, value in student.state_dict().items())
    assert method.metrics() == {"initialized": 1.0}
    with torch.no_grad():
        student.head.weight.add_(1)  # type: ignore[union-attr]
    assert not torch.equal(student.head.weight, teacher.decoder.head.weight)  # type: ignore[union-attr]


def test_it_takes_what_fits():
    torch.manual_seed(0)
    teacher, student = create("pisr-teacher", **TEACHER), create("vdsr", channels=3, **SMALL)
    own = {key: value.clone() for key, value in student.state_dict().items()}
    share = create_method("pisr", teacher, student, 0).metrics()["initialized"]
    theirs, now = teacher.decoder.state_dict(), student.state_dict()  # type: ignore[union-attr]
    differ = {key for key in own if own[key].shape != theirs[key].shape}
    assert differ == {"body.0.0.weight", "head.weight", "head.bias"}  # luma there, RGB here
    assert all(torch.equal(now[key], own[key] if key in differ else theirs[key]) for key in own)
    sizes = {key: value.numel() for key, value in own.items()}
    assert share == pytest.approx(1 - sum(sizes[key] for key in differ) / sum(sizes.values()))


def test_where_nothing_fits_it_is_said_to_who_asked():
    assert pisr().metrics() == {"initialized": 0.0}  # TinyUnet has a 'decoder', and nothing in it is a TinyUnet's
    with pytest.raises(RestillError, match="'decoder': no weight in the teacher's 'refine' has a name and a shape of"):
        pisr(decoder="refine")
    with pytest.raises(RestillError, match="TinyUnet has no module 'decoderr'"):
        pisr(decoder="decoderr")
    with pytest.raises(RestillError, match="set initialize to false"):
        pisr(initialize=True)


def test_a_resumed_run_goes_on_from_its_own_weights(tmp_path):
    torch.manual_seed(0)
    batch = {"degraded": torch.rand(2, 3, 6, 6), "clean": torch.rand(2, 3, 24, 24)}

    def run(folder: str, steps: int, resume: bool = False) -> dict[str, Tensor]:
        torch.manual_seed(1)
        networks = create("pisr-teacher", **TEACHER), create("vdsr", **SMALL)
        about: dict[str, Any] = {"output": tmp_path / folder, "resume": resume, "save_every": 2}
        about |= {"quiet": True, "threads": 1, "optimizer": {"lr": 1e-2}}
        return restill.distill(*networks, "pisr", data=[batch], steps=steps, **about).state_dict()

    whole = run("whole", 4)
    half = run("halves", 2)
    again = run("halves", 4, resume=True)
    assert all(torch.equal(again[key], value) for key, value in whole.items())
    assert not all(torch.equal(half[key], value) for key, value in whole.items())
    assert len(checkpoints(tmp_path / "halves")) == 2


# --- by recipe -------------------------------------------------------------------------------------------------------


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two clips of moving texture, three frames of 48x56."""
    monkeypatch.setenv("RESTILL_CACHE", str(tmp_path / "cache"))
    texture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (60, 60, 3)).astype(np.uint8), (0, 0), 2)
    for name in ("one", "two"):
        (tmp_path / "clips" / name).mkdir(parents=True)
        for t in range(3):
            cv2.imwrite(str(tmp_path / "clips" / name / f"{t}.png"), texture[t : t + 48, t : t + 56])
    return tmp_path / "clips"


def test_the_recipes_are_two_steps_of_one_experiment():
    teacher, student = (load_recipe(RECIPES / f"{name}.yaml") for name in ("teacher", "student"))
    assert (teacher.method, student.method) == ("pisr-teacher", "pisr")
    assert teacher.student.options["decoder"] == student.student.network
    assert student.teacher is not None
    assert student.teacher.checkpoint == teacher.output / teacher.name
    assert teacher.data == student.data
    method, _ = build(teacher)
    assert method.student.spec.task == "restore"  # type: ignore[union-attr]


def test_a_teacher_is_trained_and_named_and_teaches(clips, tmp_path):
    small = {"channels": 4, "blocks": [0, 0, 0, 0], "refinement": 1}
    shared = [
        *(f"data.root={clips}", "data.held_out=[one]", "data.crop=32", "data.workers=0", "data.scale=[1, 1]"),
        *("steps=3", "batch=2", "threads=1", f"output={tmp_path}", "log_every=1", "validation.samples=1"),
    ]
    options = json.dumps({"decoder": "res-sl", "options": small, "width": 4, "narrow": 3})
    train(RECIPES / "teacher.yaml", [*shared, f"student.options={options}"], quiet=True)
    teacher, info = load_network(tmp_path / "pisr-teacher")
    assert info["network"] == "pisr-teacher"
    student = json.dumps(small)
    named = f"teacher.checkpoint={tmp_path / 'pisr-teacher'}"
    result = train(RECIPES / "student.yaml", [*shared, f"student.options={student}", named], quiet=True)
    assert set(result.losses) == {"reconstruction", "variational", "total"}
    trained, info = load_network(tmp_path / "pisr-student")
    assert (info["network"], info["options"]) == ("res-sl", small)
    first = json.loads((tmp_path / "pisr-student" / "log.jsonl").read_text().splitlines()[0])
    assert first["initialized"] == 1.0
    theirs = teacher.decoder.state_dict()  # type: ignore[union-attr]
    assert theirs.keys() == trained.state_dict().keys()
    gap = max((theirs[key] - value).abs().max().item() for key, value in trained.state_dict().items())
    assert 0 < gap < 0.01  # three small steps from where the teacher's decoder was
