"""The long fault harness: python tests/faults/harness.py [--kills 50] [--markdown FILE]; `make faults` runs it.

A clip of several segments is restored by real processes that are killed at random points, again and again, until the
job is done; its frames must be those of a run that nothing happened to. Then the cost of the journal: a run with it
against one without, in turns.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from processes import content, ended, killed, lasts, long_clip, traces

from restill.restore import restore
from restill.runtime import load_model

SETTINGS = ["--model", "rill-s", "--backend", "onnxruntime", "--threads", "1", "--quiet"]


@dataclass
class Kills:
    """What came of killing.

    Attributes:
        tried: Processes that were killed while they worked.
        jobs: Jobs that were done in spite of it.
        different: Of those, outputs that are not those of an uninterrupted run.
        left: Files or folders that a job left behind when it was done.
        early: Times at which something lay under the output's name that was not whole.
    """

    tried: int = 0
    jobs: int = 0
    different: int = 0
    left: int = 0
    early: int = 0


def kill_jobs(folder: Path, count: int) -> Kills:
    """Kill processes of one job after another, until so many were killed."""
    found, rng = Kills(), random.Random(1)  # noqa: S311
    clip = long_clip(folder / "in.mkv", frames=1000)
    whole = folder / "whole.mkv"
    seconds = lasts(["derain", str(clip), "-o", str(whole), *SETTINGS])
    expected = content(whole)
    while found.tried < count:
        output = folder / f"out{found.jobs}.mkv"
        command = ["derain", str(clip), "-o", str(output), *SETTINGS]
        while found.tried < count and not output.exists():
            if killed(command, rng.uniform(0.2, 1.1) * seconds) is not None:
                found.tried += 1
                if output.exists() and content(output) != expected:
                    found.early += 1
        if not output.exists():
            done = ended(command)
            assert done.returncode == 0, done.stderr
        found.jobs += 1
        found.different += content(output) != expected
        found.left += len(traces(folder))
        output.unlink()
        print(f"{found.tried} processes killed, {found.jobs} jobs done, {found.different} different", flush=True)
    return found


def cost(folder: Path, rounds: int) -> tuple[float, float]:
    """Time of a run with a journal over one without: the median of rounds, and how far the rounds lie apart."""
    clip = long_clip(folder / "cost.mkv", frames=900, width=320, height=240)
    model = load_model("rill-s", threads=1)
    ratios = []
    for _ in range(rounds):
        began = time.perf_counter()
        restore(clip, folder / "plain.mkv", model, overwrite=True, quiet=True)  # a loaded model takes no journal
        between = time.perf_counter()
        restore(clip, folder / "kept.mkv", "rill-s", backend="onnxruntime", threads=1, overwrite=True, quiet=True)
        ratios.append((time.perf_counter() - between) / (between - began))
    return statistics.median(ratios), max(ratios) - min(ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = kill_jobs(Path(name), options.kills)
        ratio, spread = cost(Path(name), options.rounds)
    lines = [
        "| what | number |",
        "|---|---|",
        f"| processes killed (SIGKILL) at random points of a job of five segments | {found.tried} |",
        f"| jobs that the same command brought to their end | {found.jobs} |",
        f"| outputs whose frames, times or sound differ from an uninterrupted run's | {found.different} |",
        f"| times that something unfinished lay under the output's name | {found.early} |",
        f"| files left behind | {found.left} |",
        f"| time with journal and segments over time without, median of {options.rounds} rounds | {ratio:.3f} |",
        f"| largest difference between two rounds | {spread:.3f} |",
    ]
    print("\n".join(lines))
    if options.markdown:
        options.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if found.different or found.early or found.left:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
