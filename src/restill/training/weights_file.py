"""Reading of published weight files, and finding a network's weights in them."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from restill.errors import RestillError

USUAL = ("", "params", "state_dict", "model_state_dict", "model", "net", "netG", "generator", "net_g")
AVERAGED = re.compile(r"(^|[._])(ema|swa|averaged)([._]|$)")  # weights averaged over training steps
DEEP = 4  # levels of names to search
SHOWN = 8  # most places in a message


@dataclass(frozen=True)
class Place:
    """A place of weights in a file.

    Attributes:
        path: The keys that lead to their dict, joined by dots; empty for the file itself.
        prefix: Common start of their names, such as "module."; it is dropped.
        weights: The tensors by the rest of their names.
        outside: Names in that dict without the prefix.
    """

    path: str
    prefix: str
    weights: dict[str, Tensor]
    outside: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Path and prefix, in the form of ``--key``."""
        return ".".join(part for part in (self.path, self.prefix.rstrip(".")) if part)

    @property
    def averaged(self) -> bool:
        """Whether these are averages over training steps (EMA), which usually restore better."""
        return bool(AVERAGED.search(self.name.lower()))

    @property
    def rank(self) -> tuple[bool, int, int]:
        """Sort key: averaged weights first, then the shallowest, then the usual names."""
        usual = USUAL.index(self.path) if self.path in USUAL else len(USUAL)
        return not self.averaged, self.name.count(".") + bool(self.name), usual


def read_content(path: Path) -> Any:
    """Read a file; only tensors, numbers, text, lists and dicts are created from it.

    Raises:
        RestillError: It does not exist, is not a checkpoint, or contains other Python objects.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the file's format
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise RestillError(f"{path}: no such file") from error
    except Exception as error:  # a broken pickle fails in many ways
        unsafe = re.search(r"GLOBAL ([\w.]+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
        if unsafe is None:
            raise RestillError(f"{path}: cannot be read as a checkpoint (.pth, .pt, .ckpt, .safetensors)") from error
        raise RestillError(
            f"{path}: holds a Python object ({unsafe[1]}) besides its tensors, which could run code and is not loaded; "
            "ask for a file of the state dict alone"
        ) from error


def read_places(path: Path, key: str | None = None) -> list[Place]:
    """Find every place in a file where a network's weights may be, the best first.

    Args:
        path: The file.
        key: Return only places with this name or path.

    Raises:
        RestillError: There is no such place.
    """
    content = read_content(path)
    found = [place for names, weights in _dicts(content) for place in _prefixes(".".join(names), weights)]
    wanted = [place for place in found if key is None or key in (place.name, place.path)]
    if wanted:
        return sorted(wanted, key=lambda place: place.rank)
    keys = [str(name) for name in content] if isinstance(content, Mapping) else []
    where = "in it" if key is None else f"under '{key}'"
    listed = f"; choose with --key among its keys: {_some(keys)}" if keys else ""
    raise RestillError(f"{path}: there is no dict of tensors {where}{listed}")


def _some(names: list[str]) -> str:
    return ", ".join([*names[:SHOWN], "..."] if len(names) > SHOWN else names)


def _dicts(content: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Tensor]]]:
    """Yield the tensors of every dict in a file, with the keys that lead there."""
    if not isinstance(content, Mapping) or len(names) > DEEP:
        return
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if tensors:
        yield names, tensors
    for name, value in content.items():
        if isinstance(name, str):  # number keys belong to an optimizer's state
            yield from _dicts(value, (*names, name))


def _prefixes(path: str, weights: dict[str, Tensor]) -> Iterator[Place]:
    """Yield a dict of tensors whole, and once for each prefix of its names."""
    yield Place(path, "", weights)
    parts = {key: key.split(".") for key in weights}
    heads = {
        ".".join(some[:depth]) + "." for some in parts.values() for depth in range(1, min(DEEP, len(some) - 1) + 1)
    }
    for head in sorted(heads):
        inside = {key.removeprefix(head): value for key, value in weights.items() if key.startswith(head)}
        yield Place(path, head, inside, tuple(key for key in weights if not key.startswith(head)))
