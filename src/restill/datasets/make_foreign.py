"""Make the validation set ``foreign`` from clean clips and layers of rain."""

from __future__ import annotations

import shutil
import zlib
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from restill.datasets.benchmarks.foreign import clip_names
from restill.datasets.clean_clips import find_clips
from restill.datasets.foreign_rain import KINDS, Layers, compressed, rained
from restill.errors import RestillError
from restill.progress import track
from restill.video import read_frames
from restill.video.pictures import to_8_bits, write_picture

FRAMES = 20
SIDE = 640  # pixels of the longer side, at most


def make_foreign(clean: Path, layers: Path, output: Path, seed: int = 0, *, quiet: bool = False) -> int:
    """Write the set: for each clip and kind of rain a folder with ``rain`` and ``gt``.

    Args:
        clean: A folder that holds the clips of :data:`restill.datasets.held_out.SCORED`.
        layers: See :class:`restill.datasets.foreign_rain.Layers`.
        output: The folder to write. It gets its name when it is complete.
        seed: The same seed gives the same rain.
        quiet: Show no progress.

    Returns:
        The number of clips.

    Raises:
        RestillError: If a clip or a layer is missing, or the output exists.
    """
    if output.exists():
        raise RestillError(f"'{output}' exists already; name another folder")
    found, wanted = find_clips(clean), clip_names()
    if missing := sorted({clip for clip, _ in wanted} - found.keys()):
        raise RestillError(f"{clean}: has no clip {', '.join(missing)}, of which the set foreign is made")
    rain = Layers(layers)
    partial = output.with_name(f"{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with track("foreign", len(wanted), "clips", quiet=quiet) as advance:
        for clip, kind in wanted:
            frames = [_fitted(to_8_bits(frame)) for frame in islice(read_frames(found[clip]), FRAMES)]
            name = f"{clip}.{kind}"
            rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
            rainy = rained(frames, rain.frames(KINDS[kind], frames[0].shape[:2], rng))
            for side, pictures in (("rain", compressed(rainy, KINDS[kind].bits)), ("gt", frames)):
                (partial / name / side).mkdir(parents=True)
                for index, picture in enumerate(pictures, start=1):
                    write_picture(partial / name / side / f"{index:05d}.png", picture)
            advance()
    partial.rename(output)
    return len(wanted)


def _fitted(frame: np.ndarray) -> np.ndarray:
    """At most :data:`SIDE` pixels on a side, and even sizes, as H.264 needs them."""
    scale = min(1.0, SIDE / max(frame.shape[:2]))
    if scale < 1:
        frame = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = frame.shape[:2]
    return np.ascontiguousarray(frame[: height // 2 * 2, : width // 2 * 2])
