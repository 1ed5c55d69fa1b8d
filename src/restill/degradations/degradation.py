"""What degradations share: settings that are numbers or ranges to draw from, and how errors in them are told."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from restill.errors import RestillError

Range = tuple[float, float]  # lowest and highest; equal where there is nothing to draw


def between(low: float, high: float, *, none: bool = False) -> BeforeValidator:
    """What a setting accepts: a number, or two, ``[low, high]``, to draw from; all within these bounds.

    Args:
        low: The least that makes sense.
        high: The most.
        none: Whether there may be none at all.
    """

    def check(given: Any) -> Range | None:
        if none and given is None:
            return None
        if isinstance(given, str):  # of a command line
            with suppress(json.JSONDecodeError):
                given = json.loads(given)
        pair = list(given) if isinstance(given, list | tuple) else [given, given]
        numbers = [float(x) for x in pair if isinstance(x, int | float) and not isinstance(x, bool)]
        if len(numbers) != len(pair) or len(pair) != 2 or not low <= numbers[0] <= numbers[1] <= high:
            raise ValueError(f"should be a number from {low:g} to {high:g}, or two, [low, high], to draw one from")
        return numbers[0], numbers[1]

    return BeforeValidator(check)


class Degradation(BaseModel):
    """What is done to clean frames. Each kind is a subclass, and its settings are the fields.

    Attributes:
        name: What recipes and the command line call it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    name: ClassVar[str]

    @property
    def shrinks(self) -> int:
        """Size of a clean frame over that of the degraded one."""
        return 1

    @property
    def shift(self) -> int:
        """Where the first degraded pixel lies in the clean frame, pixels right and down."""
        return 0

    @property
    def reach(self) -> int:
        """How far around it, in pixels of the clean frame, a pixel can be told by."""
        return 0

    @classmethod
    def make(cls, **values: Any) -> Self:
        """As the constructor, but a wrong value is a :class:`RestillError` of one sentence."""
        try:
            return cls(**values)
        except ValidationError as error:
            raise one_sentence(error, cls.name, cls.model_fields) from None

    def draw(self, rng: np.random.Generator) -> Self:
        """The same with one number drawn from each range."""
        drawn = {
            field: (value, value)
            for field, given in self
            if isinstance(given, tuple) and given[0] < given[1]
            for value in [float(rng.uniform(*given))]
        }
        return self.model_copy(update=drawn)

    def apply(self, frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One frame of a clip, by the settings of :meth:`draw`.

        Args:
            frame: (H, W, 3) RGB, uint8, uint16 (full 16-bit scale) or float in [0, 1].
            rng: For what differs from frame to frame.

        Returns:
            (ceil(H / shrinks), ceil(W / shrinks), 3) of the frame's dtype; a new array.
        """
        raise NotImplementedError

    def frames(self, clean: Iterable[np.ndarray], rng: np.random.Generator) -> Iterable[np.ndarray]:
        """A clip, frame by frame: ranges are drawn from once."""
        drawn = self.draw(rng)
        return (drawn.apply(frame, rng) for frame in clean)


def peak(frame: np.ndarray) -> float:
    """The value of white: 255, 65535, or 1 for floats."""
    return float(np.iinfo(frame.dtype).max) if frame.dtype.kind == "u" else 1.0


def stored(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Values (H, W, 3) as a frame of another's dtype: clipped to its range, and rounded where that is of integers."""
    values = np.clip(values, 0, peak(like))
    return (np.rint(values) if like.dtype.kind == "u" else values).astype(like.dtype)


def one_sentence(error: ValidationError, name: str, fields: Iterable[str]) -> RestillError:
    """What is wrong with a degradation's settings.

    Args:
        error: Of pydantic.
        name: Of the degradation.
        fields: Its settings.
    """
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return RestillError(f"{name} has no '{field}': choose from {', '.join(fields)}")
    message = first["msg"].removeprefix("Value error, ")
    if not field:
        return RestillError(f"{name}: {message}")
    return RestillError(f"{name}'s '{field}' cannot be {first['input']!r}: {message[0].lower()}{message[1:]}")
