"""Rain harvested from real clips with a static camera: frame minus temporal median, thin and short-lived parts kept.

A folder of layers holds clips of rain on black, in the layout of clean clips. :func:`harvest_file` makes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from restill.datasets.clean_clips import CleanClips
from restill.degradations.weather import RainLayers
from restill.errors import RestillError
from restill.video import read_frames

CHUNK = 24  # frames of one temporal median
BROADEST = 15  # pixels; brighter parts that are wider on both axes are not rain
NOISE = 3.0  # levels that are taken off, because they are noise
FAINTEST = 5.0  # levels above the noise that the brightest pixel of a streak has
GAIN = 4.0  # real streaks are faint, and the sky behind them is bright


class FolderLayers(RainLayers):
    """The layers of a folder, decoded once into the cache.

    Args:
        root: Clips of rain on black, ``NAME/00001.png ...`` or ``NAME.mp4``.

    Raises:
        RestillError: If the folder is missing or holds no clips.
    """

    def __init__(self, root: Path) -> None:
        self.clips = CleanClips(root, rain="none", max_frames=1000)

    def draw(self, count: int, rng: np.random.Generator) -> list[np.ndarray]:
        """``count`` frames in a row of a random clip, (H, W) uint8; a short clip runs back and forth."""
        clip = int(rng.integers(len(self.clips.names)))
        total = self.clips.shape(clip)[0]
        first = int(rng.integers(max(1, total - count + 1)))
        there_and_back = [*range(total), *range(total - 2, 0, -1)]
        frames = [there_and_back[t % len(there_and_back)] for t in range(first, first + count)]
        return [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in self.clips.clean(clip, frames)]

    def stamps(self) -> list[str]:
        """What identifies the layers in a cache of samples."""
        return [str(self.clips.pictures(clip).stamp) for clip in range(len(self.clips.names))]


def harvest(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Take the rain out of a clip whose camera stands still.

    From each frame the temporal median of its neighbors is subtracted, then what both neighbors in time also have (slow
    things), then what is broad (passing light), then the noise.

    Args:
        frames: (H, W, 3) uint8 each.

    Yields:
        (H, W) uint8, rain on black, as many as there are frames, less a rest of fewer than three.
    """
    left = iter(frames)
    while len(chunk := list(islice(left, CHUNK))) >= 3:
        gray = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in chunk])  # (T, H, W)
        over = np.clip(gray - np.median(gray, axis=0), 0, 255).astype(np.float32)
        for t, picture in enumerate(over):
            before, after = over[t - 1 if t else 2], over[t + 1 if t + 1 < len(over) else t - 2]
            yield _thin(picture - np.minimum(before, after))


def harvest_file(video: Path, folder: Path) -> int:
    """Write the rain of a video as ``FOLDER/NAME/00001.png`` ...

    Returns:
        The number of frames.

    Raises:
        RestillError: If the video cannot be read, or its layer is there already.
    """
    target = folder / video.stem
    if target.exists():
        raise RestillError(f"{target}: exists already; remove it first, or name another folder")
    count = 0
    for count, layer in enumerate(harvest(read_frames(video)), 1):
        target.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target / f"{count:05d}.png"), layer)
    if not count:
        raise RestillError(f"{video}: has fewer than three frames; rain is harvested from a clip of a static camera")
    return count


def _thin(picture: np.ndarray) -> np.ndarray:
    """Parts that are narrow on some axis, above the noise; (H, W) float32 to uint8."""
    picture = np.maximum(cv2.GaussianBlur(picture, (0, 0), 0.6), 0)
    square = cv2.getStructuringElement(cv2.MORPH_RECT, (BROADEST, BROADEST))
    broad = cv2.GaussianBlur(cv2.morphologyEx(picture, cv2.MORPH_OPEN, square), (0, 0), BROADEST / 2)
    left = np.maximum(picture - broad - NOISE, 0)
    count, labels = cv2.connectedComponents((left > 0).astype(np.uint8))
    parts = np.asarray(labels, np.intp)
    peaks = np.zeros(count, np.float32)
    np.maximum.at(peaks, parts, left)
    left[peaks[parts] < FAINTEST] = 0
    return np.clip(left * GAIN, 0, 255).astype(np.uint8)
