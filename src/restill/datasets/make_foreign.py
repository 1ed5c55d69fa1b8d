"""Make the validation set ``foreign`` from clean clips and layers of rain."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from restill.datasets.benchmarks.foreign import REAL_STATIC, clip_names
from restill.datasets.files import find_clips
from restill.datasets.foreign_rain import KINDS, Layers, rained
from restill.degradations.h264 import compressed_to
from restill.errors import RestillError
from restill.progress import track
from restill.video import read_frames
from restill.video.pictures import to_8_bits, write_picture

FRAMES = 20
SIDE = 640  # pixels of the longer side, at most


# Real rain before a static camera: the frames taken from the start, and what is masked, as polygons of (x, y) in
# shares of the frame: splashing water and steam.
STATIC: dict[str, tuple[int, tuple[tuple[float, float], ...]]] = {
    "dannydelott_rain": (60, ((0, 0.6), (1, 0.6), (1, 1), (0, 1))),
    "shortsdag_rain": (25, ((0.1, 0.84), (0.33, 0.58), (0.4, 0.48), (0.85, 0.48), (1, 0.7), (1, 1), (0.1, 1))),
}


def make_foreign(
    clean: Path, layers: Path, output: Path, seed: int = 0, static: Path | None = None, *, quiet: bool = False
) -> int:
    """Write the set: for each clip and kind of rain a folder with ``rain`` and ``gt``.

    Args:
        clean: A folder that holds the clips of :data:`restill.datasets.held_out.SCORED`.
        layers: See :class:`restill.datasets.foreign_rain.Layers`.
        output: The folder to write. It gets its name when it is complete.
        seed: The same seed gives the same rain.
        static: A folder that holds the clips of :data:`STATIC`; their frames and masks are added as ``real_static``.
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
    still = {} if static is None else find_clips(static)
    if static is not None and (missing := sorted(STATIC.keys() - still.keys())):
        raise RestillError(f"{static}: has no clip {', '.join(missing)}, which the set foreign takes from there")
    rain = Layers(layers)
    partial = output.with_name(f"{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with track("foreign", len(wanted), "clips", quiet=quiet) as advance:
        for clip, kind in wanted:
            frames = [_fitted(to_8_bits(frame)) for frame in islice(read_frames(found[clip]), FRAMES)]
            name = f"{clip}.{kind}"
            rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
            rainy = rained(frames, rain.frames(KINDS[kind], frames[0].shape[:2], rng))
            for side, pictures in (("rain", compressed_to(rainy, KINDS[kind].bits)), ("gt", frames)):
                _write(partial / name / side, pictures)
            advance()
    for name in STATIC if static is not None else ():
        _add_static(still[name], name, partial / REAL_STATIC)
    partial.rename(output)
    return len(wanted)


def _add_static(path: Path, name: str, folder: Path) -> None:
    """Write a clip's frames, and its mask to ``masks``."""
    count, masked = STATIC[name]
    frames = [to_8_bits(frame) for frame in islice(read_frames(path), count)]
    _write(folder / name, frames)
    height, width = frames[0].shape[:2]
    mask = np.full((height, width, 3), 255, np.uint8)
    cv2.fillPoly(mask, [np.rint(np.array(masked) * [width, height]).astype(np.int32)], (0, 0, 0))
    (folder / "masks").mkdir(exist_ok=True)
    write_picture(folder / "masks" / f"{name}.png", mask)


def _write(folder: Path, frames: Iterable[np.ndarray]) -> None:
    folder.mkdir(parents=True)
    for index, frame in enumerate(frames, start=1):
        write_picture(folder / f"{index:05d}.png", frame)


def _fitted(frame: np.ndarray) -> np.ndarray:
    """At most :data:`SIDE` pixels on a side, and even sizes, as H.264 needs them."""
    scale = min(1.0, SIDE / max(frame.shape[:2]))
    if scale < 1:
        frame = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = frame.shape[:2]
    return np.ascontiguousarray(frame[: height // 2 * 2, : width // 2 * 2])
