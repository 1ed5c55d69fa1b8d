"""The measurements of one case in one round."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from restill.bench.cases import IN_MEMORY, Case, Plan
from restill.bench.plain import plain_transcode
from restill.clock import Clock
from restill.planes import Frame
from restill.restoring.api import restore
from restill.runtime import Model, stream
from restill.runtime.model import example
from restill.video import EncodeSettings
from restill.video.decode import FrameInfo, VideoSource, open_source
from restill.video.sinks import open_sink


@dataclass
class Turns:
    """The times of one case, an entry for each round; seconds per frame."""

    network: list[float] = field(default_factory=list)
    stream: list[float] = field(default_factory=list)
    file: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    stages: list[dict[str, float]] = field(default_factory=list)
    busy: bool = False  # other programs kept the machine busy in one of them

    def add(self, other: Turns, *, busy: bool) -> None:
        """Add the times of another round."""
        self.network += other.network
        self.stream += other.stream
        self.file += other.file
        self.plain += other.plain
        self.stages += other.stages
        self.busy |= busy


def measure_stream(turns: Turns, plan: Plan, model: Model, frames: Sequence[np.ndarray]) -> None:
    """Measure the network and the stream, with no files."""
    clock = Clock()
    turns.network.append(time_network(model, frames[0].shape[:2], len(frames)))
    seconds, _ = time_stream(model, frames, plan.aligner, clock, keep=False)
    turns.stream.append(seconds)
    turns.stages.append({stage: total / len(frames) for stage, total in clock.seconds.items()})


def measure_file(turns: Turns, case: Case, plan: Plan, model: Model, folder: Path) -> None:
    """Measure everything: the stages and the stream on the first frames of the file, file to file on all of them."""
    source, target, clock = source_file(folder, case), folder / "out.mp4", Clock()
    frames, infos = read(source, clock, min(plan.frames, IN_MEMORY), model)
    turns.network.append(time_network(model, frames[0].shape[:2], len(frames)))
    seconds, restored = time_stream(model, frames, plan.aligner, clock, keep=True)
    turns.stream.append(seconds)
    write(source, target, restored, infos, clock)
    turns.stages.append({stage: total / len(frames) for stage, total in clock.seconds.items()})
    del frames, restored
    how = {"backend": case.backend, "precision": case.precision, "threads": plan.threads, "aligner": plan.aligner}
    done = restore(source, target, case.file, settings=EncodeSettings(), overwrite=True, quiet=True, **how)
    turns.file.append(done.seconds / done.frames)
    if plan.transcode:
        turns.plain.append(plain_transcode(source, target, EncodeSettings()))


def source_file(folder: Path, case: Case) -> Path:
    """The file that a case restores."""
    return folder / f"{case.size_text}-{case.source}.mp4"


def time_network(model: Model, size: Sequence[int], runs: int) -> float:
    """Measure the network on one packed window of noise.

    Args:
        model: A loaded model.
        size: (height, width) of a frame; rounded up to the network's multiple here.
        runs: Number of runs, after one that does not count.

    Returns:
        Seconds per run.
    """
    height, width = model.info.padded(size[0], size[1])
    network, window = model.at(height, width)[1], example(model.path, height, width)
    network(window)
    began = time.perf_counter()
    for _ in range(runs):
        network(window)
    return (time.perf_counter() - began) / runs


def time_stream(
    model: Model, frames: Sequence[Any], aligner: str, clock: Clock, *, keep: bool
) -> tuple[float, list[Frame]]:
    """Measure the restoration of frames (H, W, 3), or of planes, in memory.

    Returns:
        Seconds per frame, and the restored frames if ``keep`` is true.
    """
    restored = []
    began = time.perf_counter()
    for clean in stream(model, frames, aligner=aligner, clock=clock):
        if keep:
            restored.append(clean)
    return (time.perf_counter() - began) / len(frames), restored


def read(path: Path, clock: Clock, count: int, model: Model) -> tuple[list[Frame], list[FrameInfo]]:
    """Read the first frames of a file into memory as a job does for a model, with their :class:`FrameInfo`."""
    with closing(VideoSource(path)) as source:
        planes = source.has_planes and model.takes_planes(source.info.height, source.info.width)
        pairs = list(islice(source.frames(clock=clock, planes=planes), count))
    return [frame for frame, _ in pairs], [info for _, info in pairs]


def write(source_path: Path, target: Path, frames: Iterable[Any], infos: Iterable[FrameInfo], clock: Clock) -> None:
    """Write restored frames with the default settings of ``restill derain``."""
    with closing(open_source(source_path)) as source:
        sink = open_sink(target, source, EncodeSettings(), clock=clock)
        try:
            for frame, info in zip(frames, infos, strict=True):
                sink.write(frame, info)
            sink.close()
        except BaseException:
            sink.abandon()
            raise
