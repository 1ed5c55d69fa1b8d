"""Write the folder of ``restill inspect``: PNGs, a page that opens offline, and a JSON file."""

from __future__ import annotations

import shutil
import tempfile
from html import escape
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from restill.errors import RestillError
from restill.evaluation.files import finite, write_json
from restill.evaluation.inspection.figures import FIGURES, Figure
from restill.html.page import page as build_page
from restill.html.page import section
from restill.html.parts import table, text
from restill.video.pictures import write_picture

LIST = "inspect.json"


def check_folder(folder: Path, overwrite: bool) -> None:
    """Check the output folder before the work starts.

    Raises:
        RestillError: If the folder is a file, or is not empty and ``overwrite`` is not set.
    """
    if folder.exists() and not folder.is_dir():
        raise RestillError(f"'{folder}' is a file; the output of inspect is a folder")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise RestillError(f"the folder '{folder}' is not empty; give another, or --overwrite")


def write_folder(folder: Path, about: dict[str, Any], figures: list[Figure]) -> Path:
    """Write all files. They get their names only when all are complete.

    Args:
        folder: Where to; made if it is not there. Pictures of an earlier run are removed.
        about: What :data:`LIST` says beside the pictures.
        figures: The pictures.

    Returns:
        The page.

    Raises:
        RestillError: If the folder cannot be written.
    """
    listed = [
        {"file": f.file, "title": FIGURES[f.name][0], "panels": f.panels, "scale": f.scale, "unit": f.unit}
        for f in figures
    ]
    shown = [{**view, **finite({"psnr": view["psnr"]})} if view["psnr"] else view for view in about["shown"]]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as name:
            partial = Path(name)
            for figure in figures:
                write_picture(partial / figure.file, figure.picture)
            (partial / "index.html").write_text(page(about, figures), encoding="utf-8")
            write_json(partial / LIST, {**about, "shown": shown, "pictures": listed})
            for figure in FIGURES:
                (folder / f"{figure}.png").unlink(missing_ok=True)
            for path in partial.iterdir():
                shutil.move(path, folder / path.name)
    except OSError as error:
        raise RestillError(f"'{folder}' cannot be written: {error.strerror}") from error
    return folder / "index.html"


def page(about: dict[str, Any], figures: list[Figure]) -> str:
    """The HTML page; it needs only files of its own folder."""
    region, scored = about["region"], about["clean"] is not None
    lead = (
        f"Frame {about['frame']} of {about['frames']} (the first is 0); row {about['row']} over time; enlarged: "
        f"{region['w']}x{region['h']} pixels at {region['x']},{region['y']}."
    )
    shown = Table()
    for heading in ("shown", "what it is", "feature looked at"):
        shown.add_column(heading)
    if scored:
        shown.add_column(f"{about['psnr']}, dB", justify="right")
    for view in about["shown"]:
        score = ["" if view["psnr"] is None else f"{view['psnr']:.2f}"] if scored else []
        shown.add_row(*map(Text, (view["label"], view["what"], view["feature"] or "", *score)))
    sections = [
        section(title, text(caption + _scale(figure)), f'<img alt="{escape(title)}" src="{figure.file}">')
        for figure in figures
        for title, caption in [FIGURES[figure.name]]
    ]
    return build_page(about["clip"], text(lead, "lead") + table(shown), sections)


def _scale(figure: Figure) -> str:
    if figure.scale is None:
        return ""
    low, high = figure.scale
    return (
        f" Scale: {low:.4g} to {high:.4g} ({figure.unit}); the end is the largest 99.5th percentile of the maps, and "
        "larger values have the last color."
    )
