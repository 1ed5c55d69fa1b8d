"""Make the moving picture of docs/before-after.md: the rainy input on the left, the result on the right.

    python -m demo.before_after                                # writes docs/before-after.webp
    python -m demo.before_after rainy.mp4 -o look.webp         # the same of a clip of your own

Without a clip, it moves the photograph of a rocket in scikit-image as a camera would, and rains on it. The photograph
is in the public domain (``skimage.data.rocket``). The student is the default one of `restill derain`, or that of
--model. A clip of your own is cut after 60 frames.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from demo import clips
from PIL import Image

from restill.video import read_frames
from restill.video.pictures import to_8_bits

PICTURE = Path(__file__).parents[1] / "docs" / "before-after.webp"
FRAMES, SEED, RAIN = 36, 3, ("--strength", "heavy", "--wind", "2")
MOST = 60  # frames
QUALITY = 55  # of WebP
DURATION = 40  # of a frame, milliseconds
WIDTH = 900  # pixels, both halves together, at most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", nargs="?", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=PICTURE)
    parser.add_argument("--model", help="by default, the student that restill derain uses")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        rainy = options.clip or rainy_rocket(Path(folder))
        both = Path(folder) / "both.mp4"
        model = ["--model", options.model] if options.model else []
        restill("derain", rainy, "-o", both, "--compare", "side", *model)
        frames = [to_8_bits(frame) for frame in islice(read_frames(both), MOST)]
    if options.clip is None:
        frames = frames[1:-1]  # the first and the last frame lack a neighbor
    animate(frames, options.output)
    print(f"{options.output}: {len(frames)} frames, {options.output.stat().st_size / 1000:.0f} kB")


def rainy_rocket(folder: Path) -> Path:
    """A rainy clip of the photograph."""
    clips.write_frames(clips.make_clip(clips.photograph("rocket"), FRAMES, SEED), folder / "clean")
    restill("rain", folder / "clean", "-o", folder / "rainy", *RAIN)
    return folder / "rainy"


def restill(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "restill", *map(str, arguments)], check=True)  # noqa: S603


def animate(frames: list[np.ndarray], output: Path) -> None:
    """Write frames (H, W, 3) uint8 as a moving WebP picture without end."""
    height, width = frames[0].shape[:2]
    size = (min(width, WIDTH), round(height * min(1, WIDTH / width)))
    first, *rest = [Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS) for frame in frames]
    first.save(output, save_all=True, append_images=rest, duration=DURATION, loop=0, quality=QUALITY)


if __name__ == "__main__":
    main()
