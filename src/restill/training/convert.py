"""Weights that others published, made a checkpoint of ours: every key accounted for, no code run from their file."""

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
        place: Where in the file the weights were.
        match: Which key became which.
        others: Other places in the file whose weights fit too.
    """

    output: Path
    place: Place
    match: Match
    others: tuple[str, ...] = ()

    def __str__(self) -> str:
        """What was taken, renamed and ignored."""
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
    """Write a checkpoint that ``evaluate``, ``export`` and recipes take from weights that somebody published.

    Args:
        source: A ``.safetensors`` file, or what ``torch.save`` wrote (``.pth``, ``.pt``, ``.ckpt``).
        network: One of ``NETWORKS``, or ``spynet`` for the aligner. Its ``published`` says how the keys are renamed;
            without, or if they all are ours already, they stay as they are.
        output: The .safetensors file; ``NETWORK.safetensors`` beside the source if not given.
        options: The network's, such as ``channels``.
        key: Where in the file the weights are; by default the place whose weights fit, averaged ones (EMA) first.
        overwrite: Replace the output if it exists.

    Raises:
        RestillError: The file cannot be read or holds more than tensors, the weights do not fit, are not finite or are
            quantized (nothing is written then), or the output is there already or cannot be written.
    """
    source, options = Path(source), options or {}
    output = Path(output) if output is not None else source.with_name(f"{network}.safetensors")
    target = _on_meta_device(network, options)
    if output.suffix != ".safetensors":
        raise RestillError(f"the output '{output}' must end in .safetensors")
    if output.exists() and not overwrite:
        raise RestillError(f"{output}: is there already; give another -o or --overwrite")
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


def _choose(places: list[Place], network: nn.Module) -> tuple[Place, Match, tuple[str, ...]]:
    """The first place that fits, and the names of the others that do; else the one that comes nearest."""
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
    """A weight must be a finite number of the kind that the network has."""
    if value.is_quantized or (own.is_floating_point() and not value.is_floating_point()):
        raise RestillError(
            f"{source}: '{key}' is quantized ({str(value.dtype).removeprefix('torch.')}); give the weights from before "
            "the network was quantized, as floats"
        )
    if value.is_floating_point() and not bool(torch.isfinite(value).all()):
        raise RestillError(f"{source}: '{key}' holds NaN or infinite numbers, so the network's training had failed")


def _on_meta_device(network: str, options: dict[str, Any]) -> nn.Module:
    """The network's names and shapes, without numbers."""
    if network == SPYNET and options:
        raise RestillError(f"network '{SPYNET}' has no options, but these were given: {', '.join(options)}")
    with torch.device("meta"):
        return SPyNet() if network == SPYNET else create(network, **options)


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
