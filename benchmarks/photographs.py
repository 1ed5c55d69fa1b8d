"""Measure how well clips are distinguished from photographs.

    python benchmarks/photographs.py --clips CLIP... --photographs FOLDER...

For each clip the median of up to five pairs of neighbors among its first 40 frames; for each folder of photographs all
pairs of neighbors of up to 70, in order and shuffled: the share of pixels that have something in common.
"""

from __future__ import annotations

import argparse
import random
from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np

from restill.video import read_frames
from restill.video.photographs import IN_COMMON, PAIRS, in_common
from restill.video.picture_names import list_pictures
from restill.video.pictures import read_picture


def of_clip(path: Path) -> float:
    """The median of some pairs of a clip."""
    frames = list(islice(read_frames(path), 40))
    starts = sorted({round(at) for at in np.linspace(0, len(frames) - 2, min(PAIRS, len(frames) - 1))})
    return float(np.median([in_common(frames[start], frames[start + 1]) for start in starts]))


def of_photographs(folder: Path, shuffled: bool) -> list[float]:
    """All pairs of a folder; the second picture is brought to the size of the first."""
    files = list_pictures(folder)
    if shuffled:
        random.Random(0).shuffle(files)  # noqa: S311 - no secret
    found = []
    for one, other in pairwise(read_picture(file) for file in files[:70]):
        found.append(in_common(one, cv2.resize(other, one.shape[1::-1], interpolation=cv2.INTER_AREA)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, nargs="*", default=[])
    parser.add_argument("--photographs", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    clips = sorted((of_clip(path), path.name) for path in options.clips)
    pairs = [share for folder in options.photographs for way in (False, True) for share in of_photographs(folder, way)]
    print(f"threshold {IN_COMMON}")
    for share, name in clips[:5]:
        print(f"clip {name}: {share:.2f}")
    if pairs:
        print(f"{len(pairs)} pairs of photographs: at most {max(pairs):.2f}, 99 % below {np.percentile(pairs, 99):.2f}")


if __name__ == "__main__":
    main()
