"""Numbers as tables for people and as JSON for machines."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE
from rich.table import Table


def complexity_table(rows: list[dict[str, Any]], asked: tuple[int, int]) -> Table:
    """The rows of :func:`restill.evaluation.complexity.table`, in G (1e9) MACs.

    Args:
        rows: The counts.
        asked: (H, W) that they were asked for.
    """
    result = Table(
        title=f"Networks, one frame of {asked[1]}x{asked[0]}",
        caption="G: 1e9 multiply-accumulates. +bias: one more per output element, as the CSTD paper counts.",
        box=SIMPLE,
    )
    result.add_column("network", no_wrap=True)
    result.add_column("from")
    for heading in ("frames", "parameters", "MACs", "+bias", "MAC/pixel"):
        result.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        result.add_row(
            row["name"],
            row["paper"],
            str(row["frames"]),
            f"{row['parameters']:,}",
            f"{row['macs_conv'] / 1e9:.2f} G",
            f"{row['macs'] / 1e9:.2f} G",
            f"{row['macs_per_pixel']:,.0f}",
        )
    return result
