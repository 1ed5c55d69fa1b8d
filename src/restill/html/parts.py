"""The parts of a page: texts, tables, pictures, a slider between two pictures. Every text is escaped here."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from html import escape

import cv2
import numpy as np
from rich.table import Table
from rich.text import Text

WIDEST, MOST_BYTES = 1280, 280_000  # of a picture that need not be exact
QUALITY = 85  # of a WebP file, percent
LOSSLESS = 101


def text(words: object, kind: str = "") -> str:
    """A paragraph; its kind may be "lead" or "note"."""
    return f"<p{_class(kind)}>{escape(str(words))}</p>"


def code(words: str, kind: str = "") -> str:
    """Text as it was typed; of kind "command" its lines are wrapped."""
    return f'<pre{_class(kind)} tabindex="0">{escape(words)}</pre>'


def table(shown: Table) -> str:
    """A table as the terminal shows it. The first cell of a row names it."""
    columns = [
        (column.justify == "right", [_plain(column.header), *map(_plain, column.cells)]) for column in shown.columns
    ]

    def line(row: int, heading: bool) -> str:
        cells = []
        for number, (right, texts) in enumerate(columns):
            tag = "th" if heading or number == 0 else "td"
            scope = ' scope="col"' if heading else ' scope="row"' if number == 0 else ""
            cells.append(f"<{tag}{scope}{_class('right' if right else '')}>{escape(texts[row])}</{tag}>")
        last = not heading and shown.rows[row - 1].end_section
        return f"<tr{_class('last' if last else '')}>{''.join(cells)}</tr>"

    rows = "\n".join(line(row, False) for row in range(1, shown.row_count + 1))
    head, body = f"<thead>{line(0, True)}</thead>", f"<tbody>{rows}</tbody>"
    return f'<div class="wide" tabindex="0"><table>{head}\n{body}</table></div>'


def data_uri(picture: np.ndarray, *, exact: bool = False) -> str:
    """A picture as text: WebP in base64.

    Args:
        picture: (H, W, 3) RGB uint8.
        exact: Keep every pixel. Otherwise details of color are lost, and a picture that would take more than
            :data:`MOST_BYTES` or is wider than :data:`WIDEST` is made smaller.
    """
    picture = np.ascontiguousarray(picture[..., ::-1])
    if exact:
        return _uri(_webp(picture, LOSSLESS))
    scale = min(1.0, WIDEST / picture.shape[1])
    while len(data := _webp(_smaller(picture, scale), QUALITY)) > MOST_BYTES:
        scale *= 0.8
    return _uri(data)


def image(picture: np.ndarray, says: str, *, exact: bool = False) -> str:
    """A picture.

    Args:
        picture: (H, W, 3) RGB uint8.
        says: What a screen reader says.
        exact: As :func:`data_uri` takes it.
    """
    height, width = picture.shape[:2]
    return f'<img src="{data_uri(picture, exact=exact)}" alt="{escape(says)}" width="{width}" height="{height}">'


def pictures(shown: Mapping[str, np.ndarray], where: str, kind: str = "grid", *, exact: bool = True) -> str:
    """Pictures with their names: side by side ("grid"), or one under the other, as wide as the page ("strips").

    Args:
        shown: By name, (H, W, 3) RGB uint8.
        where: What a screen reader says after the name.
        kind: "grid" or "strips".
        exact: As :func:`data_uri` takes it.
    """
    figures = (
        f"<figure>{image(picture, f'{name}, {where}', exact=exact)}<figcaption>{escape(name)}</figcaption></figure>"
        for name, picture in shown.items()
    )
    kind += " three" * (len(shown) == 3)
    return f'<div class="{kind}">\n' + "\n".join(figures) + "\n</div>"


def slider(before: tuple[str, np.ndarray], after: Mapping[str, np.ndarray], where: str) -> str:
    """A picture over another, with a divider between them to drag or to move with the keys.

    Args:
        before: The name and the picture on the left, (H, W, 3) RGB uint8.
        after: Those on the right, of the same size. If there are several, the reader chooses one.
        where: What a screen reader says after a name.
    """
    name, left = before
    first = next(iter(after))
    rights = "".join(
        image(picture, f"{label}, {where}").replace("<img ", "<img hidden " if i else "<img ", 1)
        for i, (label, picture) in enumerate(after.items())
    )
    choices = "".join(
        f'<label><input type="radio" name="{escape(where)}" value="{i}" data-label="{escape(label)}"'
        f"{'' if i else ' checked'}>{escape(label)}</label>"
        for i, label in enumerate(after)
    )
    choice = f"<fieldset><legend>On the right:</legend>{choices}</fieldset>" if len(after) > 1 else ""
    return (
        f'<figure>{choice}<div class="slider" style="--shape: {left.shape[1]} / {left.shape[0]}">'
        f'{image(left, f"{name}, {where}")}<div class="after">{rights}</div>'
        f'<span class="tag left">{escape(name)}</span><span class="tag right">{escape(first)}</span>'
        f'<div role="slider" tabindex="0" aria-label="Divider: {escape(name)} on the left" '
        f'data-left="{escape(name)}" aria-valuemin="0" aria-valuemax="100" aria-valuenow="50"></div></div>'
        "<figcaption>Drag the divider, or use the arrow keys, Home and End.</figcaption></figure>"
    )


def side_by_side(parts: Iterable[str]) -> str:
    """Charts beside each other where there is space."""
    return '<div class="charts">' + "\n".join(parts) + "</div>"


def _smaller(picture: np.ndarray, scale: float) -> np.ndarray:
    if scale == 1:
        return picture
    height, width = (max(1, round(scale * side)) for side in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def _webp(picture: np.ndarray, quality: int) -> bytes:
    return cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes()


def _uri(data: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _plain(cell: object) -> str:
    """A cell of a table without its markup."""
    return cell.plain if isinstance(cell, Text) else Text.from_markup(str(cell)).plain
