"""The long fault tests: python tests/faults/harness.py [--kills 50] [--mutants 1000] [--markdown FILE]

`make faults` runs this file.

1. Real processes restore a clip of several segments and are killed at random points until the job is done. The frames
   must be those of an uninterrupted run.
2. Files that are cut off or have changed bytes are restored with `--untrusted`.
3. Runs with and without a journal alternate, to measure the cost of the journal.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mutants import mutants, originals
from processes import content, ended, killed, lasts, long_clip, traces

from restill import restore
from restill.errors import RestillError
from restill.restoring import sandbox
from restill.restoring.request import Request
from restill.restoring.run import run
from restill.runtime import load_model
from restill.video import Limits
from restill.video.journal import journal_folder

SETTINGS = ["--model", "rill-s", "--backend", "onnxruntime", "--threads", "1", "--quiet"]


@dataclass
class Kills:
    """Results of the killed jobs.

    Attributes:
        tried: Processes that were killed while they worked.
        jobs: Jobs that finished anyway.
        different: Finished outputs that differ from an uninterrupted run's.
        left: Files or folders that finished jobs left behind.
        early: How often an incomplete file had the output's name.
    """

    tried: int = 0
    jobs: int = 0
    different: int = 0
    left: int = 0
    early: int = 0


def kill_jobs(folder: Path, count: int) -> Kills:
    """Kills processes of one job after another, until ``count`` were killed."""
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
    """Time of a run with a journal over the time without: the median and the range over the rounds."""
    clip = long_clip(folder / "cost.mkv", frames=900, width=320, height=240)
    ratios = []
    for _ in range(rounds):
        began = time.perf_counter()
        model = load_model("rill-s", threads=1)  # with a loaded model, there is no journal
        restore(clip, folder / "plain.mkv", model, overwrite=True, quiet=True)
        between = time.perf_counter()
        restore(clip, folder / "kept.mkv", "rill-s", backend="onnxruntime", threads=1, overwrite=True, quiet=True)
        ratios.append((time.perf_counter() - between) / (between - began))
    return statistics.median(ratios), max(ratios) - min(ratios)


@dataclass
class Mutants:
    """Results of the damaged files.

    Attributes:
        tried: How many files.
        refused: Files that Restill refused in one sentence.
        restored: Files that gave an output.
        crashed: Files whose reading process crashed; the error was one sentence.
        hung: Files that were stopped after 30 seconds.
        wrong: Outputs that cannot be read to the end or have another length than reported.
        slowest: Seconds for the slowest file.
    """

    tried: int = 0
    refused: int = 0
    restored: int = 0
    crashed: int = 0
    hung: int = 0
    wrong: int = 0
    slowest: float = 0.0


def restore_mutants(folder: Path, flipped: int, every: int = 1) -> Mutants:
    """Restores every ``every``-th mutant as an untrusted file, as many at a time as there are cores."""
    found, whole = Mutants(), originals(folder)
    some = [mutant for number, mutant in enumerate(mutants(whole, flipped)) if number % every == 0]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for said, wrong, seconds in pool.map(lambda mutant: restore_mutant(folder, *mutant), some):
            found.tried += 1
            found.restored += not said
            found.crashed += "crashed the process" in said
            found.hung += "no frame was decoded" in said
            found.refused += bool(said) and "crashed the process" not in said and "no frame was decoded" not in said
            found.wrong += wrong
            found.slowest = max(found.slowest, seconds)
            if found.tried % 50 == 0:
                print(found, flush=True)
    return found


def restore_mutant(folder: Path, name: str, data: bytes) -> tuple[str, bool, float]:
    """Returns the error message or "", whether the output is wrong, and the seconds."""
    src, out, said, wrong = folder / name, folder / f"out-{name}.mkv", "", False
    src.write_bytes(data)
    began = time.monotonic()
    try:
        request = Request(
            src, out, "min-median", limits=Limits(frames=10_000), backend="onnxruntime", threads=1, quiet=True
        )
        done = sandbox.run(run, request, patience=30.0)
        wrong = len(content(out).times) != done.frames
    except RestillError as error:
        said, wrong = str(error), out.exists()
    seconds = time.monotonic() - began
    for path in (src, out):
        path.unlink(missing_ok=True)
    shutil.rmtree(journal_folder(out), ignore_errors=True)
    return said, wrong, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mutants", type=int, default=1000)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = kill_jobs(Path(name), options.kills)
        files = restore_mutants(Path(name), options.mutants)
        ratio, spread = cost(Path(name), options.rounds)
    lines = [
        "| what | number |",
        "|---|---|",
        f"| processes killed (SIGKILL) at random points of a job of five segments | {found.tried} |",
        f"| jobs that the same command finished | {found.jobs} |",
        f"| outputs whose frames, times or sound differ from an uninterrupted run's | {found.different} |",
        f"| times that an incomplete file had the output's name | {found.early} |",
        f"| files left behind | {found.left} |",
        f"| time with journal and segments over time without, median of {options.rounds} rounds | {ratio:.3f} |",
        f"| largest difference between two rounds | {spread:.3f} |",
        f"| files that were cut off, changed, or random | {files.tried} |",
        f"| refused in one sentence | {files.refused} |",
        f"| restored to a complete output | {files.restored - files.wrong} |",
        f"| whose decoder crashed in its own process | {files.crashed} |",
        f"| that hung for 30 seconds | {files.hung} |",
        f"| that left an incomplete output | {files.wrong} |",
        f"| seconds for the slowest | {files.slowest:.1f} |",
    ]
    print("\n".join(lines))
    if options.markdown:
        options.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if found.different or found.early or found.left or files.hung or files.wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
