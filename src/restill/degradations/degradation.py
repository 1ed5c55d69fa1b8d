"""The base of degradations: settings that are numbers or ranges to draw from, and their errors."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from restill.errors import RestillError

Range = tuple[float, float]  # lowest and highest; equal if nothing is drawn


def between(low: float, high: float, *, none: bool = False) -> BeforeValidator:
    """Validate a setting: a number, or two, ``[low, high]``, to draw from, within these bounds.

    Args:
        low: The lowest allowed value.
        high: The highest allowed value.
        none: Whether None is allowed.
    """

    def check(given: Any) -> Range | None:
        if none and given is None:
            return None
        if isinstance(given, str):  # from the command line
            with suppress(json.JSONDecodeError):
                given = json.loads(given)
        pair = list(given) if isinstance(given, list | tuple) else [given, given]
        numbers = [float(x) for x in pair if isinstance(x, int | float) and not isinstance(x, bool)]
        if len(numbers) != len(pair) or len(pair) != 2 or not low <= numbers[0] <= numbers[1] <= high:
            raise ValueError(f"should be a number from {low:g} to {high:g}, or two, [low, high], to draw one from")
        return numbers[0], numbers[1]

    return BeforeValidator(check)


class Degradation(BaseModel):
    """The base class of degradations of clean frames. Each kind is a subclass with its settings as fields.

    Attributes:
        name: The name in recipes and on the command line.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    name: ClassVar[str]

    @property
    def shrinks(self) -> int:
        """The size of a clean frame divided by that of the degraded one."""
        return 1

    @property
    def shift(self) -> int:
        """The position of the first degraded pixel in the clean frame, pixels right and down."""
        return 0

    @property
    def reach(self) -> int:
        """The distance in the clean frame that a degraded pixel depends on, pixels."""
        return 0

    @classmethod
    def make(cls, **values: Any) -> Self:
        """Like the constructor, but a wrong value raises a one-sentence :class:`RestillError`."""
        try:
            return cls(**values)
        except ValidationError as error:
            raise one_sentence(error, cls.name, cls.model_fields) from None

    def draw(self, rng: np.random.Generator) -> Self:
        """Return a copy with one number drawn from each range."""
        drawn = {
            field: (value, value)
            for field, given in self
            if isinstance(given, tuple) and given[0] < given[1]
            for value in [float(rng.uniform(*given))]
        }
        return self.model_copy(update=drawn)

    def apply(self, frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Degrade one frame of a clip, with settings from :meth:`draw`.

        Args:
            frame: (H, W, 3) RGB, uint8, uint16 (full 16-bit scale) or float in [0, 1].
            rng: The source of what differs between frames.

        Returns:
            (ceil(H / shrinks), ceil(W / shrinks), 3) of the frame's dtype; a new array.
        """
        raise NotImplementedError

    def frames(self, clean: Iterable[np.ndarray], rng: np.random.Generator) -> Iterable[np.ndarray]:
        """Degrade a clip frame by frame; a value is drawn from each range once."""
        drawn = self.draw(rng)
        return (drawn.apply(frame, rng) for frame in clean)


def peak(frame: np.ndarray) -> float:
    """The value of white: 255, 65535, or 1 for floats."""
    return float(np.iinfo(frame.dtype).max) if frame.dtype.kind == "u" else 1.0


def stored(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Convert values (H, W, 3) to the dtype of ``like``: clipped to its range, and rounded for integers."""
    values = np.clip(values, 0, peak(like))
    return (np.rint(values) if like.dtype.kind == "u" else values).astype(like.dtype)


def one_sentence(error: ValidationError, name: str, fields: Iterable[str]) -> RestillError:
    """Turn pydantic's error in a degradation's settings into one sentence.

    Args:
        error: The error from pydantic.
        name: The degradation's name.
        fields: The names of its settings.
    """
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return RestillError(f"{name} has no '{field}': choose from {', '.join(fields)}")
    message = first["msg"].removeprefix("Value error, ")
    if not field:
        return RestillError(f"{name}: {message}")
    return RestillError(f"{name}'s '{field}' cannot be {first['input']!r}: {message[0].lower()}{message[1:]}")
