"""A picture of lines of SVG, written by hand."""

from __future__ import annotations

from collections.abc import Iterable


def svg(width: int, height: int, parts: Iterable[str]) -> str:
    """A white page of width x height pixels with the parts on it, later ones over earlier ones."""
    page = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    return "\n".join([*page, *parts, "</svg>"]) + "\n"
