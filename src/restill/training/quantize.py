"""An exported student with 8-bit weights and activations: post-training static quantization, as a QDQ file.

Which ranges its tensors have is seen on the very windows that the stream feeds it, of clean clips with rendered rain.
What lies between the first and the last convolution is quantized; what stands before them (the alignment's differences,
the minimum of frames) and after them (pixel-shuffle, the centre frame added) stays in float32, so that the picture
itself, which goes straight to the output, is never rounded to 8 bits inside. Of Rill's students, what stands before and
after leaves the graph (:mod:`restill.training.bytes_graph`).
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

KINDS = ("Conv", "Relu", "Clip", "LeakyRelu", "Add", "Concat", "MaxPool")  # the rest of the operators stay in float32
GOOD_AGREEMENT = 40.0  # dB: what differs more is worth a word
PERCENTILES = (99.999, 99.9999)


@dataclass(frozen=True)
class Quantized:
    """What came of it.

    Attributes:
        output: The file.
        agreement: Of each way to calibrate, in dB, the PSNR of the quantized student's output against the float one's.
        method: The one taken: the highest.
        clean_float: PSNR of the float student's output against the clean frame, dB.
        clean_int8: The same of the quantized one.
        windows: (windows calibrated on, windows held out).
        size: (height, width) of these, pixels.
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
    """Write a student's quantized file.

    Args:
        model: A name of the zoo, or an ``.onnx`` file that ``restill export`` wrote, in float32; a student for rain.
        output: The ``.onnx`` file; by default ``NAME.int8.onnx`` beside the model's, where ``precision="int8"`` looks;
            for a name of the zoo in the working folder.
        clips: A folder of clean clips, as for training; by default made-up textures, which need no data.
        samples: Windows to calibrate on.
        seed: Of the choice of windows and of their rain.
        plain: Keep the interface of the float file, ``window`` in and ``clean`` out, of Rill's students too, which
            are otherwise fed bytes.
        quiet: No progress.

    Returns:
        The file, and what it costs on held-out windows.

    Raises:
        RestillError: No such model, not one that can be quantized so, the clips hold a known test picture, or the
            output cannot be written.
    """
    source, info = zoo.find(model), read_info(zoo.find(model))
    if output is None:  # nothing is written into the package
        output = quantized_file(source) if source == Path(model) else Path(f"{info.name}.int8.onnx")
    output = Path(output)
    if output.suffix != ".onnx" or output.resolve() == source.resolve():
        raise RestillError(f"the output '{output}' must end in .onnx and be another file than the model")
    if not output.parent.is_dir():
        raise RestillError(f"the folder '{output.parent}' of the output is not there; make it first")
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
                about = described.model_copy(update={"feed": "bytes"})
                onnx.helper.set_model_props(fed, {METADATA_KEY: about.model_dump_json()})
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
    """PSNR in dB over all values of all pictures at once, cut to [0, 1]; at most 120.

    A mean of each picture's PSNR would hide the one picture on which a range was too narrow.
    """
    errors = [np.mean((p.clip(0, 1) - t.clip(0, 1)) ** 2) for p, t in zip(pictures, truths, strict=True)]
    return float(-10 * np.log10(max(float(np.mean(errors)), 1e-12)))


def named(network: onnx.ModelProto) -> onnx.ModelProto:
    """The same, with a name of its own for each node."""
    for index, node in enumerate(network.graph.node):
        node.name = f"{index}_{node.op_type}"
    return network


def nodes_in_float(network: onnx.ModelProto) -> list[str]:
    """Names of the nodes that do not lie between the first and the last convolutions.

    A node lies between where a convolution is it or leads to it, and a convolution is it or is led to by it. A path
    from input to output that has no convolution, such as the centre frame that a residual is added to, is left alone.

    Raises:
        RestillError: There is no convolution at all.
    """
    nodes = list(network.graph.node)  # ONNX orders them: what is read was written before
    after: set[str] = set()  # tensors behind a convolution
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
        raise RestillError("this model has no convolution, and so nothing that 8 bits would make faster")
    return [node.name for node in nodes if node.name not in between]


def _methods() -> list[tuple[str, dict[str, Any]]]:
    """The ways to calibrate, by name, and what each is told."""
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
    """Write a quantized network, calibrated in one way.

    Args:
        network: Its nodes :func:`named`; it stays as it is.
        file: What to write.
        calibration: Windows (1, K, 3, H, W).
        floats: Names of nodes that stay in float32.
        options: "method", ONNX Runtime's CalibrationMethod, and extra options of its ``quantize_static``.
        weight_bits: With eight, processors without VNNI overflow where they add two products in 16 bits.
    """
    source = file.with_suffix(".float.onnx")
    onnx.save(network, source)
    more = {name: value for name, value in options.items() if name != "method"}
    quietly = contextlib.redirect_stdout(io.StringIO())
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it advises a pre-processing that export has done
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
    except Exception as error:  # it raises whatever comes, for operators that it does not know
        raise RestillError(f"ONNX Runtime cannot quantize this model: {error}") from error
    finally:
        logging.disable(level)
