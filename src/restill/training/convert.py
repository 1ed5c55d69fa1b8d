"""Conversion of published weights to a Restill checkpoint: every key must match, and no code is run from the file."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from restill.errors import RestillError
from restill.networks import create
from restill.networks.blocks.spynet import SPyNet, save_spynet
from restill.networks.published import Published
from restill.training.checkpoint import save_network
from restill.training.weights_file import Place, read_places

SPYNET = "spynet"  # not in NETWORKS, because it is not trained
SHOWN = 3  # most keys of a kind in a message


@dataclass(frozen=True)
class Match:
    """How published keys match a network's keys.

    Attributes:
        renamed: Published key to our key, for those that match.
        ignored: Published keys without weights.
        missing: Our keys without a published one.
        left_over: Published keys without one of ours.
        misshapen: Published key to both shapes, such as "48x3x3x3, not 24x3x3x3".
    """

    renamed: dict[str, str]
    ignored: list[str]
    missing: list[str]
    left_over: list[str]
    misshapen: dict[str, str]

    @property
    def fits(self) -> bool:
        """Whether every key on both sides matches."""
        return not (self.missing or self.left_over or self.misshapen)


@dataclass(frozen=True)
class Converted:
    """The result of :func:`convert`.

    Attributes:
        output: The checkpoint.
        place: Place of the weights in the file.
        match: Which key became which.
        others: Other places in the file whose weights fit too.
    """

    output: Path
    place: Place
    match: Match
    others: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Summary: weights read, renamed and ignored."""
        names, ignored = self.match.renamed, self.match.ignored
        renamed = [f"{theirs} is {ours}" for theirs, ours in names.items() if theirs != ours]
        place = self.place
        averaged = ", which are averages over training steps (EMA)" if place.averaged else ""
        lines = [f"{len(names)} weights taken" + (f" from '{place.path}'" if place.path else "") + averaged]
        if place.prefix:
            lines.append(f"'{place.prefix}' dropped from the start of their names")
        if place.outside:
            lines.append(f"{len(place.outside)} left out, whose names do not begin so: {_some(list(place.outside))}")
        if self.others:
            lines.append(f"weights that fit are also at {_some(list(self.others))}; choose with --key")
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
    """Convert published weights to a checkpoint for ``evaluate``, ``export`` and recipes.

    Args:
        source: A ``.safetensors`` file, or a file from ``torch.save`` (``.pth``, ``.pt``, ``.ckpt``).
        network: One of ``NETWORKS``, or ``spynet`` for the aligner. Keys are renamed by its ``published``; without it,
            or if they are all ours already, they do not change.
        output: The .safetensors file; by default ``NETWORK.safetensors`` beside the source.
        options: Options of the network, such as ``channels``.
        key: Place of the weights in the file; by default the place whose weights fit, averaged ones (EMA) first.
        overwrite: Replace the output if it exists.

    Raises:
        RestillError: The file cannot be read or contains other objects than tensors; the weights do not fit, are not
            finite or are quantized (nothing is written then); or the output exists or cannot be written.
    """
    source, options = Path(source), options or {}
    output = Path(output) if output is not None else source.with_name(f"{network}.safetensors")
    target = _on_meta_device(network, options)
    if output.suffix != ".safetensors":
        raise RestillError(f"the output '{output}' must end in .safetensors")
    if output.exists() and not overwrite:
        raise RestillError(f"{output}: exists already; give another -o or --overwrite")
    place, match, others = _choose(read_places(source, key), target)
    if not match.fits:
        where = f", in '{place.name}'" if place.name else ""
        raise RestillError(f"{source}: does not fit network '{network}'{where}: {_misfit(match, target)}")
    own = target.state_dict()
    for key, ours in match.renamed.items():
        _check_numbers(source, place.prefix + key, place.weights[key], own[ours])
    fitted = {ours: place.weights[key].to(own[ours].dtype, copy=True) for key, ours in match.renamed.items()}
    target.load_state_dict(fitted, assign=True)
    try:
        if isinstance(target, SPyNet):
            save_spynet(target, output)
        else:
            info = {"network": network, "options": options, "align": "none", "name": output.stem}
            save_network(output, target, info)
    except (OSError, SafetensorError) as error:
        raise RestillError(f"{output}: cannot be written: {getattr(error, 'strerror', None) or error}") from error
    return Converted(output, place, match, others)


def match_keys(weights: Mapping[str, Tensor], network: nn.Module) -> Match:
    """Match published keys to ours, by the network's ``published`` mapping and by shape.

    Args:
        weights: Tensors by published name. Only their shapes matter, so they may be on the meta device.
        network: The network; it may be on the meta device.
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


def _choose(places: list[Place], network: nn.Module) -> tuple[Place, Match, tuple[str, ...]]:
    """The first place that fits and the names of the others that fit; without one, the nearest place."""
    least = len(network.state_dict())
    matches = [(place, match_keys(place.weights, network)) for place in places if len(place.weights) >= least]
    fitting = [(place, match) for place, match in matches if match.fits]
    if fitting:
        place, match = fitting[0]
        return place, match, tuple(other.name or "the file itself" for other, _ in fitting[1:])
    whole = [(place, match_keys(place.weights, network)) for place in places if not place.prefix]
    near = max([*matches, *whole], key=lambda found: len(found[1].renamed) - len(found[1].misshapen))
    return *near, ()


def _check_numbers(source: Path, key: str, value: Tensor, own: Tensor) -> None:
    """Check that a weight is finite, and floating-point if the network's is."""
    if value.is_quantized or (own.is_floating_point() and not value.is_floating_point()):
        raise RestillError(
            f"{source}: '{key}' is quantized ({str(value.dtype).removeprefix('torch.')}); give the "
            "float weights from before quantization"
        )
    if value.is_floating_point() and not bool(torch.isfinite(value).all()):
        raise RestillError(f"{source}: '{key}' contains NaN or infinite numbers, so the network's training failed")


def _on_meta_device(network: str, options: dict[str, Any]) -> nn.Module:
    """The network on the meta device: names and shapes without numbers."""
    if network == SPYNET and options:
        raise RestillError(f"network '{SPYNET}' has no options, but these were given: {', '.join(options)}")
    with torch.device("meta"):
        return SPyNet() if network == SPYNET else create(network, **options)


def _misfit(match: Match, network: nn.Module) -> str:
    parts = []
    if match.missing:
        parts.append(f"{len(match.missing)} of the network's weights are not in it ({_some(match.missing)})")
    if match.left_over:
        parts.append(f"{len(match.left_over)} of its keys do not belong to the network ({_some(match.left_over)})")
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
