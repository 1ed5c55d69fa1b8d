"""A network of one's own goes all the way, from any form it has: trained, saved, exported, run; or one sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper
from own_modules import REFUSED, WORK, Clip, Extra, Own, Sparse, Three, Twice
from safetensors import safe_open
from safetensors.torch import load_model
from torch import Tensor, nn
from typer.testing import CliRunner

import restill
from restill.cli import app
from restill.distillation import METHODS
from restill.distillation.paired import Paired
from restill.errors import RestillError
from restill.networks.adapter import adapt
from restill.runtime.info import read_info
from restill.training import calibration
from restill.training import quantize as quantizing

torch.set_num_threads(1)
RUN = {"quiet": True, "threads": 1, "seed": 1, "optimizer": {"lr": 1e-3}, "steps": 2}
METHOD: dict[str, dict] = {
    "plain": {"options": {"recon_weights": [1.0], "reconstruction": "l1"}},
    "output": {},
    "mse": {"teacher_feature": "body", "student_feature": "body"},
    "cstd": {"teacher_feature": "body", "student_feature": "body", "options": {"hidden": 4}},
}
BODILESS = {"sequential": "0"}  # where there is no body, what to look at
# tracing takes a second each; those that are left out are slow tests
EXPORTED = ("dict", "windowed")


def batch(frames: int = 1, channels: int = 3) -> tuple[Tensor, Tensor]:
    clean = torch.rand(2, frames, channels, 24, 24, generator=torch.Generator().manual_seed(0))
    return (clean + 0.1).clamp(0, 1), clean


def distil(net: nn.Module, method: str, path: str = "body", **more) -> nn.Module:
    options = {**METHOD[method], **more}
    if "student_feature" in options and "student_feature" not in more:
        options["student_feature"] = path
    teacher = None if method == "plain" else Own()
    return restill.distill(teacher, net, method, data=[batch()], **options, **RUN)


@pytest.mark.parametrize("method", METHOD)
@pytest.mark.parametrize("name", WORK)
def test_it_is_trained_and_saved(name: str, method: str, tmp_path: Path):
    torch.manual_seed(0)
    net = WORK[name]()
    if name == "half":
        with pytest.raises(RestillError, match=r"is in float16, which Adam cannot train; give student\.float"):
            distil(net, method)
        restill.distill(net, Own(), "output", data=[batch()], **RUN)  # as a teacher it is taken
        return
    student = distil(net, method, BODILESS.get(name, "body"), output=tmp_path / "run")
    assert student is net
    with safe_open(tmp_path / "run" / "student.safetensors", framework="pt") as file:
        saved = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
        same = file.metadata()
    assert all(torch.equal(saved[key if key in saved else same[key]], v) for key, v in net.state_dict().items())
    with pytest.raises(RestillError, match=r"restill\.export\(net, 'mine\.onnx'\)"):
        restill.export(tmp_path / "run", tmp_path / "x.onnx")
    if method == "mse":  # as a teacher it is taken too
        places = {"teacher_feature": BODILESS.get(name, "body"), "student_feature": "body"}
        restill.distill(net, Own(), "mse", data=[batch()], **places, **RUN)


@pytest.mark.parametrize(
    "name", [name if name in EXPORTED else pytest.param(name, marks=pytest.mark.slow) for name in WORK]
)
def test_the_exported_file_is_what_was_trained(name: str, tmp_path: Path):
    torch.manual_seed(0)
    net = WORK[name]().eval()
    adapt(net)(torch.rand(1, 1, 3, 24, 24))  # lazy layers get their shapes
    size = (24, 24) if name == "fixed size" else None
    file = restill.export(net, tmp_path / "mine.onnx", size=size)
    assert read_info(file).size_multiple == (12 if name == "windowed" else 1)
    plain = adapt(net.float())
    for height, width in [(24, 24)] if size else [(24, 36), (60, 48)]:
        window = torch.rand(1, 1, 3, height, width)
        with torch.no_grad():
            expected = plain(window).numpy()
        found = onnxruntime.InferenceSession(file).run(["clean"], {"window": window.numpy()})[0]
        assert np.abs(found - expected).max() < 1e-4
    frames = np.random.default_rng(0).integers(0, 256, (2, 20, 23, 3), dtype=np.uint8)
    assert [frame.shape for frame in restill.stream(restill.load_model(file), frames)] == [(20, 23, 3)] * 2
    if size:
        assert restill.load_model(file, backend="auto").info.size == size
        with pytest.raises(RestillError, match="takes frames of at most 24x24, not 25x20"):
            next(restill.stream(restill.load_model(file), [np.zeros((20, 25, 3), np.uint8)]))


def test_a_module_is_scored_as_its_file_is(tmp_path: Path):
    _write_clips(tmp_path)
    scores = [
        restill.evaluate(net, "nturain", tmp_path / "NTURain", protocol="all-frames", quiet=True, **more).mean["psnr"]
        for net, more in ((nn.Identity(), {}), ("none", {}), (nn.Identity(), {"size": (48, 72), "context": 1}))
    ]
    assert scores[1] == pytest.approx(scores[0], abs=1e-3) == scores[2]


@pytest.mark.parametrize("name", REFUSED)
def test_or_it_is_refused_in_one_sentence(name: str, tmp_path: Path):
    make, _ = REFUSED[name]
    for run in (
        lambda: distil(make(), "output"),
        lambda: restill.distill(make(), Own(), "output", data=[batch()], **RUN),
        lambda: restill.export(make(), tmp_path / "x.onnx", size=(24, 24)),
        lambda: restill.evaluate(make(), "rain100h", tmp_path),
    ):
        with pytest.raises(RestillError) as caught:
            run()
        assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("net", [Sparse, Extra])
def test_what_cannot_be_saved_is_told_before_the_first_step(net: type[nn.Module], tmp_path: Path):
    student = net()
    before = [p.clone() for p in student.parameters()]
    with pytest.raises(RestillError, match=r"holds at '(sparse|_extra_state)' a .*cannot hold"):
        distil(student, "plain", output=tmp_path / "run")
    assert all(torch.equal(p, b) for p, b in zip(student.parameters(), before, strict=True))
    assert not (tmp_path / "run").exists()
    distil(student, "plain")  # nothing is to be saved


def test_a_run_is_resumed_with_shared_weights(tmp_path: Path):
    made = []
    for steps in ([4], [2, 4]):
        torch.manual_seed(0)
        net = WORK["tied"]()
        for number, until in enumerate(steps):
            options = {**METHOD["plain"], **RUN, "steps": until}
            restill.distill(
                None, net, "plain", data=[batch()], output=tmp_path / f"{len(steps)}", resume=number > 0, **options
            )
        made.append(net.state_dict())
    assert all(torch.equal(made[0][key], value) for key, value in made[1].items())
    again = WORK["tied"]()
    load_model(again, tmp_path / "1" / "student.safetensors")  # as the page says
    assert all(torch.equal(made[0][key], value) for key, value in again.state_dict().items())


def test_clips_and_gray_pictures():
    for net in (Three(), Clip(), Own()):
        restill.distill(Three(), net, "output", data=[batch(frames=4)], context=1, **RUN)
    restill.distill(Own(channels=1), Own(channels=1), "output", data=[batch(channels=1)], **RUN)
    with pytest.raises(RestillError, match="takes RGB, but the batches have 1 channels"):
        restill.distill("rill-p", Own(channels=1), "output", data=[batch(channels=1)], **RUN)


def test_a_module_that_runs_twice_needs_a_run():
    with pytest.raises(
        RestillError, match=r"2 times in one pass; .*'body@0' \(the first\) to 'body@1', or 'body@last'"
    ):
        distil(Twice(), "mse")
    distil(Twice(), "mse", student_feature="body@last")


class ThreeStages(Three):
    def forward(self, x: Tensor) -> list[Tensor]:
        y = super().forward(x)
        return [0.5 * y, y]


def test_export_of_several_frames_and_outputs(tmp_path: Path):
    net = ThreeStages().eval()
    file = restill.export(net, tmp_path / "three.onnx", context=1, align="dis", name="mine", picture=1)
    info = read_info(file)
    assert (info.name, info.network, info.frames_before, info.frames_after) == ("mine", "ThreeStages", 1, 1)
    assert info.align == "dis"
    window = torch.rand(1, 3, 3, 16, 16)
    with torch.no_grad():
        expected = net(window)[1].numpy()
    assert np.abs(restill.load_model(file).run(window.numpy()) - expected).max() < 1e-5


def test_wrong_facts_are_named(tmp_path: Path):
    for facts, words in (
        ({"align": "spynet"}, "align must be one of none, auto, source, search, dis, not 'spynet'"),
        ({"context": -1}, "context must be"),
        ({"size": 24}, r"size must be \(height, width\)"),
        ({"multiple": 0}, "multiple must be"),
    ):
        with pytest.raises(RestillError, match=words):
            restill.export(Own(), tmp_path / "x.onnx", **facts)
    with pytest.raises(RestillError, match=r"size=\(height, width\)"):
        restill.export(WORK["fixed size"](), tmp_path / "x.onnx")
    with pytest.raises(RestillError, match="context= is only for PyTorch modules"):
        restill.export("runs/mine", tmp_path / "x.onnx", context=1)
    with pytest.raises(RestillError, match="context= is for a PyTorch module"):
        restill.evaluate("none", "nturain", tmp_path, context=1)
    places = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 16, 16]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "theirs", places[:1], places[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), tmp_path / "x.onnx")
    with pytest.raises(RestillError, match=r"restill\.export\(module"):
        restill.load_model(tmp_path / "x.onnx")


class Edges(Paired):
    default_weights = {"reconstruction": 1.0, "edges": 0.5}  # noqa: RUF012
    roles = ()

    def forward(self, batch, step):
        teacher = self.run_teacher(batch).picture
        student, reconstruction = self.run_student(batch)
        return {"reconstruction": reconstruction, "edges": (student.picture - teacher).diff(dim=-1).abs().mean()}


def test_a_method_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    student = Own()
    before = student.last.weight.clone()
    restill.distill(Own(), student, Edges, data=[batch()], output=tmp_path / "run", weights={"edges": 2.0}, **RUN)
    assert not torch.equal(before, student.last.weight)
    assert "edges" in json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    monkeypatch.setitem(METHODS, "edges", f"{__name__}:Edges")
    restill.distill(Own(), student, "edges", data=[batch()], **RUN)
    for wrong in (None, 3, Own, object, {"name": "mse"}):
        with pytest.raises(RestillError, match="method must be a name of 'restill methods' or a class of your own"):
            restill.distill(Own(), student, wrong, data=[batch()], **RUN)  # type: ignore[arg-type]
    with pytest.raises(RestillError, match="method 'Edges', option 'x'"):
        restill.distill(Own(), student, Edges, data=[batch()], options={"x": 1}, **RUN)
    with pytest.raises(RestillError, match="method 'Edges' needs a teacher"):
        restill.distill(None, student, Edges, data=[batch()], **RUN)


@pytest.mark.parametrize("every", [1, None])
def test_validation_on_batches_of_ones_own(every: int | None, tmp_path: Path):
    degraded, clean = batch()
    given = [(degraded, clean)] if every is None else {"batches": [(degraded, clean)], "every": every}
    net = distil(Own(), "plain", output=tmp_path / "run", validation=given)
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    psnrs = [line["validation_psnr_rgb_crops"] for line in lines if "validation_psnr_rgb_crops" in line]
    with torch.no_grad():
        error = (net(degraded[:, 0]).clamp(0, 1) - clean[:, 0]).square().mean((1, 2, 3))
    assert psnrs[-1] == pytest.approx((-10 * error.log10()).mean().item(), abs=1e-3)
    assert len(psnrs) == (2 if every else 1)


PAGE = (Path(__file__).resolve().parents[2] / "docs" / "own-network.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Every block of docs/own-network.md, in its order."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(calibration, "SIZE", (48, 64))
    monkeypatch.setattr(calibration, "HELD_OUT", 2)
    monkeypatch.setattr(quantizing, "HELD_OUT", 2)
    _write_clips(tmp_path)
    monkeypatch.setattr("restill.distillation.METHODS", dict(METHODS))  # the page adds one
    names: dict[str, object] = {"__name__": "own_network"}
    for runs, language, code in re.findall(r"(<!-- runs -->\n)?```(\w+)\n(.*?)```", PAGE, re.S):
        if language == "python":
            exec(compile(code, "own-network.md", "exec"), names)  # noqa: S102
        for line in code.splitlines() if runs else ():
            done = CliRunner().invoke(app, line.removeprefix("restill ").split(), catch_exceptions=False)
            assert done.exit_code == 0, (line, done.output)
    assert (tmp_path / "clean8.mp4").is_file()


def _write_clips(folder: Path) -> None:
    """rainy.mp4, and a data set NTURain with one clip, for the page."""
    import av

    from restill.video.pictures import write_picture

    frames = np.random.default_rng(0).integers(60, 200, (4, 48, 64, 3), dtype=np.uint8)
    for side, more in (("Rain", 20), ("GT", 0)):
        (folder / "NTURain" / f"a1_{side}").mkdir(parents=True)
        for t, frame in enumerate(frames):
            write_picture(folder / "NTURain" / f"a1_{side}" / f"{t + 1:05d}.png", frame + np.uint8(more))
    with av.open(folder / "rainy.mp4", "w") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for frame in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(video.encode(None))
