"""Compare a student in each precision with its float32 version, in quality and time, on clean clips.

    python benchmarks/quantized.py rill-s --clips DIR [--windows 36] [--threads 1] [--choices]

Windows of the clips, with rain rendered on them, go through the network in every precision that the backends here have.
PSNR is of RGB in [0, 1]: against the float32 output over all windows at once and of the worst window; against the clean
frames, and how that changes, in the mean of windows and in the worst. Times are medians of interleaved runs of the
network alone. ``--choices`` quantizes again on synthetic textures, with some convolutions in float32 or with other
ranges, for the table of docs/quantizing.md.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnxruntime import quantization

from restill import zoo
from restill.datasets.clean_clips import CleanClips
from restill.datasets.synthetic import SyntheticClips
from restill.runtime import auto, backends, load_model
from restill.runtime.info import quantized_file
from restill.runtime.model import example
from restill.training.calibration import SAMPLES, SIZE, windows
from restill.training.quantize import named, nodes_in_float, psnr, quantize_with

TIMED = (480, 640)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--windows", type=int, default=36)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--choices", action="store_true")
    options = parser.parse_args()
    path = zoo.find(options.model)
    plain = load_model(path, threads=options.threads)
    source = CleanClips(options.clips)
    clips = range(len(source.names))
    pairs = list(windows(plain, source, clips, options.windows, np.random.default_rng(77), lambda: None))
    inputs, truths = [window for window, _ in pairs], [truth for _, truth in pairs]
    wanted = [plain.run(window) for window in inputs]
    middle = plain.info.frames_before
    print(f"{len(inputs)} windows of {inputs[0].shape[-1]}x{inputs[0].shape[-2]} of {len(source.names)} clips")
    print(
        f"against clean: input {psnr([w[:, middle] for w in inputs], truths):.2f}, f32 {psnr(wanted, truths):.2f} dB\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        files = [(f"{b} {p}", auto.Candidate(b, p, _file(path, p))) for b in auto.installed() for p in _have(path, b)]
        if options.choices:
            made = SyntheticClips(SAMPLES, plain.info.frames, SIZE)
            calibration = list(windows(plain, made, range(SAMPLES), SAMPLES, np.random.default_rng(0), lambda: None))
            for name, file in _choices(path, [window for window, _ in calibration], Path(folder)):
                files += [(f"{name}, {b}", auto.Candidate(b, "int8", file)) for b in auto.installed()]
        auto.SECONDS = 2.0 * len(files)
        times = auto.trial([candidate for _, candidate in files], TIMED, options.threads, example)
        print(f"{'':44}  to f32  worst  to clean  change  worst  ms at {TIMED[1]}x{TIMED[0]}")
        for (name, candidate), taken in zip(files, times, strict=True):
            how = {"backend": candidate.backend, "precision": candidate.precision, "threads": options.threads}
            line = _line(load_model(candidate.path, **how).run, inputs, wanted, truths)
            print(f"{name:44}  {line}  {1000 * (taken or 0):.1f}", flush=True)


def _file(path: Path, precision: str) -> Path:
    return quantized_file(path) if precision == "int8" else path


def _have(path: Path, backend: str) -> list[str]:
    return [p for p in backends.PRECISIONS[backend] if _file(path, p).is_file()]


def _line(
    compute: Callable[[np.ndarray], np.ndarray],
    inputs: list[np.ndarray],
    wanted: list[np.ndarray],
    truths: list[np.ndarray],
) -> str:
    given = [compute(window) for window in inputs]
    worst = min(psnr([g], [w]) for g, w in zip(given, wanted, strict=True))
    change = [psnr([g], [t]) - psnr([w], [t]) for g, w, t in zip(given, wanted, truths, strict=True)]
    return (
        f"{psnr(given, wanted):6.2f}  {worst:5.2f}  {psnr(given, truths):8.2f}  "
        f"{np.mean(change):+6.3f}  {min(change):+5.2f}"
    )


def _choices(path: Path, calibration: list[np.ndarray], folder: Path) -> list[tuple[str, Path]]:
    """Quantized in other ways: a name and a file each."""
    least = {"method": quantization.CalibrationMethod.MinMax}
    percentile = {"method": quantization.CalibrationMethod.Percentile}
    network = named(onnx.load(path))
    convolutions = [node.name for node in network.graph.node if node.op_type == "Conv"]
    first, last = convolutions[0], convolutions[-1]
    ways = {
        "min-max": ([], least, 7),
        "min-max, last float": ([last], least, 7),
        "min-max, first float": ([first], least, 7),
        "min-max, both float": ([first, last], least, 7),
        "min-max, weights of 8 bits": ([], least, 8),
        **{f"percentile {p}": ([], percentile | {"CalibPercentile": p}, 7) for p in (99.99, 99.999, 99.9999)},
    }
    files = []
    for name, (floats, how, bits) in ways.items():
        files.append((name, folder / f"{len(files)}.onnx"))
        quantize_with(network, files[-1][1], calibration, nodes_in_float(network) + floats, how, weight_bits=bits)
    return files


if __name__ == "__main__":
    main()
