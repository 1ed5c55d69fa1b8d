import json
import runpy
import sys
from pathlib import Path

import pytest
import torch
from foreign_networks import clip, foreign
from safetensors.torch import load_file
from torch import nn

from restill.distillation.cells import ConvLSTMCell
from restill.distillation.method import Method
from restill.distillation.sizes import feature_sizes, watch_cells
from restill.errors import RestillError
from restill.training.experiment import train
from restill.training.gradient_norms import gradient_norms, loss_gradients
from restill.training.recipe import parse_recipe

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gradient_norms.py"


class Lines(Method):
    """Losses that are linear in two weights, so that their gradients are plain: x * (3, 4), x * (0, 2), ..."""

    name = "lines"

    def __init__(self):
        super().__init__(nn.Linear(2, 1, bias=False))
        self.other = nn.Parameter(torch.tensor(5.0))  # not the student's

    def forward(self, batch, step):
        w, x = self.student.weight[0], batch["degraded"].mean()
        first = x * (3 * w[0] + 4 * w[1])
        return {
            "reconstruction": first,
            "same": first.clone(),
            "across": 2 * self.other.detach() * w[1],
            "against": -first * self.other,
            "elsewhere": self.other**2,
            "constant": torch.tensor(2.0),
        }


def numbers(*values):
    return [{"degraded": torch.full((1, 1, 3, 2, 2), value)} for value in values]


def test_gradients_are_those_computed_by_hand():
    method = Lines()
    found = loss_gradients(method, numbers(1.0, 3.0), {"across": 0.5, "against": 0.1}, 0)
    # means over the batches: (6, 8), 0.5 * (0, 10), 0.1 * -5 * (6, 8)
    assert found["reconstruction"].norm == pytest.approx(10)
    assert found["across"].norm == pytest.approx(5)
    assert found["across"].ratio == pytest.approx(0.5)
    assert found["across"].cosine == pytest.approx(0.8)
    assert found["across"].weight == 0.5
    assert found["against"].ratio == pytest.approx(0.5)
    assert found["against"].cosine == pytest.approx(-1)
    # their sum, with "same" a second time (6, 8): 1.5 * (6, 8) + (0, 5) = (9, 17)
    assert list(found)[-1] == "total"
    assert found["total"].norm == pytest.approx((9**2 + 17**2) ** 0.5)
    w = method.student.weight[0].detach()
    assert found["reconstruction"].value == pytest.approx((2 * (3 * w[0] + 4 * w[1])).item(), rel=1e-5)


def test_a_loss_equal_to_the_reconstruction_has_its_gradient():
    found = loss_gradients(Lines(), numbers(1.0), {}, 0)["same"]
    assert (found.ratio, found.step_ratio, found.cosine, found.steady) == (1, 1, pytest.approx(1), 1)


def test_batches_with_opposite_gradients_are_not_steady():
    found = loss_gradients(Lines(), numbers(2.0, -1.0), {}, 0)  # mean 0.5 * (3, 4), single norms 10 and 5; (0, 10)
    assert found["reconstruction"].steady == pytest.approx(2.5 / 7.5)
    assert found["across"].steady == pytest.approx(1)
    assert found["across"].ratio == pytest.approx(10 / 2.5)
    assert found["across"].step_ratio == pytest.approx(10 / 7.5)


def test_a_loss_without_gradient_in_the_student_has_norm_zero():
    found = loss_gradients(Lines(), numbers(1.0), {}, 0)
    for name, value in (("elsewhere", 25), ("constant", 2)):
        assert found[name].value == value
        assert (found[name].norm, found[name].ratio, found[name].cosine, found[name].steady) == (0, 0, None, None)


def test_groups_of_losses_sum_to_one_of_each_name():
    joint, alternate = (
        loss_gradients(foreign(optim=optim, detach_state=True), [clip()], {}, 0) for optim in ("joint", "alternate")
    )
    assert joint.keys() == alternate.keys()
    for name in joint:
        assert alternate[name].value == pytest.approx(joint[name].value, rel=1e-4)


def test_features_and_cells_are_told_by_side():
    method = foreign()
    with watch_cells(method) as cells:
        loss_gradients(method, [clip()], {}, 0)
    sizes = {name: sums.size() for name, sums in cells.items()}
    # two centers, both passes over three scales; C of the student and C of both
    assert {name: size.runs for name, size in sizes.items()} == {
        "connector.cell, teacher": 12,
        "connector.cell, student": 12,
        "aggregator, teacher": 2,
        "aggregator, student": 4,
    }
    assert all(size.spread > 0 and size.mean_abs > 0 for size in sizes.values())
    assert not any(cell._forward_hooks for cell in method.modules() if isinstance(cell, ConvLSTMCell))
    (size,) = feature_sizes(method, [clip()]).values()
    assert size.paths == {"teacher": "encoder", "student": "layers.1:input"}
    with torch.no_grad():
        f = method.teacher.encoder(method.shown_to_teacher(clip()).flatten(1, 2))  # (N, C, h, w)
    assert size.mean_square["teacher"] == pytest.approx(f.square().mean().item())
    assert size.channel_mean_square["teacher"] == pytest.approx(f.mean(1).square().mean().item())


def test_cells_that_say_the_same_everywhere_have_no_spread():
    method = foreign()
    for parameter in method.aggregator.parameters():
        parameter.data.zero_()
    method.aggregator.gates.bias.data.fill_(1.0)
    with watch_cells(method) as cells:
        method(clip(), 0)
    size = cells["aggregator, student"].size()
    assert size.spread == pytest.approx(0, abs=1e-6)
    assert size.mean_abs > 0.1


# --- whole runs ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(clips, tmp_path_factory):
    """A teacher of seven frames, and a student of three that learned from it; each step logged."""
    root = tmp_path_factory.mktemp("runs")
    data = {"root": str(clips), "crop": 32, "centres": 2, "align": "none", "workers": 0, "held_out": ["two"]}
    fields = {
        "seed": 1,
        "batch": 2,
        "data": data,
        "validation": {"every": 2, "samples": 2},
        "threads": 1,
        "log_every": 1,
        "output": str(root),
    }

    def small(network, **options):
        return {"network": network, "options": {"channels": 8, **options}}

    teacher = {"name": "teacher", "steps": 2, "student": small("rill-l", pairs=1)}
    known = {"teacher": train(parse_recipe(fields | teacher, "test"), quiet=True)}
    student = {
        "name": "std",
        "steps": 4,
        "student": small("rill-s", pairs=1),
        "teacher": {"checkpoint": str(root / "teacher")},
        "method": "std",
        "options": {"hidden": 4, "warmup": 2},
        "weights": {"space": 0.5},
    }
    known["std"] = train(parse_recipe(fields | student, "test"), quiet=True)
    return known


def test_the_start_is_what_the_run_started_from(runs):
    before = torch.get_rng_state()
    found = gradient_norms(runs["std"].folder, batches=1, at="start")
    assert torch.equal(torch.get_rng_state(), before)
    first = json.loads((runs["std"].folder / "log.jsonl").read_text().splitlines()[0])
    assert found.losses["reconstruction"].value == pytest.approx(first["reconstruction"], rel=1e-6)
    assert (found.step, found.steps, found.batches) == (0, 4, 1)
    assert {"space", "time"} <= found.losses.keys()  # the warm-up is passed over
    assert found.losses["space"].weight == 0.5


def test_the_end_is_the_newest_checkpoint(runs):
    file = runs["std"].folder / "student.safetensors"
    before = load_file(file)
    found = gradient_norms(runs["std"].folder, batches=2)
    assert (found.method, found.at, found.step, found.batches) == ("std", "end", 4, 2)
    assert found.student_psnr == pytest.approx(runs["std"].validation)
    assert found.teacher_psnr is not None
    assert found.features.keys() == {"feature"}
    assert found.cells.keys() == {"cell, teacher", "cell, student"}
    assert found.metrics["cells_frozen"] == 0
    assert all(torch.equal(before[key], value) for key, value in load_file(file).items())


def test_a_run_without_a_teacher(runs):
    found = gradient_norms(runs["teacher"].folder, batches=1)
    assert found.losses.keys() == {"reconstruction", "total"}
    assert found.teacher_psnr is None
    assert found.student_psnr == pytest.approx(runs["teacher"].validation)


def test_a_teacher_is_validated_as_it_was_when_it_was_trained(runs, tmp_path):
    """The same network in the teacher's place, on the same crops."""
    import yaml

    fields = yaml.safe_load((runs["teacher"].folder / "recipe.yaml").read_text())
    network = {"checkpoint": str(runs["teacher"].folder)}
    fields |= {"student": network, "teacher": network, "method": "cstd", "options": {"hidden": 4}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(fields))
    found = gradient_norms(tmp_path, batches=1, at="start")
    assert found.teacher_psnr == found.student_psnr == pytest.approx(runs["teacher"].validation)
    assert found.losses["temporal"].norm == pytest.approx(0, abs=1e-9)


def test_what_is_no_run_is_told_in_a_sentence(runs, tmp_path):
    with pytest.raises(RestillError, match=r"nowhere: is not the folder of a run: it has no recipe\.yaml$"):
        gradient_norms(tmp_path / "nowhere")
    (tmp_path / "recipe.yaml").write_text((runs["std"].folder / "recipe.yaml").read_text())
    with pytest.raises(RestillError, match="has no checkpoint yet"):
        gradient_norms(tmp_path)
    with pytest.raises(RestillError, match="1 or more, not 0"):
        gradient_norms(tmp_path, batches=0)


def test_the_script_prints_tables_and_writes_numbers(runs, tmp_path, capsys, monkeypatch):
    file = tmp_path / "norms.json"
    asked = [str(runs[name].folder) for name in ("std", "teacher")]
    monkeypatch.setattr(sys, "argv", ["gradient_norms.py", *asked, "--batches", "1", "--json", str(file)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    said = capsys.readouterr().out
    assert "std: method std, at the end, step 4 of 4; 1 batches" in said
    assert "\n| space | " in said
    assert "margin" in said
    assert [one["name"] for one in json.loads(file.read_text())] == ["std", "teacher"]
    monkeypatch.setattr(sys, "argv", ["gradient_norms.py", str(tmp_path)])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert stop.value.code == 1
    assert "is not the folder of a run" in capsys.readouterr().err
