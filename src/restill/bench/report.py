"""The results of a run: rows and notes, as text for a terminal, as Markdown and as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from restill.bench.cases import IN_MEMORY, Plan
from restill.bench.clip import SOURCES
from restill.bench.machine import Machine
from restill.bench.row import COLUMNS, Row, Times
from restill.evaluation.files import write_json, write_text
from restill.video import EncodeSettings
from restill.video.settings import CODECS

BY_A_SIGNAL = "it was stopped"  # why a run ended early
RATIOS = "Compare times only within this run, in which the rounds of all cases alternate and medians count."


@dataclass(frozen=True)
class Report:
    """A whole run.

    Attributes:
        machine: The machine.
        plan: The plan.
        rounds: Number of rounds done.
        against: The reference model, whose speed is 1.
        rows: The rows, in the order of the plan.
        peaks: GMAC/s of 3x3 convolutions of 256 channels by (backend, precision), for each round.
        left_out: A sentence for each case that could not be measured.
        stopped: Why the run ended early; empty if it did not.
    """

    machine: Machine
    plan: Plan
    rounds: int
    against: str
    rows: Sequence[Row]
    peaks: Mapping[tuple[str, str], Sequence[float]]
    left_out: Sequence[str] = ()
    stopped: str = ""

    def notes(self) -> list[str]:
        """The notes below the tables."""
        plan = self.plan
        threads = f"{plan.threads} thread" + "s" * (plan.threads != 1)
        rounds = f"{self.rounds} round" + "s" * (self.rounds != 1)
        early = f" of {plan.rounds}" if self.rounds < plan.rounds else ""
        peaks = ", ".join(
            f"{backend} {precision} {median(values):.0f}" for (backend, precision), values in self.peaks.items()
        )
        notes = [
            f"Machine: {self.machine}.",
            f"Measured: {threads} for the network, {plan.frames} frames per pass, {rounds}{early}.{_in_memory(plan)}",
            f"Peak of 3x3 convolutions of 256 channels, GMAC/s: {peaks}.",
            RATIOS,
        ]
        if self.stopped:
            cases = f"{len(self.rows)} of {len(plan.cases)} cases"
            notes.append(f"The run ended early, because {self.stopped}: it has {cases}.")
        if any(row.busy for row in self.rows):
            notes.append("* Other programs kept the machine busy during this row: its times and ratios are unreliable.")
        if any((row.of_peak or 0) > 1 for row in self.rows):
            notes.append("! More than 100 % of the peak: the machine was slower while the peak was measured.")
        if self.machine.busy:
            notes.append(f"Other programs ran on this machine (load {self.machine.load:.1f}): use ratios, not times.")
        notes.append(f"Aligner: {plan.aligner}.")
        if plan.file:
            notes.append(
                f"Files: H.264 in, {_encoding()} out. Stages were measured one by one; from file to file they overlap."
            )
            for name in dict.fromkeys(case.source for case in plan.cases):
                options = ", ".join(f"{option} {value}" for option, value in SOURCES[name].items())
                notes.append(f"Source {name}: libx264, {options}.")
        if plan.transcode:
            notes.append(
                f"x transcode: time from file to file over that of decoding and encoding ({_encoding()}) alone."
            )
        if untrained := [name for name, file in {c.model: c.untrained for c in plan.cases}.items() if file]:
            notes.append(f"Random weights, used only to measure speed: {', '.join(untrained)}.")
        return [*notes, *(f"Left out: {sentence}." for sentence in self.left_out)]

    def tables(self) -> list[list[list[str]]]:
        """Two tables, speed and stages: each has a header and rows of text."""
        labels = ["model", "size", *(["source"] if self.plan.file else []), "backend"]
        speed = [[*labels, "network ms", "fps", "stream ms", "fps", "file ms", "fps"]]
        speed[0] += ["transcode ms", "fps", "x transcode"] if self.plan.transcode else []
        speed[0] += ["of peak", f"net x {self.against}", f"x {self.against}"]
        stages = [[*labels, *(f"{name} ms" for name in COLUMNS), "sum", "align+pack x net"]]
        for row in self.rows:
            case = [row.case.model + "*" * row.busy, row.case.size_text, f"{row.case.backend} {row.case.precision}"]
            case[2:2] = [row.case.source] if self.plan.file else []
            times = [text for each in (row.network, row.stream, row.file) for text in _texts(each)]
            times += [*_texts(row.plain), _ratio(row.of_plain)] if self.plan.transcode else []
            peak = "" if row.of_peak is None else f"{100 * row.of_peak:.0f} %{'!' * (row.of_peak > 1)}"
            speed.append([*case, *times, peak, _ratio(row.network_ratio), _ratio(row.ratio)])
            columns = [row.column(name) for name in COLUMNS]
            total = sum(value or 0 for value in columns)
            shown = ["" if value is None else f"{value:.2f}" for value in columns]
            stages.append([*case, *shown, f"{total:.1f}", _ratio(row.around)])
        return [speed, stages]

    @property
    def _labels(self) -> int:
        """The number of columns that say which case a row is."""
        return 3 + self.plan.file

    def text(self) -> RenderableType:
        """The report for a terminal."""
        shown: list[RenderableType] = []
        for header, *rows in self.tables():
            table = Table(box=SIMPLE, pad_edge=False)
            for number, title in enumerate(header):
                table.add_column(title, justify="left" if number < self._labels else "right", no_wrap=True)
            for row in rows:
                table.add_row(*map(Text, row))
            shown.append(table)
        return Group(*shown, *map(Text, self.notes()))

    def markdown(self) -> str:
        """The report as Markdown: two tables and the notes."""
        parts = []
        for header, *rows in self.tables():
            rule = ["---"] * self._labels + ["---:"] * (len(header) - self._labels)
            parts.append("\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)))
        return "\n\n".join([*parts, "\n".join(f"- {note}" for note in self.notes())]) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        plan = self.plan
        return {
            "machine": asdict(self.machine),
            "threads": plan.threads,
            "frames": plan.frames,
            "rounds": self.rounds,
            "against": self.against,
            "peaks": [
                {
                    "backend": backend,
                    "precision": precision,
                    "gmacs_per_second": median(values),
                    "rounds_gmacs_per_second": list(values),
                }
                for (backend, precision), values in self.peaks.items()
            ],
            "stopped": self.stopped,
            "left_out": list(self.left_out),
            "rows": [row.as_dict() for row in self.rows],
        }


def write(report: Report, json_file: Path | None, markdown: Path | None) -> None:
    """Write the requested files.

    Raises:
        RestillError: A file cannot be written.
    """
    if json_file is not None:
        write_json(json_file, report.as_dict())
    if markdown is not None:
        write_text(markdown, report.markdown())


def _texts(times: Times | None) -> list[str]:
    return ["", ""] if times is None else [f"{times.ms:.1f}", f"{times.fps:.1f}"]


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _in_memory(plan: Plan) -> str:
    few = plan.file and plan.frames > IN_MEMORY
    return f" The stages and the stream are measured on the first {IN_MEMORY}." if few else ""


def _encoding() -> str:
    return f"h264 {EncodeSettings().preset} crf {CODECS['h264'].crf}"
