"""`restill derain` in an install without PyTorch and everything else of the train extra."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from restill import zoo

# Stands before the command: every library that the base install does not bring cannot be imported.
WITHOUT = """
import importlib.abc, sys

class Missing(importlib.abc.MetaPathFinder):
    names = {names}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named '{{name}}'", name=name)

sys.meta_path.insert(0, Missing())
sys.argv = ["restill", *sys.argv[1:]]
from restill.cli import main
main()
"""
EXTRAS = {
    *("torch", "accelerate", "safetensors", "yaml", "skimage", "scipy", "onnx", "onnxscript", "tensorboard"),
    "openvino",
}


def without_extras(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT.format(names=EXTRAS), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def write_clip(path: Path, frames: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        ramp = np.add.outer(np.arange(48), np.arange(64))[..., None] * np.array([1, 2, 1])
        for t in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray((ramp + 3 * t).clip(0, 255).astype(np.uint8))))
        container.mux(stream.encode())


def test_derain(tiny_model, tmp_path):
    clip, output = tmp_path / "rainy.mp4", tmp_path / "clean.mp4"
    write_clip(clip, 6)
    done = without_extras("derain", clip, "-o", output, "--model", tiny_model(1, 1, align="dis"))
    assert done.returncode == 0, done.stderr
    with av.open(str(output)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 6


def test_models():
    done = without_extras("models", "--json")
    assert done.returncode == 0, done.stderr


def test_what_needs_an_extra_says_so(tmp_path):
    done = without_extras("export", tmp_path, "-o", tmp_path / "model.onnx")
    assert done.returncode == 1
    assert "pip install 'restill[train]'" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not zoo.cards(), reason="the zoo is empty")
def test_bench():
    few = ("--size", "64x48", "--frames", "2", "--rounds", "1", "--quiet")
    done = without_extras("bench", "min-median", *few, "--json", "-")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [row["backend"] for row in report["rows"]] == ["onnxruntime"]
    assert report["peaks"][0]["gmacs_per_second"] > 0
