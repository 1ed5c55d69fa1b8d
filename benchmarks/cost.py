"""Measure what restoring costs on this machine, predict a run, make it, and compare.

    python benchmarks/cost.py [--models none,min-median,rill-s,rill-m] [--check 960x540x150]

Cost is processor time, so it depends less on what else the machine does than time does. The model has two coefficients
for each student: seconds to begin, and seconds for a million pixels of a frame. They come from two lengths of one clip
and are checked on a clip of another size and length. ``none`` decodes and encodes only; ``min-median`` also aligns.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from restill.bench.clip import rainy_clip, write_clip

SIZE, LENGTHS = (360, 640), (10, 130)  # (height, width), frames
RUN = """
import resource, sys
from pathlib import Path
from restill.bench.plain import plain_transcode
from restill import restore
from restill.video import EncodeSettings
clip, target, model = sys.argv[1:]
if model == "none":
    plain_transcode(Path(clip), Path(target), EncodeSettings())
else:
    restore(clip, target, model, threads=1, quiet=True)
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime)
"""


def processor_seconds(clip: Path, model: str) -> float:
    """The processor time of restoring a clip in a process of its own."""
    target = clip.with_name(f"out-{model}.mp4")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    made = subprocess.run(  # noqa: S603
        [sys.executable, "-c", RUN, str(clip), str(target), model],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    target.unlink()
    return float(made.stdout.split()[-1])


def made(folder: Path, height: int, width: int, frames: int) -> Path:
    """A clip."""
    clip = folder / f"{width}x{height}x{frames}.mp4"
    write_clip(clip, rainy_clip(height, width, frames))
    return clip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="none,min-median,rill-s,rill-m")
    parser.add_argument("--check", default="960x540x150", help="width x height x frames of the run to predict")
    given = parser.parse_args()
    width, height, frames = map(int, given.check.split("x"))
    millions = SIZE[0] * SIZE[1] / 1e6
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        short, long = (made(folder, *SIZE, length) for length in LENGTHS)
        check = made(folder, height, width, frames)
        sent = long.stat().st_size / (LENGTHS[1] * millions)
        print(f"input: {sent / 1e3:.0f} kB for a million pixels of a frame")
        print("model        begin (s)  per Mpixel (s)  predicted (s)  measured (s)  error")
        for model in given.models.split(","):
            few, many = processor_seconds(short, model), processor_seconds(long, model)
            each = (many - few) / ((LENGTHS[1] - LENGTHS[0]) * millions)
            begin = few - LENGTHS[0] * millions * each
            predicted = begin + frames * width * height / 1e6 * each
            measured = processor_seconds(check, model)
            error = 100 * (predicted / measured - 1)
            print(
                f"{model:12} {begin:9.2f}  {each:14.4f}  {predicted:13.1f}  {measured:12.1f}  {error:+.0f} %",
                flush=True,
            )


if __name__ == "__main__":
    main()
