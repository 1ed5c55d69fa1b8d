"""How much faster ``--jobs 2`` restores many clips than ``--jobs 1``, with one thread for each process.

    python benchmarks/processes.py [--model rill-s] [--clips 8] [--rounds 3]

One process decodes, restores and encodes on threads of its own, so it keeps more than one core busy: the number is
printed. Two processes gain nothing where that number is the number of cores. ``--threads 1`` is for the network alone.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from restill.bench.clip import rainy_clip, write_clip


def restoring(clips: list[Path], model: str, jobs: int, cores: set[int]) -> tuple[float, float]:
    """The seconds that restoring all clips on these cores takes, and the number of cores that it keeps busy."""

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    with tempfile.TemporaryDirectory() as folder:
        options = ["--model", model, "--jobs", str(jobs), "--threads", "1", "--quiet"]
        command = [sys.executable, "-m", "restill", "restore", *map(str, clips), "-o", folder, *options]
        began, before = time.perf_counter(), used()
        subprocess.run(command, check=True, capture_output=True, preexec_fn=lambda: os.sched_setaffinity(0, cores))  # noqa: S603
        seconds = time.perf_counter() - began
        return seconds, (used() - before) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="rill-s")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--frames", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    gains, pinned = [], []
    with tempfile.TemporaryDirectory() as folder:
        clips = [Path(folder) / f"{number}.mp4" for number in range(asked.clips)]
        for clip in clips:
            write_clip(clip, rainy_clip(360, 640, asked.frames))
        for _ in range(asked.rounds):
            one, busy = restoring(clips, asked.model, 1, set(cores))
            alone, _ = restoring(clips, asked.model, 1, set(cores[:1]))
            two, _ = restoring(clips, asked.model, 2, set(cores))
            gains.append(one / two)
            pinned.append(alone / two)
            print(f"one process {one:.1f} s on {busy:.2f} cores, on one core {alone:.1f} s; two processes {two:.1f} s")
    print(f"two processes are {statistics.median(gains):.2f} times as fast as one")
    print(f"and {statistics.median(pinned):.2f} times as fast as one process on one core")


if __name__ == "__main__":
    main()
