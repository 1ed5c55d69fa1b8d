"""Measure the encoder's presets: python benchmarks/presets.py CLIP [CLIP ...] [--frames 30] [--codec h264]

CPU time, size and quality of each frame, encoded at the codec's default quality. PSNR is of RGB, in dB, the mean over
frames.
"""

from __future__ import annotations

import argparse
import time
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from restill.video import EncodeSettings, read_frames
from restill.video.decode import open_source
from restill.video.sinks import open_sink

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "medium")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--codec", default="h264")
    options = parser.parse_args()
    print("| clip | preset | CPU ms | KiB | PSNR |\n|---|---|---|---|---|")
    for clip in options.clips:
        source = open_source(clip)
        frames = list(islice(source.frames(), options.frames))
        for preset in PRESETS:
            with TemporaryDirectory() as folder:
                output = Path(folder) / "out.mp4"
                sink = open_sink(output, source, EncodeSettings(codec=options.codec, preset=preset))
                began = time.process_time()
                for frame, ticket in frames:
                    sink.write(frame, ticket)
                sink.close()
                ms = 1e3 * (time.process_time() - began) / len(frames)
                size = output.stat().st_size / 1024 / len(frames)
                pairs = zip(read_frames(output), frames, strict=True)
                errors = [np.mean((after.astype(np.float32) - before) ** 2) for after, (before, _) in pairs]
                psnr = np.mean(10 * np.log10(255**2 / np.maximum(errors, 1e-9)))
            print(f"| {clip.name} | {preset} | {ms:.1f} | {size:.1f} | {psnr:.2f} |", flush=True)
        source.close()


if __name__ == "__main__":
    main()
