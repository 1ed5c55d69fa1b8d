"""Make the validation sets ``foreign`` and ``foreign-rendered``: clean clips in rain that Restill did not render."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from restill.datasets.benchmarks.foreign import REAL_STATIC, clip_names
from restill.datasets.files import find_clips
from restill.datasets.foreign_rain import KINDS, Layers
from restill.datasets.foreign_renderers import RENDERED, rendered
from restill.datasets.held_out import SCORED
from restill.degradations.h264 import compressed_to
from restill.errors import RestillError
from restill.progress import track
from restill.video import read_frames
from restill.video.pictures import to_8_bits, write_picture

FRAMES = 20
SIDE = 640  # pixels of the longer side, at most
Rain = Callable[[str, Sequence[np.ndarray], np.random.Generator], list[np.ndarray]]  # kind, frames, rng -> rainy frames


# Real rain before a static camera: the frames taken from the start, and what is masked, as polygons of (x, y) in
# shares of the frame: splashing water and steam.
STATIC: dict[str, tuple[int, tuple[tuple[float, float], ...]]] = {
    "dannydelott_rain": (60, ((0, 0.6), (1, 0.6), (1, 1), (0, 1))),
    "shortsdag_rain": (25, ((0.1, 0.84), (0.33, 0.58), (0.4, 0.48), (0.85, 0.48), (1, 0.7), (1, 1), (0.1, 1))),
}


def make_foreign(
    clean: Path, layers: Path, output: Path, seed: int = 0, static: Path | None = None, *, quiet: bool = False
) -> int:
    """Write the set ``foreign``: for each clip and kind of rain a folder with ``rain`` and ``gt``.

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
    with complete(output) as partial:
        found = held_out_clips(clean)
        still = {} if static is None else _static_clips(static)
        count = _make(found, Layers(layers).over, {kind: row.bits for kind, row in KINDS.items()}, partial, seed, quiet)
        for name, path in still.items():
            _add_static(path, name, partial / REAL_STATIC)
    return count


def make_rendered(clean: Path, output: Path, seed: int = 0, *, quiet: bool = False) -> int:
    """Write the set ``foreign-rendered``; see :func:`make_foreign`.

    Raises:
        RestillError: If a clip is missing, a renderer is not installed, or the output exists.
    """
    with complete(output) as partial:
        bits = {kind: row.bits for kind, row in RENDERED.items()}
        return _make(held_out_clips(clean), rendered, bits, partial, seed, quiet)


def held_out_clips(folder: Path) -> dict[str, Path]:
    """The clips of :data:`restill.datasets.held_out.SCORED` in a folder, by name.

    Raises:
        RestillError: If one is missing.
    """
    found = find_clips(folder)
    if missing := sorted(set(SCORED) - found.keys()):
        raise RestillError(f"{folder}: has no clip {', '.join(missing)}, of which the foreign sets are made")
    return {name: found[name] for name in SCORED}


@contextmanager
def complete(output: Path) -> Iterator[Path]:
    """Yield a folder to write to, which becomes ``output`` at the end.

    Raises:
        RestillError: If the output exists.
    """
    if output.exists():
        raise RestillError(f"'{output}' exists already; name another folder")
    partial = output.with_name(f"{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    yield partial
    partial.rename(output)


def generator(seed: int, name: str) -> np.random.Generator:
    """The source of the rain of a clip or picture."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def fitted(frame: np.ndarray) -> np.ndarray:
    """A frame (H, W, 3) of at most :data:`SIDE` pixels on a side, and even sizes, as H.264 needs them."""
    scale = min(1.0, SIDE / max(frame.shape[:2]))
    if scale < 1:
        frame = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = frame.shape[:2]
    return np.ascontiguousarray(frame[: height // 2 * 2, : width // 2 * 2])


def _make(found: dict[str, Path], rain: Rain, bits: dict[str, float], folder: Path, seed: int, quiet: bool) -> int:
    """Write each clip in its kinds of rain; ``bits`` are those per pixel, by kind."""
    wanted = clip_names(list(bits))
    with track("clips in rain", len(wanted), "clips", quiet=quiet) as advance:
        for clip, kind in wanted:
            frames = [fitted(to_8_bits(frame)) for frame in islice(read_frames(found[clip]), FRAMES)]
            name = f"{clip}.{kind}"
            rainy = compressed_to(rain(kind, frames, generator(seed, name)), bits[kind])
            for side, pictures in (("rain", rainy), ("gt", frames)):
                _write(folder / name / side, pictures)
            advance()
    return len(wanted)


def _static_clips(folder: Path) -> dict[str, Path]:
    found = find_clips(folder)
    if missing := sorted(STATIC.keys() - found.keys()):
        raise RestillError(f"{folder}: has no clip {', '.join(missing)}, which the set foreign takes from there")
    return {name: found[name] for name in STATIC}


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
