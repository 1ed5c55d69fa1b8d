"""Measure how much a student changes clips without rain.

    python benchmarks/dry.py rill-s --clips DIR [--names davis_kite-surf,mdn_bug] [--frames 30] [--precision int8]

PSNR of the output against the input, RGB in 8 bits, of each frame: the mean over a clip's frames and the worst one. A
fence, a mast or white text that is mistaken for rain lowers the worst frame.
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import numpy as np

from restill.datasets.files import find_clips
from restill.runtime import load_model, stream
from restill.video import read_frames

MEAN, WORST = 42.0, 38.0  # dB, the required values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--names", default="")
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--precision")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    model = load_model(options.model, precision=options.precision, threads=options.threads)
    clips = find_clips(options.clips)
    means, least = [], []
    for name in options.names.split(",") if options.names else clips:
        frames = list(islice(read_frames(clips[name]), options.frames))  # T x (H, W, 3) uint8
        values = [psnr(clean, frame) for clean, frame in zip(stream(model, frames, guard=False), frames, strict=True)]
        means.append(float(np.mean(values)))
        least.append(min(values))
        print(f"{name:32s} mean {means[-1]:6.2f} dB   worst frame {least[-1]:6.2f} dB", flush=True)
    print(f"{'all clips':32s} mean {np.mean(means):6.2f} dB   worst frame {min(least):6.2f} dB")
    print(
        f"clips under {MEAN:g} dB: {sum(m < MEAN for m in means)}; with a frame under {WORST:g} dB: "
        f"{sum(w < WORST for w in least)}; of {len(means)}"
    )


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """dB, (H, W, 3) uint8 each; 99 if they are equal."""
    error = np.mean((a.astype(np.float32) - b) ** 2)
    return 99.0 if error == 0 else float(10 * np.log10(255**2 / error))


if __name__ == "__main__":
    main()
