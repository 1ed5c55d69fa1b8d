"""Write SVG pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable


def svg(width: int, height: int, parts: Iterable[str]) -> str:
    """A white picture of width x height pixels; later parts cover earlier ones."""
    page = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    return "\n".join([*page, *parts, "</svg>"]) + "\n"


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """At most ``most`` round values between low and high, spaced by 1, 2 or 5 times a power of ten.

    >>> ticks(25.1, 28.7), ticks(100, 2000), ticks(0.9253, 0.9361)
    ([26.0, 27.0, 28.0], [500.0, 1000.0, 1500.0, 2000.0], [0.93, 0.935])
    """
    size = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(size * times for times in (1, 2, 5, 10) if (high - low) / (size * times) <= most)
    digits = max(0, -math.floor(math.log10(step)))
    return [round(number * step, digits) for number in range(math.ceil(low / step), math.floor(high / step) + 1)]
