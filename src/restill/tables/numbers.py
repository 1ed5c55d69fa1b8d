"""How the numbers of a table are printed: names of metrics, units and decimals."""

from __future__ import annotations

from restill.evaluation.report import TEMPORAL_COLUMNS
from restill.tables.table import Row, Table

LEAST_DIGITS = {"psnr": 2, "ssim": 3, "niqe": 4, "gmacs": 2, "parameters": 3, "frames": 0, "seconds": 4, "tof": 3}
LEAST_DIGITS |= dict.fromkeys(("warping_error", "warping_error_clean"), 4)
NAMES = {
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "niqe": "NIQE",
    "gmacs": "GMACs",
    "parameters": "parameters (M)",
    "frames": "frames",
    "seconds": "seconds",
    **TEMPORAL_COLUMNS,
}
UNITS = {
    "parameters": 1e6,
    "warping_error": 1e-3,
    "warping_error_clean": 1e-3,
}  # the unit of a printed number, if not 1


def digits_of(table: Table, metric: str) -> int:
    """The decimals of a metric: as many as the paper's most precise number has."""
    has_paper = any(row.paper for row in table.rows)
    least = 4 if metric == "ssim" and not has_paper else LEAST_DIGITS.get(metric, 2)
    numbers = [n for row in table.rows for n in table.numbers(row, metric) if n is not None]
    if metric == "parameters":
        return least
    return max([least, *(len(repr(n).partition(".")[2]) for n in numbers if not float(n).is_integer())])


def number_text(table: Table, metric: str, number: float) -> str:
    """A number in the unit and with the decimals of its metric."""
    return f"{number / UNITS.get(metric, 1):.{digits_of(table, metric)}f}"


def paper_text(table: Table, row: Row, metric: str, column: int) -> str:
    """The paper's number in a cell; "-" if the paper has none."""
    number = table.of(row, metric, column)
    if number is None:
        return "-"
    if metric == "parameters":
        return f"{number / UNITS[metric]:g}"  # the paper's own digits
    return f"{number:g}" if metric == "gmacs" else number_text(table, metric, number)
