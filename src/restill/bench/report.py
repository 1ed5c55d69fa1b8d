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

from restill.bench.cases import Case, Plan
from restill.bench.machine import Machine
from restill.evaluation.files import write_json, write_text
from restill.video import EncodeSettings
from restill.video.settings import CODECS

# The columns of the second table, with the stages of a clock that each sums up.
COLUMNS = {
    "decode": ("decode",),
    "convert": ("color", "pack"),
    "align": ("align",),
    "network": ("network",),
    "convert back": ("unpack", "color back"),
    "encode": ("encode",),
}
BY_A_SIGNAL = "it was stopped"  # why a run ended early
RATIOS = "Compare times only within this run, in which the rounds of all cases alternate and medians count."


@dataclass(frozen=True)
class Times:
    """Seconds per frame, one value for each round."""

    rounds: Sequence[float]

    @property
    def ms(self) -> float:
        """Milliseconds per frame, the median."""
        return median(self.rounds) * 1000

    @property
    def fps(self) -> float:
        """Frames per second, the median."""
        return 1 / median(self.rounds)


@dataclass(frozen=True)
class Row:
    """The measurements of one case.

    Attributes:
        case: The case.
        network: Times of the network alone.
        stream: Times of the stream, from frames in memory to frames in memory.
        file: Times from file to file, with reading, stream and writing at once; None if not measured.
        turns: Seconds per frame by stage, for each round.
        macs: Multiply-accumulates per frame.
        peaks: GMAC/s that convolutions reached on this backend and precision, for each round.
        ratios: Speed of the stream over that of the reference, for each round.
        network_ratios: The same for the network alone.
        busy: Whether other programs kept the machine busy during the measurement.
    """

    case: Case
    network: Times
    stream: Times
    file: Times | None
    turns: Sequence[dict[str, float]]
    macs: float
    peaks: Sequence[float]
    ratios: Sequence[float]
    network_ratios: Sequence[float]
    busy: bool = False

    @property
    def gmacs(self) -> float:
        """Speed of the network, 10^9 multiply-accumulates per second."""
        return self.macs * self.network.fps / 1e9

    @property
    def of_peak(self) -> float | None:
        """Speed of the network over that of the convolutions; None for a network without multiplications."""
        if not self.macs:
            return None
        rounds = zip(self.network.rounds, self.peaks, strict=False)  # a stopped round has one more peak
        return median(self.macs / seconds / 1e9 / peak for seconds, peak in rounds)

    @property
    def ratio(self) -> float | None:
        """Speed of the stream over that of the reference; None if the reference was not measured."""
        return median(self.ratios) if self.ratios else None

    @property
    def network_ratio(self) -> float | None:
        """The same for the network alone."""
        return median(self.network_ratios) if self.network_ratios else None

    @property
    def stages(self) -> dict[str, float]:
        """Milliseconds per frame by stage, medians."""
        return {stage: median(turn[stage] for turn in self.turns) * 1000 for stage in self.turns[0]}

    def column(self, name: str) -> float | None:
        """Milliseconds per frame of one of :data:`COLUMNS`; None if it was not measured."""
        found = [self.stages[stage] for stage in COLUMNS[name] if stage in self.stages]
        return sum(found) if found else None

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "model": self.case.model,
            "size": self.case.size_text,
            "backend": self.case.backend,
            "precision": self.case.precision,
            "network": _times(self.network),
            "stream": _times(self.stream),
            "file": None if self.file is None else _times(self.file),
            "stages_ms": self.stages,
            "macs": self.macs,
            "gmacs_per_second": self.gmacs,
            "of_peak": self.of_peak,
            "ratio": self.ratio,
            "network_ratio": self.network_ratio,
            "busy": self.busy,
        }


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
            f"Measured: {threads} for the network, {plan.frames} frames per pass, {rounds}{early}.",
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
        if plan.file:
            notes.append(
                f"Files: H.264 in, {_encoding()} out. Stages were measured one by one; from file to file they overlap."
            )
        if untrained := [name for name, file in {c.model: c.untrained for c in plan.cases}.items() if file]:
            notes.append(f"Random weights, used only to measure speed: {', '.join(untrained)}.")
        return [*notes, *(f"Left out: {sentence}." for sentence in self.left_out)]

    def tables(self) -> list[list[list[str]]]:
        """Two tables, speed and stages: each has a header and rows of text."""
        speed = [["model", "size", "backend", "network ms", "fps", "stream ms", "fps", "file ms", "fps"]]
        speed[0] += ["of peak", f"net x {self.against}", f"x {self.against}"]
        stages = [["model", "size", "backend", *(f"{name} ms" for name in COLUMNS), "sum"]]
        for row in self.rows:
            case = [row.case.model + "*" * row.busy, row.case.size_text, f"{row.case.backend} {row.case.precision}"]
            times = [text for each in (row.network, row.stream, row.file) for text in _texts(each)]
            peak = "" if row.of_peak is None else f"{100 * row.of_peak:.0f} %{'!' * (row.of_peak > 1)}"
            ratios = ["" if ratio is None else f"{ratio:.2f}" for ratio in (row.network_ratio, row.ratio)]
            speed.append([*case, *times, peak, *ratios])
            columns = [row.column(name) for name in COLUMNS]
            total = sum(value or 0 for value in columns)
            stages.append([*case, *("" if value is None else f"{value:.2f}" for value in columns), f"{total:.1f}"])
        return [speed, stages]

    def text(self) -> RenderableType:
        """The report for a terminal."""
        shown: list[RenderableType] = []
        for header, *rows in self.tables():
            table = Table(box=SIMPLE, pad_edge=False)
            for number, title in enumerate(header):
                table.add_column(title, justify="left" if number < 3 else "right", no_wrap=True)
            for row in rows:
                table.add_row(*map(Text, row))
            shown.append(table)
        return Group(*shown, *map(Text, self.notes()))

    def markdown(self) -> str:
        """The report as Markdown: two tables and the notes."""
        parts = []
        for header, *rows in self.tables():
            rule = ["---"] * 3 + ["---:"] * (len(header) - 3)
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


def _times(times: Times) -> dict[str, Any]:
    return {"ms": times.ms, "fps": times.fps, "rounds_ms": [1000 * seconds for seconds in times.rounds]}


def _texts(times: Times | None) -> list[str]:
    return ["", ""] if times is None else [f"{times.ms:.1f}", f"{times.fps:.1f}"]


def _encoding() -> str:
    return f"h264 {EncodeSettings().preset} crf {CODECS['h264'].crf}"
