"""Post-training static quantization of an exported student to 8-bit weights and activations, as a QDQ file.

The tensors' ranges are measured on windows that the runtime's stream builds from clean clips with rendered rain. The
part between the first and the last convolution is quantized. The parts before (differences and minimum of frames) and
after (pixel-shuffle, adding the centre frame) stay in float32, so that the picture itself is never rounded to 8 bits
inside. For Rill's students, these two parts are removed from the graph (:mod:`restill.training.bytes_graph`).
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnxruntime import quantization as ort_quantization

from restill import zoo
from restill.errors import RestillError
from restill.progress import track
from restill.runtime import load_model
from restill.runtime.info import METADATA_KEY, fingerprint, quantized_file, read_info
from restill.training.bytes_graph import feed_bytes
from restill.training.calibration import HELD_OUT, SAMPLES, Reader, sources, windows
from restill.training.export import write

KINDS = ("Conv", "Relu", "Clip", "LeakyRelu", "Add", "Concat", "MaxPool")  # other operators stay in float32
GOOD_AGREEMENT = 40.0  # dB; below it, a note is printed
PERCENTILES = (99.999, 99.9999)


@dataclass(frozen=True)
class Quantized:
    """The result of :func:`quantize`.

    Attributes:
        output: The file.
        agreement: PSNR in dB of the quantized student's output against the float one's, by calibration method.
        method: The calibration method with the highest agreement; it was used.
        clean_float: PSNR of the float student's output against the clean frame, dB.
        clean_int8: The same for the quantized student.
        windows: (windows calibrated on, windows held out).
        size: (height, width) of the windows, pixels.
    """

    output: Path
    agreement: dict[str, float]
    method: str
    clean_float: float
    clean_int8: float
    windows: tuple[int, int]
    size: tuple[int, int]

    def __str__(self) -> str:
        note = f"note: below {GOOD_AGREEMENT:.0f} dB pictures may look different; try --clips with scenes like yours"
        ways = [f"  {name:18} {db:6.2f} dB{'  taken' * (name == self.method)}" for name, db in self.agreement.items()]
        return "\n".join(
            [
                f"int8 against float32, on {self.windows[1]} held-out windows of {self.size[1]}x{self.size[0]} with "
                f"rendered rain, {self.windows[0]} calibrated on (PSNR of RGB in [0, 1], over all windows at once):",
                *ways,
                *([note] if self.agreement[self.method] < GOOD_AGREEMENT else []),
                f"against the clean frames: float32 {self.clean_float:.2f} dB, int8 {self.clean_int8:.2f} dB",
                f"written: {self.output}",
            ]
        )


def quantize(
    model: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    clips: str | os.PathLike[str] | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
    plain: bool = False,
    quiet: bool = False,
) -> Quantized:
    """Quantize a student and write it to a file.

    Args:
        model: A name from the zoo, or a float32 ``.onnx`` file from ``restill export``, for the task "derain".
        output: The ``.onnx`` file; by default ``NAME.int8.onnx`` beside the model's file, where ``precision="int8"``
            finds it, or in the working folder for a name from the zoo.
        clips: A folder of clean clips, as for training; by default synthetic textures.
        samples: Number of windows to calibrate on.
        seed: Seed for the choice of windows and their rain.
        plain: Keep the interface of the float file (``window`` in, ``clean`` out) also for Rill's students, which
            otherwise take and give bytes.
        quiet: Show no progress.

    Returns:
        The file, and its PSNR on held-out windows.

    Raises:
        RestillError: The model does not exist or cannot be quantized, the clips contain a known test picture, or the
            output cannot be written.
    """
    source, info = zoo.find(model), read_info(zoo.find(model))
    if output is None:  # never write into the package
        output = quantized_file(source) if source == Path(model) else Path(f"{info.name}.int8.onnx")
    output = Path(output)
    if output.suffix != ".onnx" or output.resolve() == source.resolve():
        raise RestillError(f"the output '{output}' must end in .onnx and be another file than the model")
    if not output.parent.is_dir():
        raise RestillError(f"the folder '{output.parent}' of the output does not exist; create it first")
    if info.precision != "f32" or info.task != "derain":
        what = "is quantized already" if info.precision != "f32" else f"is for '{info.task}'"
        raise RestillError(f"'{source}' {what}; quantize takes a float32 student for the task 'derain'")
    if info.scale != 1:
        raise RestillError(f"'{source}' enlarges its input {info.scale} times; quantize takes students of scale 1")
    if samples < 1:
        raise RestillError(f"samples must be 1 or more, not {samples}")
    network = named(onnx.load(source))
    floats = nodes_in_float(network)
    student = load_model(source)
    calibrating, held = sources(student, clips, samples, quiet)
    rng = np.random.default_rng(seed)
    with track("windows", samples + HELD_OUT, "windows", quiet=quiet) as advance:
        seen = [window for window, _ in windows(student, *calibrating, samples, rng, advance)]
        unseen = list(windows(student, *held, HELD_OUT, rng, advance))
    wanted = [student.run(window) for window, _ in unseen]
    described = info.model_copy(update={"precision": "int8", "quantized_from": fingerprint(source)})
    onnx.helper.set_model_props(network, {METADATA_KEY: described.model_dump_json()})
    agreement: dict[str, float] = {}
    results: dict[str, list[np.ndarray]] = {}
    with tempfile.TemporaryDirectory() as folder, track("calibrating", 4, "ways", quiet=quiet) as advance:
        for method, options in _methods():
            file = Path(folder) / f"{method}.onnx"
            quantize_with(network, file, seen, floats, options)
            if fed := None if plain else feed_bytes(onnx.load(file), described):
                onnx.checker.check_model(fed, full_check=True)
                onnx.save(fed, file)
            quantized = load_model(file)
            results[method] = [quantized.run(window) for window, _ in unseen]
            agreement[method] = psnr(results[method], wanted)
            advance()
        best = max(agreement, key=agreement.__getitem__)
        write((Path(folder) / f"{best}.onnx").read_bytes(), output)
    truths = [truth for _, truth in unseen]
    against = (psnr(wanted, truths), psnr(results[best], truths))
    return Quantized(output, agreement, best, *against, (len(seen), len(unseen)), unseen[0][0].shape[-2:])  # type: ignore[arg-type]


def psnr(pictures: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> float:
    """PSNR in dB over all values of all pictures at once, clipped to [0, 1]; at most 120.

    A mean over pictures would hide a single picture for which a range was too narrow.
    """
    errors = [np.mean((p.clip(0, 1) - t.clip(0, 1)) ** 2) for p, t in zip(pictures, truths, strict=True)]
    return float(-10 * np.log10(max(float(np.mean(errors)), 1e-12)))


def named(network: onnx.ModelProto) -> onnx.ModelProto:
    """Give each node a unique name."""
    for index, node in enumerate(network.graph.node):
        node.name = f"{index}_{node.op_type}"
    return network


def nodes_in_float(network: onnx.ModelProto) -> list[str]:
    """Names of the nodes that are not between the first and the last convolutions.

    A node is between if it is a convolution, or depends on one and leads to one. A path from input to output without a
    convolution, such as the centre frame that a residual is added to, is not between.

    Raises:
        RestillError: There is no convolution.
    """
    nodes = list(network.graph.node)  # in topological order
    after: set[str] = set()  # tensors after a convolution
    for node in nodes:
        if node.op_type == "Conv" or after.intersection(node.input):
            after.update(node.output)
    before: set[str] = set()  # tensors that lead to one
    between = set()
    for node in reversed(nodes):
        leads = node.op_type == "Conv" or before.intersection(node.output)
        if leads:
            before.update(node.input)
        if leads and after.intersection(node.output):
            between.add(node.name)
    if not between:
        raise RestillError("this model has no convolution, so quantization would not make it faster")
    return [node.name for node in nodes if node.name not in between]


def _methods() -> list[tuple[str, dict[str, Any]]]:
    """The calibration methods by name, with their options."""
    kind = ort_quantization.CalibrationMethod
    percentiles = [(f"percentile {p}", {"method": kind.Percentile, "CalibPercentile": p}) for p in PERCENTILES]
    return [("min-max", {"method": kind.MinMax}), ("entropy", {"method": kind.Entropy}), *percentiles]


def quantize_with(
    network: onnx.ModelProto,
    file: Path,
    calibration: Sequence[np.ndarray],
    floats: list[str],
    options: dict[str, Any],
    *,
    weight_bits: Literal[7, 8] = 7,
) -> None:
    """Write a quantized network, calibrated with one method.

    Args:
        network: A network with :func:`named` nodes; it is not changed.
        file: The file to write.
        calibration: Windows (1, K, 3, H, W).
        floats: Names of nodes that stay in float32.
        options: "method" (ONNX Runtime's CalibrationMethod) and extra options for its ``quantize_static``.
        weight_bits: With 8, processors without VNNI overflow when they add two products in 16 bits.
    """
    source = file.with_suffix(".float.onnx")
    onnx.save(network, source)
    more = {name: value for name, value in options.items() if name != "method"}
    quietly = contextlib.redirect_stdout(io.StringIO())
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it recommends a pre-processing that export has already done
    try:
        with quietly:
            ort_quantization.quantize_static(
                source,
                file,
                Reader(calibration),
                quant_format=ort_quantization.QuantFormat.QDQ,
                op_types_to_quantize=list(KINDS),
                per_channel=True,
                reduce_range=weight_bits == 7,
                activation_type=ort_quantization.QuantType.QUInt8,
                weight_type=ort_quantization.QuantType.QInt8,
                nodes_to_exclude=floats,
                calibrate_method=options["method"],
                extra_options={"CalibStridedMinMax": 1, **more},
            )
    except Exception as error:  # it raises many types for unknown operators
        raise RestillError(f"ONNX Runtime cannot quantize this model: {error}") from error
    finally:
        logging.disable(level)
