"""How much faster ``--jobs 2`` restores many clips than ``--jobs 1``, with one thread for each process.

    python benchmarks/processes.py [--model rill-s] [--clips 8] [--rounds 3]

It also measures what two processes can gain at most on this machine: the same pure computation in one process and in
two at a time. Two logical cores that share one physical core give much less than twice the speed of one.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from restill.bench.clip import rainy_clip, write_clip

COMPUTE = """
import cv2, numpy as np
cv2.setNumThreads(1)
frame = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
for _ in range(300):
    cv2.GaussianBlur(frame, (0, 0), 3)
"""


def seconds(*commands: list[str]) -> float:
    """The time that commands take side by side."""
    began = time.perf_counter()
    for process in [subprocess.Popen(command, stderr=subprocess.DEVNULL) for command in commands]:  # noqa: S603
        if process.wait():
            raise SystemExit(f"{process.args} failed")
    return time.perf_counter() - began


def restoring(clips: list[Path], model: str, jobs: int) -> float:
    """The time that restoring all clips takes."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--model", model, "--jobs", str(jobs), "--threads", "1", "--quiet"]
        return seconds([sys.executable, "-m", "restill", "restore", *map(str, clips), "-o", folder, *options])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="rill-s")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--frames", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    compute = [sys.executable, "-c", COMPUTE]
    gains, limits = [], []
    with tempfile.TemporaryDirectory() as folder:
        clips = [Path(folder) / f"{number}.mp4" for number in range(asked.clips)]
        for clip in clips:
            write_clip(clip, rainy_clip(360, 640, asked.frames))
        for _ in range(asked.rounds):
            one, two = (restoring(clips, asked.model, jobs) for jobs in (1, 2))
            gains.append(one / two)
            limits.append(2 * seconds(compute) / seconds(compute, compute))
            print(f"one process {one:.1f} s, two {two:.1f} s: {gains[-1]:.2f} times; computing: {limits[-1]:.2f} times")
    print(f"median: {statistics.median(gains):.2f} times; computing: {statistics.median(limits):.2f} times")


if __name__ == "__main__":
    main()
