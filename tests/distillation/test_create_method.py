"""Methods by name, and what is said when a recipe asks for something that is not there."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from foreign_networks import ForeignStudent, ForeignTeacher

from restill.distillation import METHODS, create_method, method_class
from restill.distillation.methods.plain import Plain, PlainOptions
from restill.errors import RestillError
from restill.networks import create

torch.set_num_threads(1)


def test_every_method_tells_what_it_is():
    for name in METHODS:
        cls = method_class(name)
        assert cls.name == name
        assert cls.paper
        assert cls.needs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"alhpa": 1},
            r"method 'cstd', option 'alhpa': is not known; the options are: reconstruction, recon_weights,",
        ),
        ({"agg": "max"}, r"option 'agg': Input should be 'mean_sq', 'sum_sq' or 'unit_mean_sq'"),
        ({"alpha": -1}, r"option 'alpha': Input should be greater than or equal to 0"),
        ({"csc": False}, r"sta must be off"),
        ({"ms": False, "sta": False}, r"csc must be off"),
        ({"teacher_feature": "nowhere"}, r"RillL has no module 'nowhere'"),
        ({"student_feature": "body.9:input"}, r"RillS has no module 'body.9'"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, object], message: str):
    with pytest.raises(RestillError, match=message):
        create_method("cstd", create("rill-l"), create("rill-s"), 2, **options)  # type: ignore[arg-type]


def test_names_and_teachers_are_checked():
    with pytest.raises(RestillError, match="method 'sctd' is not known; the methods are: plain, cstd"):
        method_class("sctd")
    with pytest.raises(RestillError, match="method 'cstd' needs a teacher"):
        create_method("cstd", None, create("rill-s"), 2)
    with pytest.raises(RestillError, match="method 'plain' takes no teacher"):
        create_method("plain", create("rill-l"), create("rill-s"), 2)
    with pytest.raises(RestillError, match=r"the teacher ForeignTeacher has no spec .* give teacher_feature"):
        create_method("cstd", ForeignTeacher(), ForeignStudent(), 1)


def test_plain_is_the_reconstruction_loss_of_cstd():
    batch = {"degraded": torch.rand(1, 6, 3, 16, 16), "clean": torch.rand(1, 6, 3, 16, 16)}
    student = create("rill-s")
    plain = create_method("plain", None, student, 2)
    distilled = create_method("cstd", create("rill-l", channels=4), student, 2)
    assert plain(batch, 0)["reconstruction"].item() == pytest.approx(distilled(batch, 0)["reconstruction"].item())
    assert [list(group) for group in plain.loss_groups(batch, 0)] == [["reconstruction"]]
    assert plain.metrics() == {}


def test_plain_on_one_scale_is_the_loss_itself():
    batch = {"degraded": torch.rand(2, 4, 3, 8, 8), "clean": torch.rand(2, 4, 3, 8, 8)}
    student = ForeignStudent()
    plain = Plain(student, 1, PlainOptions(reconstruction="mse", recon_weights=(1.0,)))
    loss = plain(batch, 0)["reconstruction"]
    windows = torch.stack([batch["degraded"][:, t - 1 : t + 2] for t in (1, 2)], 1).flatten(0, 1)
    assert loss.item() == pytest.approx(
        (student(windows) - batch["clean"][:, 1:3].flatten(0, 1)).square().mean().item()
    )
    loss.backward()
    assert all(p.grad is not None for p in student.parameters())


@pytest.mark.slow
def test_restill_methods_is_for_people_and_machines():
    command = [sys.executable, "-m", "restill", "methods"]
    assert "cstd" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = json.loads(subprocess.run([*command, "--json"], check=True, capture_output=True, text=True).stdout)
    assert {row["name"] for row in rows} == set(METHODS)
    assert all(row.keys() == {"name", "paper", "needs", "step", "measured"} for row in rows)
