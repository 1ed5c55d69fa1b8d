"""A quantized student computes nearly what the float one does, on both backends, and says of itself that it is one."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from typer.testing import CliRunner

from restill import zoo
from restill.cli import app
from restill.datasets.leaks import digest, remember_tests
from restill.datasets.synthetic import SyntheticClips, synthetic_clip
from restill.degradations.rain import RainSettings, rain_clip
from restill.errors import RestillError
from restill.runtime import Model, load_model, stream
from restill.runtime.info import fingerprint, quantized_file, read_info
from restill.training import calibration
from restill.training import quantize as module
from restill.training.calibration import windows
from restill.training.quantize import named, nodes_in_float, psnr, quantize
from restill.video.pictures import write_picture

FEW = {"samples": 2, "quiet": True}


@pytest.fixture(autouse=True)
def small_and_few(monkeypatch):
    monkeypatch.setattr(calibration, "SIZE", (48, 64))
    monkeypatch.setattr(calibration, "HELD_OUT", 2)
    monkeypatch.setattr(module, "HELD_OUT", 2)


@pytest.fixture
def student(tmp_path: Path) -> Path:
    """Two convolutions on differences of frames, and the centre frame added: what students look like."""
    rng = np.random.default_rng(0)
    first, last = (rng.normal(0, 0.2, shape).astype(np.float32) for shape in ((8, 3, 3, 3), (3, 8, 3, 3)))
    numbers = {"zero": np.array(0), "one": np.array(1), "w1": first, "w2": 0.1 * last}
    nodes = [
        helper.make_node("Gather", ["window", "zero"], ["before"], axis=1),
        helper.make_node("Gather", ["window", "one"], ["centre"], axis=1),
        helper.make_node("Sub", ["before", "centre"], ["difference"]),
        helper.make_node("Conv", ["difference", "w1"], ["x"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["x"], ["y"]),
        helper.make_node("Conv", ["y", "w2"], ["rain"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["rain", "centre"], ["clean"]),
    ]
    graph = helper.make_graph(
        nodes,
        "student",
        [helper.make_tensor_value_info("window", onnx.TensorProto.FLOAT, [1, 3, 3, "height", "width"])],
        [helper.make_tensor_value_info("clean", onnx.TensorProto.FLOAT, [1, 3, "height", "width"])],
        [numpy_helper.from_array(value, name) for name, value in numbers.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    about = {"name": "student", "task": "derain", "network": "none", "frames_before": 1, "frames_after": 1, "scale": 1}
    about |= {"size_multiple": 4, "align": "dis", "parameters": 432, "macs_per_pixel": 432.0}
    helper.set_model_props(model, {"restill": json.dumps(about)})
    onnx.save(model, tmp_path / "student.onnx")
    return tmp_path / "student.onnx"


def write_clips(root: Path, names: str) -> Path:
    for seed, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for t, frame in enumerate(synthetic_clip(seed, 4, (60, 80))):
            write_picture(root / name / f"{t}.png", frame)
    return root


def test_file(student):
    done = quantize(student, **FEW)
    assert done.output == quantized_file(student) == student.with_name("student.int8.onnx")
    assert done.agreement[done.method] == max(done.agreement.values()) > 40
    assert abs(done.clean_float - done.clean_int8) < 0.5
    before, after = read_info(student), read_info(done.output)
    assert after == before.model_copy(update={"precision": "int8", "quantized_from": fingerprint(student)})
    types = {t.data_type for t in onnx.load(done.output).graph.initializer if t.name.startswith("w1_quantized")}
    assert types == {onnx.TensorProto.INT8}
    assert "taken" in str(done)
    assert "note" not in str(done)
    assert "note: below 40 dB" in str(replace(done, agreement={done.method: 39.0}))


def test_what_onnxruntime_cannot_do_is_one_sentence(student, monkeypatch):
    def fail(*_, **__):
        raise KeyError("Conv17")

    monkeypatch.setattr(module.ort_quantization, "quantize_static", fail)
    with pytest.raises(RestillError, match="ONNX Runtime cannot quantize this model: 'Conv17'"):
        quantize(student, **FEW)
    assert not quantized_file(student).exists()


def test_same_seed_same_file(student, tmp_path):
    files = [quantize(student, tmp_path / f"{i}.onnx", **FEW).output.read_bytes() for i in range(2)]
    assert files[0] == files[1]


def test_what_is_quantized(student):
    network = named(onnx.load(student))
    assert [name.partition("_")[2] for name in nodes_in_float(network)] == ["Gather", "Gather", "Sub", "Add"]
    floats = {name.partition("_")[2] for name in nodes_in_float(named(onnx.load(zoo.find("rill-s"))))}
    assert floats.isdisjoint({"Conv", "Relu"})
    assert floats >= {"Slice", "Min", "Max", "Sub", "Concat", "DepthToSpace", "Add"}  # one Add: the centre frame's


def test_the_centre_frame_is_not_rounded(student):
    """A picture without any rain goes through to the last bit: what is added to it is exactly nothing."""
    model = load_model(quantize(student, **FEW).output, threads=1)
    window = np.repeat(np.random.default_rng(1).random((1, 1, 3, 16, 20), dtype=np.float32), 3, axis=1)
    assert np.array_equal(model.run(window), window[:, 1])


@pytest.mark.parametrize(
    ("backend", "precision"), [("onnxruntime", "int8"), ("openvino", "int8"), ("openvino", "bf16")]
)
def test_the_shipped_file_is_as_good(backend, precision):
    """Fewer bits cost at most 0.15 dB against the clean frames."""
    if backend == "openvino":
        pytest.importorskip("openvino")
    plain, other = (
        load_model("rill-s", threads=1, **how) for how in ({}, {"backend": backend, "precision": precision})
    )
    source = SyntheticClips(3, 3, (96, 128))
    made = list(windows(plain, source, range(3), 3, np.random.default_rng(9), lambda: None))
    truths = [truth for _, truth in made]
    fine, coarse = (psnr([model.run(window) for window, _ in made], truths) for model in (plain, other))
    assert coarse > fine - 0.15


def test_windows_are_the_streams(student):
    model = load_model(student, threads=1)
    seen = []
    spy = Model(model.info, student, "spy", lambda window: seen.append(window.copy()) or window[:, 1])
    clean = synthetic_clip(0, 3, (48, 64))
    rng = np.random.default_rng(5)
    ((window, truth),) = windows(model, SyntheticClips(1, 3, (48, 64)), [0], 1, rng, lambda: None)
    rng = np.random.default_rng(5)
    _ = [rng.integers(1) for _ in range(3)]  # where the window starts: there is one place
    settings = RainSettings.random(rng)
    list(stream(spy, rain_clip(clean, settings, int(rng.integers(2**31)))))
    assert np.array_equal(window, seen[1])
    assert np.allclose(truth[0].transpose(1, 2, 0) * 255, clean[1], atol=1e-3)


def test_clips_of_ones_own(student, tmp_path):
    clips = write_clips(tmp_path / "clips", "ab")
    done = quantize(student, tmp_path / "o.onnx", clips=clips, **FEW)
    assert done.windows == (2, 2)
    assert done.size == (48, 64)
    assert done.agreement[done.method] > 40


def test_no_test_picture_is_calibrated_on(student, tmp_path):
    clips = write_clips(tmp_path / "clips", "ab")
    remember_tests([("the/test/1.png", digest(synthetic_clip(1, 4, (60, 80))[2]))])
    with pytest.raises(RestillError, match=r"frame 3 is the same picture as the/test/1\.png.*remove the clip"):
        quantize(student, tmp_path / "o.onnx", clips=clips, **FEW)
    assert not (tmp_path / "o.onnx").exists()


def test_refusals(student, tmp_path):
    done = quantize(student, **FEW).output
    for arguments, says in [
        ((done,), "is quantized already"),
        ((student, student), "another file than the model"),
        ((student, tmp_path / "o.bin"), "must end in .onnx"),
        ((student, tmp_path / "no" / "o.onnx"), "create it first"),
        (("min-median", tmp_path / "o.onnx"), "no convolution"),
    ]:
        with pytest.raises(RestillError, match=says):
            quantize(*arguments, **FEW)
    with pytest.raises(RestillError, match="samples must be 1 or more"):
        quantize(student, samples=0)
    with pytest.raises(RestillError, match="no such folder"):
        quantize(student, clips=tmp_path / "gone")


def test_command(student, tmp_path):
    done = CliRunner().invoke(app, ["quantize", str(student), "-o", str(tmp_path / "o.onnx"), "--samples", "1"])
    assert done.exit_code == 0, done.output
    assert "over all windows at once" in done.output
    assert f"written: {tmp_path / 'o.onnx'}" in done.output


def test_without_onnx(student, monkeypatch, capsys):
    from restill import cli

    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "restill.training.quantize")
    monkeypatch.setattr(sys, "argv", ["restill", "quantize", str(student)])
    with pytest.raises(SystemExit):
        cli.main()
    assert "pip install 'restill[train]'" in capsys.readouterr().err


def test_made_up_clips():
    a, b = synthetic_clip(3, 3, (48, 64)), synthetic_clip(3, 3, (48, 64))
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert {frame.shape for frame in a} == {(48, 64, 3)}
    assert a[0].dtype == np.uint8
    assert not np.array_equal(a[0], a[2])
    assert not np.array_equal(a[0], synthetic_clip(4, 3, (48, 64))[0])
