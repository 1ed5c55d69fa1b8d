"""Make degraded frames from clean ones. Does not import PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from restill.errors import RestillError
from restill.registry import look_up

if TYPE_CHECKING:
    from restill.degradations.degradation import Degradation

# rain is separate: see restill.degradations.rain
DEGRADATIONS = {
    "noise": "restill.degradations.noise:Noise",
    "blur": "restill.degradations.blur:Blur",
    "downsample": "restill.degradations.downsample:Downsample",
}


def make_degradation(name: str, **settings: Any) -> Degradation:
    """Make a degradation from its name and settings: numbers, or ranges to draw from.

    Args:
        name: One of :data:`DEGRADATIONS`.
        settings: Fields of the degradation's class.

    Raises:
        RestillError: For an unknown name, an unknown setting or a value out of range.

    Example:
        >>> make_degradation("noise", sigma=[5, 50])
        Noise(sigma=(5.0, 50.0), photons=None)
    """
    return look_up(DEGRADATIONS, "degradation", name).make(**settings)


def read_degradation(given: str | Mapping[str, Any]) -> Degradation | None:
    """Read a recipe's ``data.degradation``: a name, or a mapping with ``name`` and settings. "rain" gives None.

    Raises:
        RestillError: If it is neither, or a setting is wrong.
    """
    settings = {"name": given} if isinstance(given, str) else dict(given)
    name = settings.pop("name", None)
    if name == "rain":
        if settings:
            raise RestillError("write the settings of rain in data.rain")
        return None
    if name is None:
        raise RestillError(f"needs a 'name': rain, {', '.join(DEGRADATIONS)}")
    return make_degradation(name, **settings)


def degrade_frames(frames: Iterable[np.ndarray], kind: Degradation, seed: int = 0) -> Iterator[np.ndarray]:
    """Degrade a stream of frames (H, W, 3) of one size; a value is drawn from each range once per stream.

    Args:
        frames: uint8, uint16 or float in [0, 1].
        kind: From :func:`make_degradation`.
        seed: The same seed gives the same result.
    """
    yield from kind.frames(frames, np.random.default_rng(seed))


def parse_values(items: Iterable[str]) -> dict[str, Any]:
    """Parse settings of rain or another degradation, such as ``wind=3``, ``compression=none`` or ``sigma=[5,50]``.

    Raises:
        RestillError: If a word has no equals sign. The class of the settings checks names and values.
    """
    values: dict[str, Any] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals:
            raise RestillError(f"'{item}' is not a setting: write NAME=VALUE, such as sigma=25")
        values[name.strip()] = None if value.strip().lower() == "none" else value.strip()
    return values
