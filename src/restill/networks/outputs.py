"""Finding the picture in a module's output: a tensor, a clip, or nested lists, tuples, dicts or dataclasses of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

from torch import Tensor

Picture = int | str  # one of several outputs: an index, a key, or both, such as "stages.0"
NAMES = ("picture", "image", "out", "output", "pred", "prediction", "clean", "restored", "result", "sr", "hq")


class Place(NamedTuple):
    """The place of a picture in an output: its key and, for a clip, the axis and the index on it."""

    key: str
    axis: int
    at: int


def leaves(output: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor of a nested output with its path: "" for a single tensor, "0", "out", "stages.0"."""
    if isinstance(output, Tensor):
        yield path, output
        return
    if isinstance(output, Mapping):
        parts = {str(key): value for key, value in output.items()}
    elif isinstance(output, tuple) and hasattr(output, "_fields"):
        parts = dict(zip(output._fields, output, strict=True))  # type: ignore[attr-defined]
    elif isinstance(output, Sequence) and not isinstance(output, str | bytes):
        parts = {str(index): value for index, value in enumerate(output)}
    elif is_dataclass(output) and not isinstance(output, type):
        parts = {field.name: getattr(output, field.name) for field in fields(output)}
    else:
        return
    for name, value in parts.items():
        yield from leaves(value, f"{path}.{name}" if path else name)


def find_key(picture: Picture, found: Mapping[str, Tensor]) -> str | None:
    """The path for a user's index or key. Negative indices count from the end; named outputs have indices too."""
    if not isinstance(picture, str):
        top = list(dict.fromkeys(key.split(".")[0] for key in found))
        if not -len(top) <= picture < len(top):
            return None
        picture = top[picture]
    return picture if picture in found else None


def as_picture(key: str, value: Tensor, window: Tensor) -> Place | None:
    """The place of the picture (B, C, s*H, s*W): the tensor, or the center frame of a clip; None if it is neither."""
    batch, _, channels, height, width = window.shape
    place = Place(key, 0, 0)
    if value.dim() == 5:
        axis = 1 if value.shape[2] == channels else 2  # (B, T, C, H, W), or (B, C, T, H, W)
        length = value.shape[axis]
        place = Place(key, axis, length // 2)
    picture = _cut(value, place)
    if not picture.is_floating_point() or picture.dim() != 4 or picture.shape[:2] != (batch, channels):
        return None
    scale = picture.shape[-1] // width
    return place if scale >= 1 and picture.shape[-2:] == (scale * height, scale * width) else None


def take(output: Any, place: Place) -> Tensor:
    """The picture at a place of an output."""
    return _cut(dict(leaves(output))[place.key], place)


def _cut(value: Tensor, place: Place) -> Tensor:
    return value.select(place.axis, place.at) if place.axis else value


def wanted(window: Tensor) -> str:
    """The shapes that a picture may have, for messages."""
    _, _, channels, height, width = window.shape
    return f"picture (B, {channels}, {height}, {width}), nor one a whole number of times as large"


def shape(value: Tensor, batch: int) -> str:
    """A tensor's shape for messages, with B for the batch."""
    if not value.dim():
        return "a single number"
    first = "B" if value.shape[0] == batch else str(value.shape[0])
    return f"({', '.join([first, *map(str, value.shape[1:])])})"
