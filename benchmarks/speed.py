"""How fast students restore: frames per second of the stream alone, and from file to file.

    python benchmarks/speed.py [MODEL ...] [--backend openvino] [--threads 2]

The clip is made here: a camera that moves over a texture. Rounds of all cases alternate and the median counts, because
other work on the machine moves every number; compare within one run.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from restill.restore import restore
from restill.runtime import load_model, stream
from restill.video import EncodeSettings, transcode

SIZES = {"640x480": (480, 640), "1280x720": (720, 1280)}
FRAMES, ROUNDS = 60, 3


def moving_clip(height: int, width: int, frames: int) -> Iterator[np.ndarray]:
    """(H, W, 3) uint8 frames of a smooth texture that moves by 3 and 1 pixels a frame."""
    rng = np.random.default_rng(0)
    big = rng.integers(0, 255, (height + frames, width + 3 * frames, 3)).astype(np.uint8)
    big = cv2.normalize(cv2.GaussianBlur(big, (0, 0), 3), np.empty_like(big), 0, 255, cv2.NORM_MINMAX)
    for t in range(frames):
        yield np.ascontiguousarray(big[t : t + height, 3 * t : 3 * t + width])


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=["rill-s"])
    parser.add_argument("--backend", default="onnxruntime")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    models = {name: load_model(name, backend=options.backend, threads=options.threads) for name in options.models}
    print(f"{options.backend}, {options.threads or 'all'} threads\n")
    print("| model | size | stream, fps | file to file (h264 veryfast), fps |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for size, (height, width) in SIZES.items():
            frames = list(moving_clip(height, width, FRAMES))
            source = Path(folder) / f"{size}.mp4"
            transcode_frames(frames, source)
            times: dict[tuple[str, str], list[float]] = {}
            for turn in range(ROUNDS):
                for name, model in models.items():
                    began = time.perf_counter()
                    for _ in stream(model, frames):
                        pass
                    middle = time.perf_counter()
                    out = Path(folder) / f"{name}-{turn}.mp4"
                    restore(
                        source,
                        out,
                        model=name,
                        backend=options.backend,
                        threads=options.threads,
                        overwrite=True,
                        quiet=True,
                    )
                    end = time.perf_counter()
                    times.setdefault((name, "stream"), []).append(middle - began)
                    times.setdefault((name, "file"), []).append(end - middle)
            for name in models:
                alone, file = (FRAMES / statistics.median(times[name, what]) for what in ("stream", "file"))
                print(f"| {name} | {size} | {alone:.1f} | {file:.1f} |", flush=True)


def transcode_frames(frames: list[np.ndarray], target: Path) -> None:
    """Write frames as a video, through a folder of pictures."""
    with tempfile.TemporaryDirectory() as folder:
        for t, frame in enumerate(frames):
            cv2.imwrite(str(Path(folder) / f"{t:05d}.bmp"), frame[..., ::-1])
        transcode(Path(folder), target, lambda pictures: pictures, EncodeSettings())


if __name__ == "__main__":
    main()
