"""The metadata, inputs and outputs of an ONNX file, read without a library that runs it.

A job reads them several times. ONNX Runtime would take longer to load than a short clip to restore, and OpenVINO does
not give the metadata. The field numbers are those of ``onnx.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from restill.errors import RestillError

MAX_BYTES = 1 << 30  # of a model's file
KINDS = {1: "float", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "double"}

Place = tuple[str, tuple[int | str | None, ...]]  # type and shape; a free length is a word or None


class Described(NamedTuple):
    """The metadata, inputs and outputs of an ONNX file.

    Attributes:
        texts: The metadata, by key.
        inputs: Types and shapes of the inputs, by name; a free length is a word or None.
        outputs: The same of the outputs.
    """

    texts: dict[str, str]
    inputs: dict[str, Place]
    outputs: dict[str, Place]


def describe(path: Path) -> Described:
    """Read the metadata, inputs and outputs of an ONNX file.

    Raises:
        RestillError: It is not an ONNX file, or it has more than :data:`MAX_BYTES` bytes.
    """
    if path.is_file() and path.stat().st_size > MAX_BYTES:
        raise RestillError(f"'{path}' has {path.stat().st_size:,} bytes; a model has at most {MAX_BYTES:,}")
    try:
        return _described(memoryview(path.read_bytes()))
    except (OSError, ValueError, LookupError) as error:
        raise not_a_model(path) from error


def not_a_model(path: Path) -> RestillError:
    """The error for a file that no backend can run."""
    return RestillError(f"'{path}' is not an ONNX file that can be run; use a file that 'restill export' wrote")


def _described(model: memoryview) -> Described:
    texts: dict[str, str] = {}
    places: dict[int, dict[str, Place]] = {11: {}, 12: {}}
    graph: memoryview | None = None
    for number, value in _fields(model):
        if number == 7:
            graph = _message(value)
        elif number == 14:
            entry = dict(_fields(_message(value)))
            texts[_text(entry[1])] = _text(entry.get(2, memoryview(b"")))
    if graph is None:
        raise ValueError("no graph")
    for number, value in _fields(graph):
        if number in places:
            place = dict(_fields(_message(value)))
            places[number][_text(place[1])] = _place(place[2])
    return Described(texts, places[11], places[12])


def _place(kind: int | memoryview | None) -> Place:
    """Type and shape of a tensor; () is an unknown shape."""
    tensor = dict(_fields(_message(dict(_fields(_message(kind)))[1])))
    lengths = [dict(_fields(_message(value))) for _, value in _fields(_message(tensor.get(2, memoryview(b""))))]
    shape = tuple(_text(length[2]) if 2 in length else length.get(1) for length in lengths)
    return f"tensor({KINDS.get(tensor.get(1), tensor.get(1))})", shape  # type: ignore[arg-type, return-value]


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a protobuf message in order: number, and the value, whose bytes are not copied.

    Raises:
        ValueError: It is not a message.
        IndexError: It ends too early.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == 2:
            length, at = _varint(message, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if number == 0 or at + length > len(message):
            raise ValueError("not a message")
        yield number, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A whole number of at most 64 bits, and the place after it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number is too long")


def _message(value: int | memoryview | None) -> memoryview:
    if not isinstance(value, memoryview):
        raise ValueError("not a message")
    return value


def _text(value: int | memoryview | None) -> str:
    return str(_message(value), "utf-8")
