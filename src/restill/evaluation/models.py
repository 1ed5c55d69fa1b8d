"""Open the model to evaluate: an exported file, a checkpoint, or a PyTorch module."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from restill import zoo
from restill.errors import RestillError
from restill.runtime import Model, ModelInfo, load_model

if TYPE_CHECKING:
    from torch import nn

    from restill.networks.blocks.spynet import SPyNet

NONE = "none"  # the "model" that returns the degraded frames unchanged


def open_model(
    model: str | os.PathLike[str] | Model, backend: str = "onnxruntime", precision: str | None = None
) -> Model | None:
    """Whatever :func:`evaluate` takes as a model; None for "none"."""
    if "auto" in (backend, precision):
        raise RestillError("a score needs a backend and a precision that can be named again, not 'auto'")
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
    """A network that is whole without a checkpoint, such as bicubic, in PyTorch; None for all other names."""
    from restill.networks import NETWORKS, create, network_class

    align = getattr(network_class(name), "align", None) if name in NETWORKS else None
    if align is None:
        return None
    import torch

    from restill.training.export import describe

    network = create(name).eval()
    compute = torch.inference_mode()(lambda window: network(torch.from_numpy(window)).numpy())
    return Model(describe(network, name, name, align), Path(name), "torch", compute)


class Checkpoint(Model):
    """A trained network that runs in PyTorch behind the interface of an exported one, so that one stream serves both.

    Attributes:
        network: It.
    """

    def __init__(
        self, network: nn.Module, info: ModelInfo, path: Path, compute: Callable[[np.ndarray], np.ndarray]
    ) -> None:
        super().__init__(info, path, "torch", compute)
        self.network = network


def load_checkpoint(path: Path) -> Checkpoint:
    """A trained network from its checkpoint.

    Args:
        path: A run's folder or a ``.safetensors`` file.

    Raises:
        RestillError: It is not a checkpoint of ours, or the weights of the SPyNet it was trained with are gone.
    """
    import torch

    from restill.networks.blocks.onednn import quick_conv3d
    from restill.networks.blocks.spynet import align_window
    from restill.training.checkpoint import load_network
    from restill.training.export import describe

    network, header = load_network(path)
    aligner = _aligner(path) if header["align"] == "spynet" else None
    # the stream knows no SPyNet: it hands out the frames as they are, and they are aligned here
    info = describe(network, header["name"], header["network"], header["align"] if aligner is None else "none")
    quick_conv3d(network)  # not before: what is counted runs on no real tensors

    @torch.inference_mode()
    def compute(window: np.ndarray) -> np.ndarray:  # (1, K, 3, H, W) -> (1, 3, sH, sW)
        frames = torch.from_numpy(window)
        if aligner is not None:
            frames = align_window(aligner, frames, info.frames_before)
        return network(frames).numpy()

    return Checkpoint(network, info, path, compute)


def open_module(module: Any, **own: Any) -> Checkpoint:
    """A PyTorch module, of one's own or of Restill, behind the interface of an exported model.

    Args:
        module: It runs where it is, in its own type.
        own: The fields of :class:`restill.training.user_module.ModuleFacts`.

    Raises:
        RestillError: It is no module, or fails on what it would be shown.
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
    """The SPyNet of a run, from its folder."""
    from restill.networks.blocks.spynet import WEIGHTS, load_spynet

    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    for place in (folder, folder.parent):  # checkpoint-NNNNNN/ lies in the run's folder
        if (place / WEIGHTS).is_file():
            return load_spynet(place / WEIGHTS)
    raise RestillError(
        f"{checkpoint}: was trained on frames aligned by SPyNet, whose weights {WEIGHTS} must lie beside it"
    )
