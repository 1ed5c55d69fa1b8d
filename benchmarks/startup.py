"""How long ``restill derain`` of a short clip takes outside its frames: imports, loading, opening and closing files.

    python benchmarks/startup.py --rounds 5

The clip has 60 frames of 640x360. Each run is a process of its own. With a cold cache Restill's cache folder is empty,
so that nothing of an earlier run can be used. The time inside the frames is that of the three threads that decode,
restore and encode, from the first frame to the last; the rest is the wall time of the process without it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from restill.bench.clip import rainy_clip, write_clip
from restill.bench.machine import machine

FRAMES, HEIGHT, WIDTH = 60, 360, 640
# Runs the command, and prints the seconds of run_pipeline at the end.
CHILD = """
import sys, time
from importlib.abc import MetaPathFinder
from restill.cli import main

class Timed(MetaPathFinder):  # wraps the function as soon as its module is loaded, and so loads nothing earlier
    def find_spec(self, name, path=None, target=None):
        if name != "restill.video.transcode":
            return None
        sys.meta_path.remove(self)
        from importlib.util import find_spec
        spec = find_spec(name)
        execute = spec.loader.exec_module
        def exec_module(module):
            execute(module)
            run = module.run_pipeline
            def timed(*arguments, **options):
                began = time.perf_counter()
                try:
                    return run(*arguments, **options)
                finally:
                    print("inside", time.perf_counter() - began, file=sys.stderr)
            module.run_pipeline = timed
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Timed())
sys.argv = ["restill", "derain", *sys.argv[1:]]
main()
"""


def run(clip: Path, output: Path, cache: Path, options: list[str]) -> tuple[float, float]:
    """Seconds of the whole process, and those inside the frames."""
    command = [sys.executable, "-c", CHILD, str(clip), "-o", str(output), "--overwrite", *options]
    began = time.perf_counter()
    done = subprocess.run(  # noqa: S603
        command, env={**os.environ, "RESTILL_CACHE": str(cache)}, capture_output=True, text=True, check=True
    )
    wall = time.perf_counter() - began
    inside = next(float(line.split()[1]) for line in done.stderr.splitlines() if line.startswith("inside "))
    return wall, inside


def main() -> None:
    """Measure cold and warm runs in turn, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("options", nargs="*", help="further options of restill derain, after --")
    asked = parser.parse_args()
    about = machine(["openvino", "onnxruntime"])
    times: dict[str, list[tuple[float, float]]] = {"cold cache": [], "warm cache": []}
    with TemporaryDirectory(prefix="restill-startup-") as name:
        folder = Path(name)
        write_clip(folder / "clip.mp4", rainy_clip(HEIGHT, WIDTH, FRAMES))
        for number in range(asked.rounds):
            for case in times.values():  # the second run of a round finds the cache of the first
                case.append(run(folder / "clip.mp4", folder / "out.mp4", folder / f"cache{number}", asked.options))
    print(f"restill derain, {FRAMES} frames of {WIDTH}x{HEIGHT}; seconds, medians of {asked.rounds} (shortest rest)")
    print(f"{about}\n")
    print("| | wall | inside the frames | the rest |\n|---|---:|---:|---:|")
    for title, runs in times.items():
        rest = [wall - inside for wall, inside in runs]
        wall, inside = (median(column) for column in zip(*runs, strict=True))
        print(f"| {title} | {wall:.2f} | {inside:.2f} | {median(rest):.2f} ({min(rest):.2f}) |")


if __name__ == "__main__":
    main()
