"""Export of a trained student to one ONNX file that runs without PyTorch and describes itself (:class:`ModelInfo`)."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import torch
from onnxruntime import InferenceSession
from torch import Tensor, nn

from restill.errors import RestillError
from restill.networks import NETWORKS, create, network_class
from restill.networks.adapter import Adapter, Picture, class_name
from restill.networks.complexity import count
from restill.networks.receptive_field import receptive_field
from restill.runtime.info import METADATA_KEY, ModelInfo
from restill.training.checkpoint import load_network
from restill.training.fold import TRANSLATIONS, fold_unshuffle
from restill.training.layout import Layout, exported, stack
from restill.training.user_module import ModuleFacts, sizes, wrap_module

OPSET = 18
TOLERANCE = 1e-3  # between ONNX Runtime and PyTorch: a quarter of a gray level
EXAMPLE_SIZE = (64, 96)  # rounded up to multiples; torch.export needs at least two for a dynamic side


def export(
    checkpoint: str | os.PathLike[str] | nn.Module,
    output: str | os.PathLike[str],
    *,
    name: str | None = None,
    context: int | None = None,
    align: str | None = None,
    picture: Picture | None = None,
    size: Sequence[int] | None = None,
    multiple: int | None = None,
    task: str = "derain",
    layout: Layout = "window",
) -> Path:
    """Export a checkpoint's student, or any PyTorch module, to ONNX.

    Args:
        checkpoint: A ``student.safetensors``, or the folder of a run or checkpoint that contains one; a name of
            ``restill models`` or a file that was exported before, to give it another name or layout; or a module: one
            of Restill's, or your own that maps pictures (B, 3, H, W) or windows of frames
            (B, 2 * context + 1, 3, H, W), RGB in [0, 1], to pictures. The other arguments except ``name`` and
            ``layout`` are for modules only.
        output: The ``.onnx`` file. It contains the weights, in float32.
        name: The student's name in the file; by default the recipe's name or the file's.
        context: Frames on either side of the restored one; default 0.
        align: "auto", or another aligner of :mod:`restill.alignment`, to align neighbors to the center frame as in
            training; default "none".
        picture: Index or key of the picture, if the module has several outputs.
        size: (height, width) in pixels, for a network that takes only one size; default: all sizes.
        multiple: Heights and widths must be multiples of this; by default it is found by trying.
        task: The module's task. ``restill quantize`` takes students for "derain".
        layout: "window": the input is ``window`` (1, K, 3, H, W), which Restill runs. "stacked": it is ``planes``
            (1, 3*K, H, W): R, G and B of the first frame, then of the next, as VapourSynth's ONNX filters give them.

    Returns:
        The file, checked by ONNX, and for a module also compared with PyTorch at two sizes.

    Raises:
        RestillError: The checkpoint does not exist, its network has no export (its spec says why), the output cannot be
            written, or the module fails or cannot be exported.

    Example:
        >>> restill.export(net, "mine.onnx", context=1, align="auto")  # doctest: +SKIP
    """
    output = Path(output)
    if output.suffix != ".onnx":
        raise RestillError(f"the output '{output}' must end in .onnx")
    if not output.parent.is_dir():
        raise RestillError(f"the folder '{output.parent}' of the output does not exist; create it first")
    if layout not in (layouts := get_args(Layout)):
        raise RestillError(f"layout '{layout}' is not known; the layouts are: {', '.join(layouts)}")
    facts = ModuleFacts(context, align, picture, size, multiple, task)
    if isinstance(checkpoint, str | os.PathLike):
        if given := facts.given():
            raise RestillError(f"{given[0]}= is only for PyTorch modules; '{checkpoint}' already contains this setting")
        model, info = _of_checkpoint(os.fspath(checkpoint), name)
    else:
        network = wrap_module(checkpoint, facts)
        about = {"network": class_name(network), "name": name or output.stem, "align": align or "none"}
        model, info = _of_network(network, about, None if size is None else (size[0], size[1]))
        check_equal(network, info, model)
    if layout == "stacked":
        stack(model, info)
    write(model.SerializeToString(), output)
    return output


def _of_checkpoint(checkpoint: str, name: str | None) -> tuple[onnx.ModelProto, ModelInfo]:
    """The model of a network without weights, an exported file or a checkpoint; and its description."""
    found = _without_weights(checkpoint)
    if found is None and (file := exported(checkpoint)):
        model, info = file
        info = info.model_copy(update={"name": name or info.name})
        onnx.helper.set_model_props(model, {METADATA_KEY: info.model_dump_json()})
        return model, info
    network, about = found or load_network(Path(checkpoint))
    return _of_network(network, {**about, "name": name or about["name"]})


def _of_network(
    network: nn.Module, about: dict[str, Any], size: tuple[int, int] | None = None
) -> tuple[onnx.ModelProto, ModelInfo]:
    """The model of a network, and its description."""
    if reason := network.spec.no_export:  # type: ignore[union-attr]
        raise RestillError(f"network '{about['network']}' is not exported to ONNX: {reason}")
    info = describe(network, about["name"], about["network"], about["align"], size)
    info = info.model_copy(update={"reach": None if size else _receptive_field(network)})
    return to_onnx(network, info), info


def _without_weights(name: str) -> tuple[nn.Module, dict[str, Any]] | None:
    """A network that needs no weights, with the header that a checkpoint would have; None for all others."""
    align = getattr(network_class(name), "align", None) if name in NETWORKS else None
    return None if align is None else (create(name), {"network": name, "name": name, "align": align})


def describe(
    network: nn.Module, name: str, network_name: str, align: Any, size: tuple[int, int] | None = None
) -> ModelInfo:
    """The description of a network for the runtime, from its spec; without the receptive field.

    Raises:
        RestillError: It was trained with an alignment that the runtime does not have.
    """
    spec = network.spec
    parameters, macs = _cost(network, size)
    if spec.frames == 1:  # type: ignore[union-attr]
        align = "none"  # a single frame has no neighbors, although its teacher may have
    if align not in (known := get_args(ModelInfo.model_fields["align"].annotation)):
        raise RestillError(
            f"'{name}' was trained with data.align {align}, but the runtime has only {', '.join(known)}; train with "
            "data.align auto to export it"
        )
    return ModelInfo(
        name=name,
        task=spec.task,  # type: ignore[union-attr]
        network=network_name,
        frames_before=spec.frames_before,  # type: ignore[union-attr]
        frames_after=spec.frames_after,  # type: ignore[union-attr]
        scale=spec.scale,  # type: ignore[union-attr]
        size_multiple=spec.size_multiple,  # type: ignore[union-attr]
        size=size,
        align=align,
        parameters=parameters,
        macs_per_pixel=macs,
    )


def _cost(network: nn.Module, size: tuple[int, int] | None) -> tuple[int, float]:
    """Parameters and MACs per pixel; 0 MACs for a user's module that does not run on the meta device."""
    try:
        cost = count(network, size or (128, 128))
    except Exception:
        if not isinstance(network, Adapter):
            raise
        return sum(parameter.numel() for parameter in network.parameters()), 0.0
    return cost.parameters, cost.macs_per_pixel


def _receptive_field(network: nn.Module) -> int | None:
    """The receptive field; None for a user's module that fails on the trial input."""
    try:
        return receptive_field(network)
    except RestillError:
        return None


def to_onnx(network: nn.Module, info: ModelInfo) -> onnx.ModelProto:
    """Convert to ONNX: ``window`` (1, K, 3, H, W) to ``clean`` (1, 3, scale*H, scale*W), H and W dynamic.

    Args:
        network: Any network with a spec; it is put in eval mode.
        info: Its description, stored in the file under :data:`METADATA_KEY`.
    """
    multiple = info.size_multiple
    sides = (max(-(-side // multiple), least) * multiple for side, least in zip(EXAMPLE_SIZE, (2, 3), strict=True))
    window = torch.rand(1, info.frames, 3, *(info.size or sides))
    height, width = (multiple * torch.export.Dim(side, min=2, max=4096) for side in ("rows", "columns"))
    module = network.fixed() if isinstance(network, Adapter) else merged(network.eval())
    model = _traced(module, window, None if info.size else {3: height, 4: width}, class_name(network))
    fold_unshuffle(model)
    for node in model.graph.node:
        del node.metadata_props[:]  # Python source paths of the exporting machine
        node.doc_string = ""
    onnx.helper.set_model_props(model, {METADATA_KEY: info.model_dump_json()})
    onnx.checker.check_model(model, full_check=True)
    return model


def _traced(module: nn.Module, window: Tensor, free: dict[int, Any] | None, name: str) -> onnx.ModelProto:
    """Export a module with PyTorch; any exception becomes one sentence."""
    try:
        with warnings.catch_warnings(), torch.no_grad(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")  # about torch's own internals
            logging.getLogger("torch.onnx").setLevel(logging.ERROR)
            program = torch.onnx.export(
                module,
                (window,),
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=["window"],
                output_names=["clean"],
                dynamic_shapes={"window": free} if free else None,
                custom_translation_table=TRANSLATIONS,
            )
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        reason = (str(cause).strip().splitlines() or [""])[0]
        advice = " for all sizes; try one size: size=(height, width)" if free else ""
        raise RestillError(
            f"PyTorch cannot export {name} to ONNX{advice} ({type(cause).__name__}: {reason})"
        ) from error
    assert program is not None  # noqa: S101 - it is None only when a file name is given
    return program.model_proto


@torch.no_grad()
def check_equal(network: nn.Module, info: ModelInfo, model: onnx.ModelProto) -> None:
    """Check that ONNX Runtime and PyTorch agree at sizes other than the exported one.

    Raises:
        RestillError: ONNX Runtime fails, or the results differ.
    """
    plain = network.fixed() if isinstance(network, Adapter) else network
    name = class_name(network)
    for height, width in [info.size] if info.size else sizes(info.size_multiple):
        window = torch.rand(1, info.frames, 3, height, width, generator=torch.Generator().manual_seed(1))
        expected = plain(window).numpy()
        try:
            session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
            found: Any = session.run(["clean"], {"window": window.numpy()})[0]
        except Exception as error:  # ONNX Runtime's exceptions share no other base
            reason = (str(error).strip().splitlines() or [""])[0]
            raise RestillError(f"{name} was exported, but ONNX Runtime cannot run it: {reason}") from error
        far = np.abs(found - expected).max() if found.shape == expected.shape else np.inf
        if not far <= TOLERANCE * max(1.0, np.abs(expected).max()):
            raise RestillError(
                f"{name} was exported, but at {width}x{height} the results of ONNX Runtime and PyTorch differ by "
                f"{far:.2g}; a part of it may depend on the size, on chance or on earlier calls. Try one size: "
                "size=(height, width)"
            )


def merged(network: nn.Module) -> nn.Module:
    """A copy in which every module with a method ``merged`` is replaced by that method's result."""
    copy = deepcopy(network)
    for name, module in list(copy.named_modules()):
        if hasattr(module, "merged"):
            copy.set_submodule(name, module.merged())  # type: ignore[operator]
    return copy


def write(content: bytes, output: Path) -> None:
    """Write a file; it gets its name only when it is complete."""
    partial = None
    try:
        with tempfile.NamedTemporaryFile(dir=output.parent, prefix=f".{output.stem}-", delete=False) as file:
            partial = Path(file.name)
            file.write(content)
        partial.chmod(0o644)
        partial.replace(output)
    except OSError as error:
        if partial:
            partial.unlink(missing_ok=True)
        raise RestillError(f"'{output}' cannot be written: {error.strerror}") from error
