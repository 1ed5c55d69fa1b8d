"""Restore a stream of frames with a model's temporal context, in constant memory.

``stream`` keeps a ring of the K frames around the center, and works on as many windows at a time as the model has
workers. ``whole_clip`` is a simple reference implementation for a clip that fits in memory. A test checks that both
give the same result, bit for bit.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import local
from typing import NamedTuple

import numpy as np

from restill.alignment import Aligner, align_window, flow_picture, make_dis
from restill.clock import NO_CLOCK, Clock
from restill.errors import RestillError
from restill.runtime.guard import brightness, guards, nearest, put_back
from restill.runtime.info import ModelInfo
from restill.runtime.model import Model, load_model
from restill.runtime.packing import WHITE


class Entry(NamedTuple):
    """A frame (H, W, 3), its small gray picture for alignment, and its brightness for the guard."""

    frame: np.ndarray
    picture: np.ndarray | None
    gray: np.ndarray | None


def stream(
    model: str | os.PathLike[str] | Model,
    frames: Iterable[np.ndarray],
    *,
    output: type[np.generic] | None = None,
    guard: bool = True,
    clock: Clock = NO_CLOCK,
) -> Iterator[np.ndarray]:
    """Restore a clip of any length, frame by frame.

    Args:
        model: A name of ``restill models``, the path of an exported ``.onnx``, or a loaded :class:`Model`.
        frames: (H, W, 3) RGB, all of one size and type: uint8, uint16 (white is 65535) or float32 in [0, 1]. Do not
            overwrite the memory of a frame until its neighbors are restored.
        output: Type of the restored frames, one of the same three; by default that of the frames.
        guard: Keep burnt-in text and marks unchanged (:mod:`restill.runtime.guard`). It works for models that remove
            rain, keep the size and take more than one frame; False gives the output of the network.
        clock: Measures the stages "align", "pack" (into the network's input), "network" and "unpack"; only for a model
            with one worker.

    Returns:
        One (scale*H, scale*W, 3) frame of that type for each frame, in order. The first is returned after
        ``info.frames_after`` more frames have been read, plus the number of workers if there are several. At both ends
        the first and the last frame are repeated.

    Raises:
        RestillError: The model cannot be loaded, or a frame differs from the others in size or type.
    """
    model = model if isinstance(model, Model) else load_model(model)
    return _stream(model, frames, output, guard, clock)


def _stream(
    model: Model, frames: Iterable[np.ndarray], output: type[np.generic] | None, guard: bool, clock: Clock
) -> Iterator[np.ndarray]:
    info = model.info
    entries = _entries(frames, info, clock, guard=guard and guards(info))
    windows = _windows(entries, info.frames_before, info.frames_after)
    if model.workers == 1:
        yield from map(_Worker(model, output, clock), windows)
        return
    own = local()

    def begin() -> None:
        own.worker = _Worker(model, output, NO_CLOCK)

    with ThreadPoolExecutor(model.workers, "restill-worker", begin) as pool:
        waiting: deque[Future[np.ndarray]] = deque()
        try:
            for entries in windows:
                waiting.append(pool.submit(lambda entries=entries: own.worker(entries)))
                if len(waiting) > model.workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class _Worker:
    """Restores the center frames of windows, one after the other, in its own memory. It belongs to one thread."""

    def __init__(self, model: Model, output: type[np.generic] | None, clock: Clock) -> None:
        info = model.info
        self.model, self.output, self.clock = model, output, clock
        # With several workers, each aligns in its own thread.
        neighbors = info.frames - 1 if model.workers == 1 else 1
        self.aligner = Aligner(neighbors) if info.align == "dis" and info.frames > 1 else None
        self.packing = self.network = None

    def __call__(self, entries: list[Entry]) -> np.ndarray:
        """The restored frame (s*H, s*W, 3) of a window."""
        clock, middle = self.clock, self.model.info.frames_before
        window = [entry.frame for entry in entries]  # K x (H, W, 3)
        if self.aligner is not None:
            pictures = [entry.picture for entry in entries if entry.picture is not None]  # K x (h, w)
            with clock("align"):
                window = self.aligner.window(window, pictures, middle)
        if self.packing is None or self.network is None:
            self.packing, self.network = self.model.at(*window[0].shape[:2])
        with clock("pack"):
            packed = self.packing.pack(window)
        with clock("network"):
            answer = self.network(packed)
        frame, _, gray = entries[middle]
        with clock("unpack"):
            clean = self.packing.unpack(answer, frame, np.dtype(self.output or frame.dtype))
            if gray is not None:
                near = [entries[i].gray for i in nearest(middle, len(entries))]
                put_back(clean, frame, gray, [other for other in near if other is not None])
            return clean


def _entries(frames: Iterable[np.ndarray], info: ModelInfo, clock: Clock, *, guard: bool) -> Iterator[Entry]:
    """Each frame, checked, with the pictures that alignment and guard need."""
    like = None
    for index, frame in enumerate(frames):
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype not in WHITE:
            raise RestillError(
                f"frame {index} is {frame.dtype} {frame.shape}; a frame must be (height, width, 3) RGB in uint8, "
                "uint16 or float32"
            )
        like = like or (frame.shape, frame.dtype)
        if (frame.shape, frame.dtype) != like:
            raise RestillError(
                f"frame {index} is {_describe(frame.shape, frame.dtype)}, but the frames before it are "
                f"{_describe(*like)}; all frames of a stream must have the same size and type"
            )
        frame = np.ascontiguousarray(frame)
        with clock("align"):
            picture = flow_picture(frame) if info.align == "dis" else None
        with clock("unpack"):
            gray = brightness(frame) if guard else None
        yield Entry(frame, picture, gray)


def _describe(shape: tuple[int, ...], dtype: np.dtype) -> str:
    return f"{shape[1]}x{shape[0]} {dtype}"


def _windows(entries: Iterable[Entry], before: int, after: int) -> Iterator[list[Entry]]:
    """The K = before + 1 + after entries around each entry; at an end, the last entry is repeated."""
    ring: deque[Entry] = deque(maxlen=before + 1 + after)
    for entry in entries:
        ring.extend([entry] if ring else [entry] * (before + 1))
        if len(ring) == ring.maxlen:
            yield list(ring)
    for _ in range(after if ring else 0):
        ring.append(ring[-1])
        if len(ring) == ring.maxlen:
            yield list(ring)


def whole_clip(model: Model, frames: Sequence[np.ndarray], *, guard: bool = True) -> list[np.ndarray]:
    """The reference implementation of :func:`stream`: each window is taken from the whole clip.

    Args:
        model: A loaded model.
        frames: The whole clip, (H, W, 3) each.
        guard: As in :func:`stream`.

    Returns:
        The restored frames, as many.
    """
    info = model.info
    restored = []
    for t in range(len(frames)):
        around = range(t - info.frames_before, t + info.frames_after + 1)
        window = [frames[min(max(index, 0), len(frames) - 1)] for index in around]  # K x (H, W, 3)
        grays = {id(frame): brightness(frame) for frame in window}
        near = [grays[id(window[i])] for i in nearest(info.frames_before, info.frames)]
        if info.align == "dis":
            pictures = {id(frame): flow_picture(frame) for frame in window}
            window = align_window(make_dis(), window, [pictures[id(f)] for f in window], info.frames_before)
        height, width, _ = frames[t].shape
        below, right = info.size_requirement.padding(height, width)
        white = WHITE[frames[t].dtype]
        x = np.stack(window).astype(np.float32) * np.float32(1 / white)  # (K, H, W, 3)
        x = np.pad(x, ((0, 0), (0, below), (0, right), (0, 0)), mode="edge")  # (K, H', W', 3)
        y = model.run(np.ascontiguousarray(x.transpose(0, 3, 1, 2))[None])[0]  # (3, s*H', s*W')
        y = y.transpose(1, 2, 0)[: info.scale * height, : info.scale * width].clip(0, 1)  # (s*H, s*W, 3)
        clean = np.ascontiguousarray(y if white == 1 else np.rint(y * np.float32(white)).astype(frames[t].dtype))
        if guard and guards(info):
            put_back(clean, frames[t], grays[id(frames[t])], near)
        restored.append(clean)
    return restored
