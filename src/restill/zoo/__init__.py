"""The models that come with Restill: one folder each, with ``model.onnx`` and ``card.toml``. No torch."""

from __future__ import annotations

import os
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from restill.errors import RestillError

FOLDER = Path(__file__).parent
# The models that 'restill derain' uses: for clips, for clips with --fast, and for single pictures.
DEFAULTS = {"derain": "rill-m", "derain-fast": "rill-s", "derain-picture": "rill-p"}
EASY_NAMES = {"fast": "rill-s", "best": "rill-l", "permissive": "rill-m-permissive"}  # short names of models
ANY_USE = (
    "Apache-2.0",
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CC-BY-4.0",
)  # licenses that allow commercial use


class Score(BaseModel):
    """One measurement, with everything needed to repeat it.

    Attributes:
        model: The measured model: a name, or "input", "before", "after".
        dataset: The data set.
        clip: The clip of the data set, or "mean".
        protocol: A name of ``restill evaluate --protocol``. PSNR cannot be compared without it.
        psnr: In dB.
        ssim: In [0, 1].
        command: The command that repeats the measurement.
        machine: The machine.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    dataset: str
    clip: str
    protocol: str
    psnr: float
    ssim: float = Field(ge=-1, le=1)
    command: str
    machine: str


class Card(BaseModel):
    """The card of a model: ``[card]`` and ``[[scores]]`` of its ``card.toml``.

    Attributes:
        name: Its name, and the name of its folder.
        task: Its task, such as "derain".
        network: Its network, one of ``restill networks``.
        parameters: Number of weights.
        macs_per_pixel: Multiply-accumulates per pixel of an input frame, biases left out.
        frames_before: Frames of context before the center.
        frames_after: Frames of context after the center.
        align: The aligner it was trained with (:mod:`restill.alignment`), or "none".
        scale: Output size over input size.
        size_multiple: Height and width of a window are multiples of this.
        trained_on: Its training data.
        recipe: The recipe that trained it.
        licence: The license of its weights.
        description: A few sentences.
        safe_precisions: Precisions without a measurable loss of quality; ``--precision auto`` chooses among them.
        quantized: How ``model.int8.onnx`` was made, and how far it is from ``model.onnx``; empty if there is none.
        scores: The measurements.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    task: str
    network: str
    parameters: int
    macs_per_pixel: float
    frames_before: int
    frames_after: int
    align: Literal["none", "auto", "source", "search", "dis"]
    scale: int
    size_multiple: int
    trained_on: tuple[str, ...]
    recipe: str
    licence: str
    description: str
    safe_precisions: tuple[Literal["f32", "bf16", "int8"], ...] = ("f32",)
    quantized: str = ""
    scores: tuple[Score, ...] = ()

    @property
    def any_use(self) -> bool:
        """Whether its license allows commercial use, not only research."""
        return self.licence in ANY_USE

    @property
    def default_for(self) -> tuple[str, ...]:
        """The tasks of :data:`DEFAULTS` that use this model."""
        return tuple(task for task, name in DEFAULTS.items() if name == self.name)


class _CardFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    card: dict
    scores: list[dict] = []


def read_card(path: Path) -> Card:
    """Read one ``card.toml``.

    Raises:
        RestillError: The file cannot be read, is not TOML, or a field is missing, unknown or wrong.
    """
    try:
        with path.open("rb") as file:
            parts = _CardFile(**tomllib.load(file))
        return Card(**parts.card, scores=tuple(Score(**score) for score in parts.scores))
    except OSError as error:
        raise RestillError(f"the card '{path}' cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RestillError(f"the card '{path}' is not valid TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise RestillError(f"the card '{path}' has a wrong field '{field}': {first['msg']}") from error


def cards() -> list[Card]:
    """The cards of all models that come with Restill, by name; empty if there are none."""
    return [read_card(path) for path in sorted(FOLDER.glob("*/card.toml"))]


def card(name: str) -> Card:
    """The card of one model.

    Raises:
        RestillError: There is no such model.
    """
    known = _known(name)
    if known is None:
        raise _unknown(name)
    return read_card(FOLDER / known / "card.toml")


def find(model: str | os.PathLike[str]) -> Path:
    """The path of a model's ONNX file.

    Args:
        model: A name of the zoo, one of :data:`EASY_NAMES`, or a path that ends in ``.onnx`` or exists.

    Raises:
        RestillError: There is no such model, or no such file.
    """
    path = Path(model)
    if (known := _known(str(model))) is not None:
        return FOLDER / known / "model.onnx"
    if path.is_file():
        return path
    if path.suffix == ".onnx" or path.parent != Path():
        raise RestillError(
            f"the model file '{path}' does not exist; give the path of an .onnx file, or a name of 'restill models'"
        )
    raise _unknown(str(model))


def safe_precisions(model: str | os.PathLike[str]) -> tuple[str, ...]:
    """The safe precisions on a model's card; for a file without a card, only "f32"."""
    return card(str(model)).safe_precisions if _known(str(model)) is not None else ("f32",)


def default(task: str) -> str:
    """The name of the default model for a task.

    Raises:
        RestillError: There is no model for it.
    """
    name = DEFAULTS.get(task)
    if name is None or name not in _names():
        raise RestillError(f"Restill contains no model for the task '{task}'; give one with --model model.onnx")
    return name


def _names() -> list[str]:
    return sorted(path.parent.name for path in FOLDER.glob("*/card.toml"))


def _known(name: str) -> str | None:
    """The model of a name or a short name; None if there is none."""
    name = EASY_NAMES.get(name, name)
    return name if name in _names() else None


def _unknown(name: str) -> RestillError:
    names = _names()
    near = get_close_matches(name.lower(), [*names, *EASY_NAMES], n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return RestillError(
        f"model '{name}' is not known; the models are: {', '.join(names) or 'none yet'}; or give the path of an .onnx "
        f"file.{hint}"
    )
