"""Weights that others published, made a checkpoint of ours: every key accounted for, no code run from their file."""

from __future__ import annotations

import inspect
import pickle
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from restill.errors import RestillError
from restill.networks import create
from restill.networks.published import Published
from restill.networks.spynet import SPyNet, save_spynet
from restill.training.checkpoint import save_network

USUAL_KEYS = ("params_ema", "params", "state_dict", "model_state_dict", "model", "net", "netP", "netG")
SPYNET = "spynet"  # no network to train, so not in NETWORKS
SHOWN = 3  # keys of a kind that a message names


@dataclass(frozen=True)
class Match:
    """How the keys of some weights go with a network's.

    Attributes:
        renamed: Published key to ours, for those that fit.
        ignored: Published keys that hold no weights.
        missing: Ours that nothing fits.
        left_over: Published keys that are none of ours.
        misshapen: Published key to what its shape is and ours: "48x3x3x3, not 24x3x3x3".
    """

    renamed: dict[str, str]
    ignored: list[str]
    missing: list[str]
    left_over: list[str]
    misshapen: dict[str, str]

    @property
    def fits(self) -> bool:
        """Whether every key on both sides is accounted for."""
        return not (self.missing or self.left_over or self.misshapen)


@dataclass(frozen=True)
class Converted:
    """What :func:`convert` did.

    Attributes:
        output: The checkpoint.
        found: The key that the weights were under; empty if they were the file itself.
        match: Which key became which.
    """

    output: Path
    found: str
    match: Match

    def __str__(self) -> str:
        """What was taken, renamed and ignored."""
        names, ignored = self.match.renamed, self.match.ignored
        renamed = [f"{theirs} is {ours}" for theirs, ours in names.items() if theirs != ours]
        lines = [f"{len(names)} weights taken" + (f" from '{self.found}'" if self.found else "")]
        if renamed:
            lines.append(f"{len(renamed)} renamed: {_some(renamed)}")
        if ignored:
            lines.append(f"{len(ignored)} ignored, which hold no weights: {_some(ignored)}")
        return "\n".join([*lines, f"written: {self.output}"])


def convert(
    source: str | Path,
    network: str,
    output: str | Path | None = None,
    *,
    options: dict[str, Any] | None = None,
    key: str | None = None,
    overwrite: bool = False,
) -> Converted:
    """Write a checkpoint that ``evaluate``, ``export`` and recipes take from weights that somebody published.

    Args:
        source: A ``.safetensors`` file, or what ``torch.save`` wrote (``.pth``, ``.pt``, ``.ckpt``).
        network: One of ``NETWORKS``, or ``spynet`` for the aligner. Its ``published`` says how the keys are renamed;
            without, or if they all are ours already, they stay as they are.
        output: The .safetensors file; ``NETWORK.safetensors`` beside the source if not given.
        options: The network's, such as ``channels``.
        key: Where in the file the weights are; by default the file itself or the first of :data:`USUAL_KEYS`.
        overwrite: Replace the output if it exists.

    Raises:
        RestillError: The file cannot be read or holds more than tensors, the weights do not fit (nothing is written
            then), or the output is there already or cannot be written.
    """
    source, options = Path(source), options or {}
    output = Path(output) if output is not None else source.with_name(f"{network}.safetensors")
    ghost = _ghost(network, options)
    if output.suffix != ".safetensors":
        raise RestillError(f"the output '{output}' must end in .safetensors")
    if output.exists() and not overwrite:
        raise RestillError(f"{output}: is there already; give another -o or --overwrite")
    weights, found = read_weights(source, key)
    match = match_keys(weights, ghost)
    if not match.fits:
        raise RestillError(f"{source}: does not fit network '{network}': {_misfit(match, ghost)}")
    own = ghost.state_dict()
    fitted = {ours: weights[key].to(own[ours].dtype, copy=True) for key, ours in match.renamed.items()}
    ghost.load_state_dict(fitted, assign=True)
    try:
        if isinstance(ghost, SPyNet):
            save_spynet(ghost, output)
        else:
            info = {"network": network, "options": options, "align": "none", "name": output.stem}
            save_network(output, ghost, info)
    except (OSError, SafetensorError) as error:
        raise RestillError(f"{output}: cannot be written: {getattr(error, 'strerror', None) or error}") from error
    return Converted(output, found, match)


def read_weights(path: Path, key: str | None = None) -> tuple[dict[str, Tensor], str]:
    """The tensors of a file, without a leading ``module.`` in their names.

    Args:
        path: As the ``source`` of :func:`convert`.
        key: Where in the file they are.

    Returns:
        The tensors by name, and the key that they were under.

    Raises:
        RestillError: The file cannot be read without running code, or no tensors are where they should be.
    """
    content = _read(path)
    for place in (key,) if key is not None else ("", *USUAL_KEYS):
        found = content if place == "" else content.get(place) if isinstance(content, Mapping) else None
        if isinstance(found, Mapping) and found and all(isinstance(value, Tensor) for value in found.values()):
            return {str(name).removeprefix("module."): value for name, value in found.items()}, place
    keys = _some([str(name) for name in content], 8) if isinstance(content, Mapping) else "none"
    wanted = f"under '{key}'" if key is not None else f"at its top or under {', '.join(USUAL_KEYS)}"
    raise RestillError(f"{path}: there is no dict of tensors {wanted}; choose with --key among its keys: {keys}")


def match_keys(weights: Mapping[str, Tensor], network: nn.Module) -> Match:
    """Which published key is which of ours, by the network's ``published`` mapping and by shape.

    Args:
        weights: Published names; of the tensors only the shapes matter, so they may be on the meta device.
        network: The same.
    """
    own = network.state_dict()
    published: Published | None = getattr(network, "published", None)
    if published is None or weights.keys() == own.keys():
        published = Published("", ())
    match = Match({}, [], [], [], {})
    for key, value in weights.items():
        ours = published.our_key(key)
        if ours is None:
            match.ignored.append(key)
        elif ours not in own or ours in match.renamed.values():
            match.left_over.append(key)
        else:
            match.renamed[key] = ours
            if value.shape != own[ours].shape:
                match.misshapen[key] = f"{_shape(value)}, not {_shape(own[ours])}"
    taken = set(match.renamed.values())
    match.missing.extend(key for key in own if key not in taken)
    return match


def _ghost(network: str, options: dict[str, Any]) -> nn.Module:
    """The network's names and shapes, without numbers."""
    if network == SPYNET and options:
        raise RestillError(f"network '{SPYNET}' has no options, but these were given: {', '.join(options)}")
    with torch.device("meta"):
        return SPyNet() if network == SPYNET else create(network, **options)


def _read(path: Path) -> Any:
    """What is in a file; tensors, numbers, text, lists and dicts are all that is ever made from it."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about how the file was made
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise RestillError(f"{path}: no such file") from error
    except Exception as error:  # a broken pickle fails in many ways
        unsafe = re.search(r"GLOBAL ([\w.]+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
        if unsafe is None:
            raise RestillError(f"{path}: cannot be read as a checkpoint (.pth, .pt, .ckpt, .safetensors)") from error
        raise RestillError(
            f"{path}: holds a Python object ({unsafe[1]}) beside its tensors, and what could run code is not loaded; "
            "ask for a file of the state dict alone"
        ) from error


def _misfit(match: Match, network: nn.Module) -> str:
    parts = []
    if match.missing:
        parts.append(f"{len(match.missing)} of the network's weights are not in it ({_some(match.missing)})")
    if match.left_over:
        parts.append(f"{len(match.left_over)} of its keys belong nowhere ({_some(match.left_over)})")
    if match.misshapen:
        shapes = [f"{key} is {shapes}" for key, shapes in match.misshapen.items()]
        parts.append(f"{len(shapes)} have another shape ({_some(shapes)})")
    if options := list(inspect.signature(type(network)).parameters):
        parts.append(f"if it was made with other options, give them with --set ({', '.join(options)})")
    return "; ".join(parts)


def _some(names: list[str], most: int = SHOWN) -> str:
    return ", ".join([*names[:most], "..."] if len(names) > most else names)


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a single number"
