"""Reading an ONNX file without a library: the same as ONNX Runtime reads, and one sentence for anything else."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnxruntime
import pytest

from restill import zoo
from restill.errors import RestillError
from restill.runtime.onnx_file import describe

FILES = sorted(zoo.FOLDER.glob("*/*.onnx"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_as_onnx_runtime_reads_it(path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = describe(path)
    assert found.texts == session.get_modelmeta().custom_metadata_map
    for places, theirs in ((found.inputs, session.get_inputs()), (found.outputs, session.get_outputs())):
        assert places == {place.name: (place.type, tuple(place.shape)) for place in theirs}


def test_an_unknown_shape_and_metadata(tiny_model):
    found = describe(tiny_model(before=1))
    assert found.inputs == {"window": ("tensor(float)", (1, 2, 3, "height", "width"))}
    assert found.outputs == {"clean": ("tensor(float)", ())}
    assert found.texts["restill"].startswith("{")


def test_damaged_files_are_refused_or_read(tiny_model, tmp_path):
    """Whatever is cut off or changed, the answer is a description or one sentence."""
    whole, path = tiny_model().read_bytes(), tmp_path / "damaged.onnx"
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole[: rng.integers(0, len(whole))])
        for place in rng.integers(0, max(1, len(damaged)), 3):
            damaged[place : place + 1] = rng.bytes(1)
        path.write_bytes(damaged)
        try:
            describe(path)
        except RestillError as error:
            assert "damaged.onnx' is not an ONNX file that can be run" in str(error)  # noqa: PT017
            refused += 1
    assert refused > 250


def test_no_library_is_loaded_to_read_it():
    code = "import sys; from restill import zoo; from restill.runtime.info import read_info\n"
    code += "print(read_info(zoo.find('rill-s')).name); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    name, loaded = done.stdout.splitlines()
    assert name == "rill-s"
    assert not {"onnxruntime", "openvino", "onnx"} & set(loaded.split())
