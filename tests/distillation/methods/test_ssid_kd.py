"""SSID-KD against plain arithmetic, what its presets reduce and how, and how much of its KL an untrained net feels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_networks import TinyUnet, fill
from torch import Tensor, nn
from torch.nn.functional import conv2d, kl_div, l1_loss, max_pool3d

from restill.distillation import create_method, method_class
from restill.distillation.methods.ssid_kd import SSIDKD, SSIDKDOptions
from restill.errors import RestillError
from restill.losses.ssim import ssim
from restill.networks import create
from restill.training.recipe import load_recipe

torch.set_num_threads(1)
RECIPES = Path(__file__).parents[3] / "recipes" / "ssid"
Found = tuple[Tensor, Tensor]  # the picture (B, C, H, W) and the code (B, C', h, w)


def pictures(side: int = 16, batch: int = 2, frames: int = 1) -> dict[str, Tensor]:
    """Smooth clean frames, the same with bright streaks, and others with streaks."""
    generator = torch.Generator().manual_seed(0)
    shape = (batch, frames, 3, side, side)
    at = torch.linspace(0, 3, side)
    clean = 0.5 + 0.3 * torch.sin(at[:, None] + 2 * at + torch.rand(shape[:3], generator=generator)[..., None, None])
    streaks = [0.4 * (torch.rand(shape, generator=generator) > 0.9) for _ in range(2)]
    return {"clean": clean, "degraded": (clean + streaks[0]).clamp(0, 1), "unpaired": 1 - clean + streaks[1] / 2}


def ssid(**options: Any) -> SSIDKD:
    """Around a TinyUnet whose weights need no random generator; it sees three frames."""
    student = TinyUnet(4)
    fill(student, 0.7, 0.2)
    method = create_method("ssid-kd", None, student, 1, student_feature="bottleneck", **options)
    assert isinstance(method, SSIDKD)
    return method


def both(method: SSIDKD, batch: dict[str, Tensor]) -> tuple[Found, Found]:
    """What the network makes of rendered and of real rain; for batches of three frames."""
    found: list[Found] = []
    codes: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
        codes.append(output)

    hook = method.student.get_submodule("bottleneck").register_forward_hook(keep)
    for key in ("degraded", "unpaired"):
        found.append((method.student(batch[key]), codes[-1]))
    hook.remove()
    return found[0], found[1]


def softmax(v: Tensor) -> np.ndarray:
    e = np.exp(v.detach().double().numpy())
    return e / e.sum(1, keepdims=True)


# --- the equations, as the default has them --------------------------------------------------------------------------


def test_supervision_is_minus_ssim_of_the_rendered_side():
    method, batch = ssid(), pictures(frames=3)
    (x_syn, _), _ = both(method, batch)
    want = -ssim(x_syn, batch["clean"][:, 1]).item()
    assert method(batch, 0)["reconstruction"].item() == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize(("over", "divisor"), [("positions", 1), ("elements", 8)])
def test_kl_is_that_of_real_from_rendered_over_channels_at_each_position(over, divisor):
    method, batch = ssid(kl_over=over), pictures(frames=3)
    (_, v_syn), (_, v_real) = both(method, batch)
    assert v_syn.shape[1] == 8
    p_real, p_syn = softmax(v_real), softmax(v_syn)
    want = (p_real * np.log(p_real / p_syn)).sum(1).mean() / divisor
    assert want > 1e-4
    assert method(batch, 0)["kl"].item() == pytest.approx(want, rel=1e-3)


def test_kl_of_two_channels_by_hand():
    syn, real = (torch.tensor(p).log().view(1, 2, 1, 1) for p in ([0.8, 0.2], [0.5, 0.5]))
    want = 0.5 * np.log(0.5 / 0.8) + 0.5 * np.log(0.5 / 0.2)
    assert ssid()._kl(syn, real).item() == pytest.approx(want, rel=1e-5)
    assert ssid(kl_over="elements")._kl(syn, real).item() == pytest.approx(want / 2, rel=1e-5)


@pytest.mark.parametrize("detach", [True, False])
def test_the_rendered_sides_code_is_a_pseudo_label(detach):
    v_syn, v_real = (torch.rand(1, 4, 3, 3, requires_grad=True) for _ in range(2))
    ssid(kl_detach=detach)._kl(v_syn, v_real).backward()
    assert v_real.grad is not None
    assert (v_syn.grad is None) == detach


def naive_dark_channel(x: np.ndarray, window: int) -> np.ndarray:
    """(C, H, W), odd window -> (H, W)."""
    edge = window // 2
    rows, columns = x.shape[1:]
    d = np.empty((rows, columns))
    for i in range(rows):
        for j in range(columns):
            d[i, j] = x[:, max(i - edge, 0) : i + edge + 1, max(j - edge, 0) : j + edge + 1].min()
    return d


@pytest.mark.parametrize(("options", "window"), [({}, 15), ({"dc_window": 5}, 5), ({"dc_window": 1}, 1)])
def test_dark_channel_of_both_pictures(options, window):
    method, batch = ssid(**options), pictures(frames=3, side=20)
    found = [x.detach().double().numpy() for x, _ in both(method, batch)]
    want = sum(np.mean([abs(naive_dark_channel(x, window)).mean() for x in xs]) for xs in found)
    assert method(batch, 0)["dark_channel"].item() == pytest.approx(want, rel=1e-5)
    summed = ssid(**options, priors="sum")(batch, 0)["dark_channel"].item()
    assert summed == pytest.approx(want * 20 * 20, rel=1e-5)  # over a picture; still a mean over pictures


def test_what_is_darker_than_black_is_no_gain():
    below = torch.full((1, 3, 4, 4), -0.25)
    assert ssid()._dark_channel([below]).item() == pytest.approx(0.25)


def test_total_variation_of_both_pictures():
    method, batch = ssid(), pictures(frames=3)
    found = [x.detach().double().numpy() for x, _ in both(method, batch)]
    sums = [(abs(np.diff(x, axis=3)).sum() + abs(np.diff(x, axis=2)).sum()) / len(x) for x in found]
    assert method(batch, 0)["tv"].item() == pytest.approx(sum(sums) / 16**2, rel=1e-5)
    assert ssid(priors="sum")(batch, 0)["tv"].item() == pytest.approx(sum(sums), rel=1e-5)
    borders = [(abs(x[..., 0]).sum() + abs(x[..., 0, :]).sum()) / len(x) for x in found]
    zero = ssid(priors="sum", tv_border="zero")(batch, 0)["tv"].item()
    assert zero == pytest.approx(sum(sums) + sum(borders), rel=1e-5)


def test_real_rain_that_is_the_rendered_one_has_nothing_to_learn():
    batch = pictures(frames=3)
    assert ssid()(batch | {"unpaired": batch["degraded"]}, 0)["kl"].item() == pytest.approx(0, abs=1e-7)


# --- presets ---------------------------------------------------------------------------------------------------------


def test_the_default_weighs_what_the_papers_sum_over_its_batch_does():
    """1e-6 of the sum over 2 pictures of 128x128 is the same number as the default's weight of the mean."""
    batch = pictures(side=128, frames=3)
    means, sums = ssid(), ssid(priors="sum")
    mean, total = means(batch, 0), sums(batch, 0)
    for name in ("dark_channel", "tv"):
        assert means.default_weights[name] * mean[name].item() == pytest.approx(1e-6 * 2 * total[name].item(), rel=1e-5)
    assert means.default_weights["kl"] == 1e-6
    assert means.default_weights["reconstruction"] == 1
    assert means.options == SSIDKDOptions(preset="paper")


def test_code_has_the_gradient_of_the_authors_loss():
    """Sums over the batch of two, nothing detached, a window as large as the patch, zeros at the border, 20 L1."""
    batch = pictures(side=32, frames=3)
    method = ssid(preset="code", lambda_kl=1.0)  # 1e-6 could not be seen beside the rest
    fill(method.student, 0.7, 0.1)
    losses = method(batch, 0)
    ours = torch.stack([method.default_weights[name] * value for name, value in losses.items()]).sum()
    (x_syn, v_syn), (x_real, v_real) = both(method, batch)
    theirs = 20 * l1_loss(x_syn, batch["clean"][:, 1])
    assert x_real.min() > -1  # below it their loss has no end
    theirs = theirs + kl_div(v_syn.log_softmax(1), v_real.softmax(1), reduction="none").mean()
    difference = torch.tensor([-1.0, 1.0, 0.0]).expand(3, 1, 1, 3)
    for x in (x_syn, x_real):
        bright = max_pool3d(1 - (x + 1)[:, None] / 2, (3, 32, 32), stride=1, padding=(0, 16, 16))
        along_rows = conv2d(x, difference, padding=(0, 1), groups=3)
        along_columns = conv2d(x, difference.transpose(2, 3), padding=(1, 0), groups=3)
        theirs = theirs + 1e-6 * (along_rows.abs().sum() + along_columns.abs().sum() - bright.sum())
    constant = 1e-6 * 2 * 2 * 33 * 33  # of 1 - D, at the positions of an even window
    assert ours.item() == pytest.approx(theirs.item() + constant, rel=1e-6)
    parameters = list(method.student.parameters())
    for mine, other in zip(torch.autograd.grad(ours, parameters), torch.autograd.grad(theirs, parameters), strict=True):
        assert torch.allclose(mine, other, rtol=1e-4, atol=1e-7)


def test_what_is_given_goes_before_the_preset():
    assert SSIDKDOptions(preset="effective").lambda_kl == 1e-2
    code = SSIDKDOptions.model_validate({"preset": "code", "lambda_kl": 0.5, "dc_window": 15})
    assert (code.lambda_kl, code.dc_window, code.kl_detach, code.sup_weight) == (0.5, 15, False, 20)
    assert SSIDKDOptions.model_validate({"preset": "code"}).dc_window is None
    only = SSIDKDOptions(preset="effective").model_dump(exclude={"preset", "lambda_kl"})
    assert only == SSIDKDOptions().model_dump(exclude={"preset", "lambda_kl"})
    assert ssid(preset="code").default_weights == {
        "reconstruction": 20.0,
        "kl": 1e-6,
        "dark_channel": 2e-6,
        "tv": 2e-6,
    }


@pytest.mark.parametrize(("preset", "felt"), [("paper", False), ("code", False), ("effective", True)])
def test_on_an_untrained_network_only_the_effective_kl_is_felt(preset, felt):
    """Its gradient beside that of the supervision, weighted."""
    torch.manual_seed(0)
    network = create("sid", units=[2, 1, 1], pyramids=1)
    method = create_method("ssid-kd", None, network, 0, preset=preset)
    losses = method(pictures(32), 0)
    norms = {}
    for name in ("kl", "reconstruction"):
        weighted = method.default_weights[name] * losses[name]
        parameters = [p for p in network.parameters() if p.requires_grad]
        parts = torch.autograd.grad(weighted, parameters, retain_graph=True, allow_unused=True)
        norms[name] = torch.cat([g.flatten() for g in parts if g is not None]).norm().item()
    assert norms["kl"] > 0
    assert (norms["kl"] > 1e-6 * norms["reconstruction"]) == felt


# --- what a user can get wrong, and the recipes ----------------------------------------------------------------------


def test_errors_are_one_sentence():
    batch = pictures(frames=3)
    without = {key: value for key, value in batch.items() if key != "unpaired"}
    with pytest.raises(RestillError, match=r"learns from unpaired frames too, but the batch has none"):
        ssid()(without, 0)
    with pytest.raises(RestillError, match=r"'unpaired' is \(2, 3, 3, 16, 8\); it must be as large as 'degraded'"):
        ssid()(batch | {"unpaired": batch["unpaired"][..., :8]}, 0)
    with pytest.raises(RestillError, match=r"the student TinyUnet has no spec .* give student_feature"):
        create_method("ssid-kd", None, TinyUnet(4), 1)
    with pytest.raises(RestillError, match="method 'ssid-kd' takes no teacher"):
        create_method("ssid-kd", TinyUnet(4), TinyUnet(4), 1)
    with pytest.raises(RestillError, match=r"option 'preset': .*'paper', 'code' or 'effective'"):
        ssid(preset="papers")
    with pytest.raises(RestillError, match=r"option 'dc_window': .*greater than or equal to 1"):
        ssid(dc_window=0)


def test_padding_is_cut_off_before_anything_is_measured():
    network = create("restormer", channels=8)  # wants multiples of 8
    method = create_method("ssid-kd", None, network, 0)
    sizes: list[Any] = []
    assert isinstance(method, SSIDKD)
    method._total_variation = lambda found: sizes.extend(x.shape for x in found) or found[0].sum()  # type: ignore[method-assign]
    method({key: value[..., :13, :11] for key, value in pictures(16).items()}, 0)
    assert sizes == [(2, 3, 13, 11)] * 2


STAGE1 = {  # recipe: options of SID
    "stage1": {},
    "table7_none": {"connections": "none"},
    "table7_skip": {"connections": "skip"},
    "table7_add": {"connections": "add"},
    "table8_n1": {"pyramids": 1},
    "table8_n2": {"pyramids": 2},
    "table9_mffb": {"blocks": "mffb"},
    "table9_pffb": {"blocks": "pffb"},
}


def test_every_recipe_is_tested():
    tested = {"common", "stage2", *STAGE1, *(f"stage2_{preset}" for preset in ("paper", "code", "effective"))}
    tested |= {"fig10_tv", "fig10_tv_dc"}  # tests/tables/test_tables.py
    assert {path.stem for path in RECIPES.glob("*.yaml")} == tested


@pytest.mark.parametrize("name", STAGE1)
def test_the_first_stage_is_plain_training_of_sid(name):
    recipe = load_recipe(RECIPES / f"{name}.yaml")
    assert recipe.method is None
    assert recipe.student.network == "sid"
    assert recipe.student.options == STAGE1[name]
    with torch.device("meta"):
        create("sid", **recipe.student.options)
    options: Any = method_class("plain").Options(**recipe.options)
    assert (options.reconstruction, options.recon_weights) == ("neg_ssim", (1,))
    assert (recipe.batch, recipe.data.crop, recipe.data.centres, recipe.data.augment) == (12, 120, 1, False)
    whole = load_recipe(RECIPES / "stage1.yaml")
    assert recipe.name == (whole.name if name == "stage1" else f"ssid-{name.replace('_', '-')}")
    same = {"name", "student"}
    assert recipe.model_dump(exclude=same) == whole.model_dump(exclude=same)


@pytest.mark.parametrize("preset", ["paper", "code", "effective"])
def test_the_second_stage_goes_on_from_the_first(preset):
    recipe = load_recipe(RECIPES / f"stage2_{preset}.yaml")
    first = load_recipe(RECIPES / "stage1.yaml")
    assert recipe.method == "ssid-kd"
    assert recipe.student.checkpoint == first.folder
    assert recipe.name == f"ssid-kd-{preset}"
    assert SSIDKDOptions(**recipe.options) == SSIDKDOptions.model_validate({"preset": preset})
    assert (recipe.batch, recipe.data.crop, recipe.data.centres) == (2, 128, 1)
    assert recipe.data.unpaired is not None


def test_the_dark_channel_may_be_that_of_the_predicted_streaks_as_printed():
    batch = pictures(frames=3)
    method = ssid(dc_of="streaks", dc_window=3, priors="sum")
    want = 0.0
    for (x, _), key in zip(both(method, batch), ("degraded", "unpaired"), strict=True):
        r = batch[key][:, 1] - x  # R = O - X
        want += (1 - max_pool3d(r, (3, 3, 3), stride=1, padding=(0, 1, 1))).abs().flatten(1).sum(1).mean().item()
    assert method(batch, 0)["dark_channel"].item() == pytest.approx(want, rel=1e-5)
