"""Open the model to evaluate: an exported file, a checkpoint, or a PyTorch module."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from restill import zoo
from restill.errors import RestillError
from restill.runtime import Model, ModelInfo, load_model
from restill.video import probe

if TYPE_CHECKING:
    from torch import nn

    from restill.networks.blocks.spynet import SPyNet

NONE = "none"  # the "model" that returns the degraded frames unchanged


def open_model(
    model: str | os.PathLike[str] | Model, backend: str = "onnxruntime", precision: str | None = None
) -> Model | None:
    """Open a model as :func:`restill.evaluation.evaluate` takes it; None for "none"."""
    if "auto" in (backend, precision):
        raise RestillError("evaluation must be repeatable: name a backend and a precision instead of 'auto'")
    if isinstance(model, Model):
        return model
    if model == NONE:
        return None
    path = Path(model)
    is_zoo_name = os.fspath(model) in [card.name for card in zoo.cards()]
    if path.suffix == ".safetensors" or (path.is_dir() and not is_zoo_name):
        return load_checkpoint(path)
    return (None if is_zoo_name else parameter_free_model(os.fspath(model))) or load_model(
        model, backend=backend, precision=precision
    )


def parameter_free_model(name: str) -> Model | None:
    """Open a network that has no weights, such as bicubic, in PyTorch; return None for any other name."""
    from restill.networks import NETWORKS, create, network_class

    align = getattr(network_class(name), "align", None) if name in NETWORKS else None
    if align is None:
        return None
    import torch

    from restill.training.export import describe

    network = create(name).eval()
    compute = torch.inference_mode()(lambda window: network(torch.from_numpy(window)).numpy())
    return Model(describe(network, name, name, align), Path(name), "torch", compute)


def one_scale(models: Iterable[Model]) -> int:
    """By how much models enlarge their input.

    Raises:
        RestillError: They differ in it.
    """
    scales = {model.info.scale for model in models}
    if len(scales) > 1:
        raise RestillError(f"the models enlarge by {sorted(scales)}; compare those that enlarge alike")
    return scales.pop()


def check_clean_size(clean: Path, height: int, width: int) -> None:
    """Check that a clean clip has the size of the models' output.

    Raises:
        RestillError: It has another.
    """
    truth = probe(clean)
    if (truth.height, truth.width) != (height, width):
        raise RestillError(
            f"'{clean}' is {truth.width}x{truth.height}; for these models the clean clip must be {width}x{height}"
        )


class Checkpoint(Model):
    """A network that runs in PyTorch behind the interface of an exported model.

    Attributes:
        network: The PyTorch network.
    """

    def __init__(
        self, network: nn.Module, info: ModelInfo, path: Path, compute: Callable[[np.ndarray], np.ndarray]
    ) -> None:
        super().__init__(info, path, "torch", compute)
        self.network = network


def load_checkpoint(path: Path) -> Checkpoint:
    """Load a trained network from its checkpoint.

    Args:
        path: A run's folder or a ``.safetensors`` file.

    Raises:
        RestillError: If it is not a Restill checkpoint, or the weights of its SPyNet are missing.
    """
    import torch

    from restill.networks.blocks.onednn import quick_conv3d
    from restill.networks.blocks.spynet import align_window
    from restill.training.checkpoint import load_network
    from restill.training.export import describe

    network, header = load_network(path)
    aligner = _aligner(path) if header["align"] == "spynet" else None
    # the stream cannot run SPyNet: it passes the frames on unaligned, and they are aligned here
    info = describe(network, header["name"], header["network"], header["align"] if aligner is None else "none")
    quick_conv3d(network)  # after describe(), which counts on meta tensors

    @torch.inference_mode()
    def compute(window: np.ndarray) -> np.ndarray:  # (1, K, 3, H, W) -> (1, 3, sH, sW)
        frames = torch.from_numpy(window)
        if aligner is not None:
            frames = align_window(aligner, frames, info.frames_before)
        return network(frames).numpy()

    return Checkpoint(network, info, path, compute)


def open_module(module: Any, **own: Any) -> Checkpoint:
    """Wrap a PyTorch module, your own or one of Restill, in the interface of an exported model.

    Args:
        module: Runs on its own device and in its own data type.
        own: The fields of :class:`restill.training.user_module.ModuleFacts`.

    Raises:
        RestillError: If it is not a module, or fails on its inputs.
    """
    import torch

    from restill.networks.adapter import class_name
    from restill.training.export import describe
    from restill.training.user_module import ModuleFacts, wrap_module

    network = wrap_module(module, ModuleFacts(**own))
    name = class_name(network)
    device = next((p.device for p in network.parameters()), torch.device("cpu"))

    @torch.inference_mode()
    def compute(window: np.ndarray) -> np.ndarray:  # (1, K, 3, H, W) -> (1, 3, sH, sW)
        return network(torch.from_numpy(window).to(device)).cpu().numpy()

    fixed = None if own.get("size") is None else (own["size"][0], own["size"][1])
    info = describe(network, name, name, own.get("align") or "none", fixed)
    return Checkpoint(network, info, Path(name), compute)


def _aligner(checkpoint: Path) -> SPyNet:
    """Load the SPyNet of a run from the run's folder."""
    from restill.networks.blocks.spynet import WEIGHTS, load_spynet

    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    for where in (folder, folder.parent):  # checkpoint-NNNNNN/ is inside the run's folder
        if (where / WEIGHTS).is_file():
            return load_spynet(where / WEIGHTS)
    raise RestillError(
        f"{checkpoint}: was trained on frames aligned by SPyNet; put its weights {WEIGHTS} in the same folder"
    )
