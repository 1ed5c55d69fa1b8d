"""Evaluation results as tables for the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table
from rich.text import Text

from restill.evaluation.files import finite, write_json
from restill.evaluation.metrics.temporal import MEANING as TEMPORAL
from restill.evaluation.protocols import Protocol
from restill.evaluation.static_clips import MEANING as STATIC
from restill.evaluation.static_clips import static_table

SHOWN = 20  # clips shown in the terminal
DIGITS = {"psnr": 2, "ssim": 4, "tof": 3}
TEMPORAL_COLUMNS = {
    "warping_error": "warping error (1e-3)",
    "warping_error_clean": "of clean (1e-3)",
    "tof": "tOF (px)",
}


@dataclass
class Report:
    """The result of :func:`restill.evaluation.evaluate`.

    Attributes:
        model: The model that was scored.
        dataset: The data set.
        protocol: The protocol; it is printed with every number.
        clips: By clip name: ``psnr`` (dB), ``ssim``, ``frames`` (the number scored); also ``psnr_y`` and ``ssim_y``
            with a protocol of two colors; with ``temporal`` also the keys of
            :meth:`restill.evaluation.metrics.temporal.Consistency.result`.
        limit: If set, only this many frames from the start of each clip were used.
        temporal: Whether temporal consistency was measured.
        trained_on: Whether the model was trained on any of these pictures.
        kinds: By clip name, its kind of degradation, where the data set has several.
        static: By clip of a static camera, the result of :func:`restill.evaluation.static_clips.score_static`.
    """

    model: str
    dataset: str
    protocol: Protocol
    clips: dict[str, dict[str, float]]
    limit: int | None = None
    temporal: bool = False
    trained_on: bool = False
    kinds: dict[str, str] = field(default_factory=dict)
    static: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def mean(self) -> dict[str, float]:
        """The mean that the protocol asks for: over clips, or over all pictures."""
        return self._mean(list(self.clips))

    @property
    def by_kind(self) -> dict[str, dict[str, float]]:
        """The mean of the clips of each kind; empty if the data set has only one."""
        return {
            kind: self._mean([name for name in self.clips if self.kinds[name] == kind])
            for kind in sorted(set(self.kinds.values()))
        }

    def _mean(self, names: Sequence[str]) -> dict[str, float]:
        rows = [self.clips[name] for name in names]
        weights = None if self.protocol.mean == "clips" else [row["frames"] for row in rows]
        keys = [key for key in rows[0] if key != "frames"]
        return {key: float(np.average([row[key] for row in rows], weights=weights)) for key in keys}

    def __str__(self) -> str:
        """The heading: model, data, and every choice of the protocol."""
        only = "" if self.limit is None else f", of the first {self.limit} frames only"
        known = ", on pictures that the model was trained on" if self.trained_on else ""
        return f"{self.model} on {self.dataset}, protocol {self.protocol}{only}{known}"

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON. An infinite PSNR (equal pictures) becomes None."""
        return {
            "model": self.model,
            "dataset": self.dataset,
            "protocol": self.protocol.name,
            "protocol_choices": str(self.protocol),
            "limit": self.limit,
            "temporal": TEMPORAL if self.temporal else None,
            "trained_on": self.trained_on,
            "clips": {name: finite(row) for name, row in self.clips.items()},
            "by_kind": {kind: finite(row) for kind, row in self.by_kind.items()},
            "mean": finite(self.mean),
            "static": self.static,
        }

    def write_json(self, path: Path) -> None:
        """Write :meth:`as_dict` as JSON. The file gets its name only when it is complete.

        Raises:
            RestillError: If it cannot be written there.
        """
        write_json(path, self.as_dict())

    def table(self) -> Group:
        """The heading, a row per clip, their mean if there are several, then temporal consistency."""
        scores = self._table(self.protocol.metrics)
        parts: list[Text | Table] = [Text(str(self)), scores]
        if self.temporal:
            columns = [key for key in self.mean if key not in self.protocol.metrics]
            parts += [Text(TEMPORAL), self._table(columns)]
        if self.static:
            parts += [Text(STATIC), static_table(self.static)]
        return Group(*parts)

    def _table(self, columns: Sequence[str]) -> Table:
        result = Table(box=SIMPLE, pad_edge=False, collapse_padding=True)
        result.add_column("clip", no_wrap=True)
        for key in columns:
            result.add_column(_column(key, self.protocol), justify="right")
        result.add_column("frames", justify="right")
        # the JSON has all of them
        shown = list(self.clips.items())[: SHOWN if len(self.clips) > SHOWN + 1 else None]
        for name, row in shown:
            result.add_row(name, *(_number(key, row[key]) for key in columns), str(row["frames"]))
        if len(shown) < len(self.clips):
            result.add_row(f"... {len(self.clips) - len(shown):,} more", *("" for _ in columns), "")
        if self.kinds:
            result.add_section()
        for kind, row in self.by_kind.items():
            result.add_row(f"mean of {kind}", *(_number(key, row[key]) for key in columns), "")
        if len(self.clips) > 1:
            result.add_section()
            result.add_row(f"mean of {self.protocol.mean}", *(_number(key, self.mean[key]) for key in columns), "")
        return result


def _column(key: str, rule: Protocol) -> str:
    if key in TEMPORAL_COLUMNS:
        return TEMPORAL_COLUMNS[key]
    if key.startswith("profile_"):
        return f"profile {_column(key.removeprefix('profile_'), rule)}"
    metric, _, suffix = key.partition("_")
    color = suffix.upper() or rule.color.split(" and ")[0]
    return f"{metric.upper()} {color} (dB)" if metric == "psnr" else f"{metric.upper()} {color}"


def _number(key: str, value: float) -> str:
    if key.startswith("warping_error"):
        return f"{1000 * value:.4f}"
    key = key.removeprefix("profile_")
    return f"{value:.{DIGITS[key.partition('_')[0]]}f}"


def complexity_table(rows: list[dict[str, Any]], asked: tuple[int, int], counted: str, *, wide: bool = False) -> Group:
    """Format the rows of :func:`restill.networks.complexity.table`, grouped by task, in G (1e9) MACs.

    Args:
        rows: The counts.
        asked: The requested frame size, (H, W).
        counted: Which operations are counted, in words.
        wide: Whether to print the whole reference of a paper.
    """
    result = Table(box=SIMPLE, pad_edge=False, collapse_padding=True)
    result.add_column("network", no_wrap=True)
    result.add_column("from", no_wrap=True)
    for heading in ("frames", "parameters", "GMACs", "MAC/pixel"):
        result.add_column(heading, justify="right", no_wrap=True)
    for task in dict.fromkeys(row["task"] for row in rows):
        result.add_section()
        result.add_row(Text(task, style="bold"))
        for row in (row for row in rows if row["task"] == task):
            result.add_row(
                row["name"],
                row["paper"] if wide else row["paper"].partition(",")[0],
                str(row["frames"]),
                f"{row['parameters']:,}",
                f"{row['macs'] / 1e9:,.2f}",
                f"{row['macs_per_pixel']:,.0f}",
            )
    notes = [f"One input frame of {_size(asked)}. Counted: {counted}."]
    for size in dict.fromkeys(tuple(row["size"]) for row in rows if tuple(row["size"]) != asked):
        names = ", ".join(row["name"] for row in rows if tuple(row["size"]) == size)
        notes.append(f"Rounded up to {_size(size)}: {names}.")
    notes += [f"Not exported to ONNX: {row['name']}: {row['no_export']}." for row in rows if row["no_export"]]
    return Group(result, *notes)


def _size(height_width: Sequence[int]) -> str:
    return f"{height_width[1]}x{height_width[0]}"


def methods_table(rows: Sequence[dict[str, Any]], measured: str) -> Group:
    """Format the distillation methods with the cost of a training step.

    Args:
        rows: ``name``, ``paper``, ``needs``, ``step`` (a multiple of plain training's, or None).
        measured: How the cost was measured.
    """
    table = Table(box=SIMPLE)
    for title in ("method", "paper", "needs"):
        table.add_column(title, no_wrap=title == "method")
    table.add_column("step", justify="right")
    for row in rows:
        step = "-" if row["step"] is None else f"{row['step']:.1f}x"
        table.add_row(row["name"], row["paper"], row["needs"], step)
    return Group(table, Text(measured, style="dim"))
