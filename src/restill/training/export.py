"""A trained student as one ONNX file that runs without PyTorch and says what it needs (:class:`ModelInfo`)."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any, get_args

import onnx
import torch
from torch import nn

from restill.errors import RestillError
from restill.evaluation.complexity import count
from restill.networks import NETWORKS, create, network_class
from restill.runtime.model import METADATA_KEY, ModelInfo
from restill.training.checkpoint import load_network
from restill.training.fold import TRANSLATIONS, fold_unshuffle
from restill.training.reach import reach

OPSET = 18
EXAMPLE_SIZE = (64, 96)  # or more, as multiples need: both are dynamic in the file, if they are two multiples or more


def export(checkpoint: str | os.PathLike[str], output: str | os.PathLike[str], *, name: str | None = None) -> Path:
    """Write a checkpoint's student as ONNX.

    Args:
        checkpoint: A ``student.safetensors``, or the folder of a run or checkpoint that holds one; or the name of a
            network that has no weights, "min-median".
        output: The ``.onnx`` file; its weights are inside it.
        name: The student's name in the file; by default the one that the recipe gave it.

    Returns:
        The file, checked by ONNX.

    Raises:
        RestillError: No such checkpoint, or its network is not exported (its spec says why), or the output cannot be
            written.
    """
    output = Path(output)
    if output.suffix != ".onnx":
        raise RestillError(f"the output '{output}' must end in .onnx")
    if not output.parent.is_dir():
        raise RestillError(f"the folder '{output.parent}' of the output is not there; make it first")
    network, about = _without_weights(os.fspath(checkpoint)) or load_network(Path(checkpoint))
    if reason := network.spec.no_export:  # type: ignore[union-attr]
        raise RestillError(f"network '{about['network']}' is not exported to ONNX: {reason}")
    info = describe(network, name or about["name"], about["network"], about["align"])
    info = info.model_copy(update={"reach": reach(network)})
    model = to_onnx(network, info)
    write(model.SerializeToString(), output)
    return output


def _without_weights(name: str) -> tuple[nn.Module, dict[str, Any]] | None:
    """A network that is whole without a checkpoint, and what a checkpoint would say of it; None for all others."""
    align = getattr(network_class(name), "align", None) if name in NETWORKS else None
    return None if align is None else (create(name), {"network": name, "name": name, "align": align})


def describe(network: nn.Module, name: str, network_name: str, align: Any) -> ModelInfo:
    """What the runtime must know of a network, from its spec; how far it looks is left open.

    Raises:
        RestillError: It was trained on frames aligned as the runtime cannot.
    """
    spec, cost = network.spec, count(network)  # type: ignore[attr-defined]
    if spec.frames == 1:  # type: ignore[union-attr]
        align = "none"  # a single frame has no neighbors; its teacher had
    if align not in (known := get_args(ModelInfo.model_fields["align"].annotation)):
        raise RestillError(
            f"'{name}' was trained with data.align {align}, but the runtime has only {' and '.join(known)}; "
            "train with data.align dis to ship it"
        )
    return ModelInfo(
        name=name,
        task=spec.task,  # type: ignore[union-attr]
        network=network_name,
        frames_before=spec.frames_before,  # type: ignore[union-attr]
        frames_after=spec.frames_after,  # type: ignore[union-attr]
        scale=spec.scale,  # type: ignore[union-attr]
        size_multiple=spec.size_multiple,  # type: ignore[union-attr]
        align=align,
        parameters=cost.parameters,
        macs_per_pixel=cost.macs_per_pixel,
    )


def to_onnx(network: nn.Module, info: ModelInfo) -> onnx.ModelProto:
    """The network as ONNX: ``window`` (1, K, 3, H, W) to ``clean`` (1, 3, scale*H, scale*W), H and W free.

    Args:
        network: Any with a spec; it is put in eval mode.
        info: Its description, stored in the file under :data:`METADATA_KEY`.
    """
    multiple = info.size_multiple
    sides = (max(-(-side // multiple), least) * multiple for side, least in zip(EXAMPLE_SIZE, (2, 3), strict=True))
    window = torch.rand(1, info.frames, 3, *sides)
    height, width = (multiple * torch.export.Dim(side, min=2, max=4096) for side in ("rows", "columns"))
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # about torch's own internals
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            merged(network.eval()),
            (window,),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=["window"],
            output_names=["clean"],
            dynamic_shapes={"window": {3: height, 4: width}},
            custom_translation_table=TRANSLATIONS,
        )
    assert program is not None  # noqa: S101 - it is None only when a file name is given
    model = program.model_proto
    fold_unshuffle(model)
    for node in model.graph.node:
        del node.metadata_props[:]  # where in the Python source it came from: paths of the machine that exported
        node.doc_string = ""
    onnx.helper.set_model_props(model, {METADATA_KEY: info.model_dump_json()})
    onnx.checker.check_model(model, full_check=True)
    return model


def merged(network: nn.Module) -> nn.Module:
    """A copy in which every module that says how (a method ``merged``) is the plain one that it stands for."""
    copy = deepcopy(network)
    for name, module in list(copy.named_modules()):
        if hasattr(module, "merged"):
            copy.set_submodule(name, module.merged())  # type: ignore[operator]
    return copy


def write(content: bytes, output: Path) -> None:
    """The file appears under its name only when it is whole."""
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
