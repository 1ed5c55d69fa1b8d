"""The measurements of one case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from restill.bench.cases import Case

# The columns of the second table, with the stages of a clock that each sums up.
COLUMNS = {
    "decode": ("decode",),
    "convert": ("color", "pack"),
    "align": ("align",),
    "network": ("network",),
    "convert back": ("unpack", "color back"),
    "encode": ("encode",),
}


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
        plain: Times of a plain transcode of the same file; None if not measured.
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
    plain: Times | None = None

    @property
    def of_plain(self) -> float | None:
        """Time from file to file over that of a plain transcode; None if one of them was not measured."""
        if self.file is None or self.plain is None:
            return None
        return median(job / plain for job, plain in zip(self.file.rounds, self.plain.rounds, strict=True))

    @property
    def around(self) -> float:
        """Time of aligning and packing the frames over that of the network, in the stream."""
        return median((turn.get("align", 0) + turn["pack"]) / turn["network"] for turn in self.turns)

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
            "source": self.case.source if self.file else None,
            "backend": self.case.backend,
            "precision": self.case.precision,
            "network": _times(self.network),
            "stream": _times(self.stream),
            "file": None if self.file is None else _times(self.file),
            "transcode": None if self.plain is None else _times(self.plain),
            "of_transcode": self.of_plain,
            "stages_ms": self.stages,
            "align_and_pack_of_network": self.around,
            "macs": self.macs,
            "gmacs_per_second": self.gmacs,
            "of_peak": self.of_peak,
            "ratio": self.ratio,
            "network_ratio": self.network_ratio,
            "busy": self.busy,
        }


def _times(times: Times) -> dict[str, Any]:
    return {"ms": times.ms, "fps": times.fps, "rounds_ms": [1000 * seconds for seconds in times.rounds]}
