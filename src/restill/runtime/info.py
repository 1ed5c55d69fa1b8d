"""The description of a model inside its ONNX file, and the frame sizes that it takes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from restill.errors import RestillError
from restill.runtime.onnx_file import Described, describe

METADATA_KEY = "restill"


@dataclass(frozen=True)
class SizeRequirement:
    """What a network requires of the height and width of its frames.

    Attributes:
        multiple: Both must be multiples of this.
        only: (height, width) of the only frames that it takes, pixels; None if it takes any size.

    >>> SizeRequirement(4).padding(10, 12)
    (2, 0)
    >>> SizeRequirement(4).padded(10, 12)
    (12, 12)
    """

    multiple: int = 1
    only: tuple[int, int] | None = None

    def check(self, height: int, width: int, name: str) -> None:
        """Refuse frames that cannot be padded to a size that fits.

        Args:
            height: Of a frame, pixels.
            width: Of a frame, pixels.
            name: The model's, for the message.

        Raises:
            RestillError: The frame is larger than the only size that the network takes.
        """
        if self.only is not None and (height > self.only[0] or width > self.only[1]):
            raise RestillError(
                f"'{name}' takes frames of at most {self.only[1]}x{self.only[0]}, not {width}x{height}, because it "
                "was exported for one size"
            )

    def padding(self, height: int, width: int) -> tuple[int, int]:
        """Pixels to add at the lower and at the right edge."""
        if self.only is not None:
            return self.only[0] - height, self.only[1] - width
        return -height % self.multiple, -width % self.multiple

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """Height and width with the padding."""
        below, right = self.padding(height, width)
        return height + below, width + right


class ModelInfo(BaseModel):
    """The facts about a model that the runtime needs, stored as JSON in the ONNX file under :data:`METADATA_KEY`.

    Attributes:
        format: Version of this description.
        name: Name of the model.
        task: Its task, such as "derain".
        network: Its network, one of ``restill networks``.
        frames_before: Frames of context before the center.
        frames_after: Frames of context after the center.
        scale: Output size over input size.
        size_multiple: Height and width of a window must be multiples of this.
        size: (height, width) of the only frames that it takes, pixels; None if it takes any size.
        reach: Radius of the receptive field, pixels of the input; None if it may be the whole frame.
        align: The aligner with which it was trained, one of :data:`restill.alignment.ALIGNERS`; or "none", if the
            neighbors enter the network as they are.
        parameters: Number of weights.
        macs_per_pixel: Multiply-accumulates per pixel of an input frame, biases left out.
        precision: Precision of the weights in the file: "int8" if ``restill quantize`` wrote it.
        quantized_from: The start of the SHA-256 of the file that it was quantized from; empty if it was not.
        feed: The type of its input: "floats", "bytes" or "planes" (:mod:`restill.runtime.packing`); or "stacked": the
            planes of all frames on one axis, as VapourSynth gives them, which Restill does not run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    name: str
    task: str
    network: str
    frames_before: int = Field(ge=0, le=100)
    frames_after: int = Field(ge=0, le=100)
    scale: int = Field(ge=1, le=16)
    size_multiple: int = Field(ge=1, le=1024)
    size: tuple[int, int] | None = None
    reach: int | None = Field(None, ge=0)
    align: Literal["none", "dis", "search", "source", "auto"]
    parameters: int
    macs_per_pixel: float
    precision: Literal["f32", "int8"] = "f32"
    quantized_from: str = ""
    feed: Literal["floats", "bytes", "planes", "stacked"] = "floats"

    @property
    def frames(self) -> int:
        """Frames in a window."""
        return self.frames_before + 1 + self.frames_after

    @property
    def size_requirement(self) -> SizeRequirement:
        """The sizes that the network takes."""
        return SizeRequirement(self.size_multiple, self.size)

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after padding.

        Raises:
            RestillError: The network takes one size only, and the frame is larger.
        """
        self.size_requirement.check(height, width, self.name)
        return self.size_requirement.padded(height, width)


def quantized_file(path: Path) -> Path:
    """The path of the quantized file of a model: ``mine.int8.onnx`` beside ``mine.onnx``."""
    return path.with_name(f"{path.stem}.int8.onnx")


def in_precision(path: Path, info: ModelInfo, precision: str) -> Path:
    """The file of a model in a precision: the model's own, or the quantized one beside it.

    Raises:
        RestillError: There is no such file, or it was made from another version of the model.
    """
    if info.precision == "int8":
        if precision != "int8":
            raise RestillError(f"'{path}' is quantized: its precision is int8, not {precision}")
        return path
    if precision != "int8":
        return path
    quantized = quantized_file(path)
    if not quantized.is_file():
        raise RestillError(f"there is no '{quantized}' for the precision int8; 'restill quantize MODEL' writes one")
    if read_info(quantized).quantized_from != fingerprint(path):
        raise RestillError(f"'{quantized}' was made from another version of '{path}'; run 'restill quantize' again")
    return quantized


def fingerprint(path: Path) -> str:
    """The start of the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def read_info(path: Path) -> ModelInfo:
    """Read the description in an ONNX file.

    Raises:
        RestillError: It is not an ONNX file, it was not written by ``restill export``, or its description is wrong.
    """
    described = describe(path)
    written = described.texts.get(METADATA_KEY)
    if written is None:
        raise RestillError(
            f"'{path}' is an ONNX file without Restill's description; in Python, restill.export(module, 'mine.onnx', "
            "context=...) writes one from the PyTorch module, and 'restill export RUN -o mine.onnx' from a run"
        )
    try:
        info = ModelInfo.model_validate_json(written)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or METADATA_KEY
        raise RestillError(
            f"'{path}' holds a description that this version of Restill cannot read ('{field}': {first['msg']}); "
            "export it again"
        ) from error
    if info.feed == "stacked":
        raise RestillError(
            f"'{path}' was exported with the layout 'stacked', for VapourSynth; for use with Restill, export it "
            "without --layout"
        )
    _check_shapes(path, info, described)
    return info


def _check_shapes(path: Path, info: ModelInfo, described: Described) -> None:
    """Refuse a network whose inputs and outputs differ from its description."""
    luma = info.feed == "planes"
    planes = info.frames + 3 if luma else 3 * (info.frames + (info.frames > 1))
    fold: tuple[int | None, ...] = (1, info.size_multiple**2 + 2 if luma else 3 * info.size_multiple**2, None, None)
    wanted: dict[str, tuple[str, tuple[int | None, ...]]] = (
        {"window": ("tensor(float)", (1, info.frames, 3, None, None)), "clean": ("tensor(float)", (1, 3, None, None))}
        if info.feed == "floats"
        else {"window": ("tensor(uint8)", (1, planes, None, None)), "clean": ("tensor(uint8)", fold)}
    )
    found = {**described.inputs, **described.outputs}
    fits = found.keys() == wanted.keys() and all(
        found[name][0] == kind and _fits(found[name][1], shape) for name, (kind, shape) in wanted.items()
    )
    if not fits:
        raise RestillError(
            f"'{path}' takes {_signature(described.inputs)} and gives {_signature(described.outputs)}, which is not "
            f"what its description says ({info.frames} frames, {info.feed}); export it again"
        )


def _fits(found: tuple[int | str | None, ...], wanted: tuple[int | None, ...]) -> bool:
    """Whether a shape fits; a file may leave some lengths open, or all."""
    lengths = zip(found, wanted, strict=False)
    same = all(length is None or not isinstance(has, int) or has == length for has, length in lengths)
    return not found or (len(found) == len(wanted) and same)


def _signature(places: dict[str, tuple[str, tuple[int | str | None, ...]]]) -> str:
    return ", ".join(f"{name} {list(shape)} {kind}" for name, (kind, shape) in places.items()) or "nothing"
