"""Restore a stream of frames with a model's temporal context, in constant memory.

``stream`` keeps a ring of the K frames around the center, and works on as many windows at a time as the model has
workers. ``whole_clip`` is a simple reference implementation for a clip that fits in memory. A test checks that both
give the same result, bit for bit.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from threading import local

import cv2
import numpy as np

from restill.alignment import Aligner, Field, align_window, luma_of, make_picture
from restill.alignment.field import half_pixels
from restill.clock import NO_CLOCK, Clock
from restill.errors import RestillError
from restill.planes import WHITE, F, Frame, Planes, planes_of
from restill.runtime.guard import guards, nearest, put_back
from restill.runtime.info import ModelInfo
from restill.runtime.model import Model, load_model
from restill.runtime.packing import PlanePacking
from restill.runtime.strength import check_strength, has_darker, mix, take_more


@dataclass(frozen=True)
class Entry:
    """A frame with what its windows share.

    Attributes:
        frame: The frame as it was given.
        planes: Its planes, padded to an even size, for a model that takes planes.
        luma: Its brightness (H, W) uint8, for the guard and the aligner; None if neither needs it.
        field: The motion to the frame before; None for the first frame, and without alignment.
    """

    frame: Frame
    planes: Planes | None
    luma: np.ndarray | None
    field: Field | None

    @property
    def aligned(self) -> np.ndarray:
        """What alignment moves: the luma (H', W') of planes, or the frame (H, W, 3)."""
        if self.planes is not None:
            return self.planes.y
        assert isinstance(self.frame, np.ndarray)  # noqa: S101
        return self.frame

    @cached_property
    def halves(self) -> np.ndarray:
        """:func:`restill.alignment.field.half_pixels` of that."""
        return half_pixels(self.aligned)


def stream(
    model: str | os.PathLike[str] | Model,
    frames: Iterable[F | None],
    *,
    output: type[np.generic] | None = None,
    guard: bool = True,
    aligner: str = "auto",
    strength: float = 1.0,
    clock: Clock = NO_CLOCK,
    wanted: Callable[[F], bool] | None = None,
) -> Iterator[F]:
    """Restore a clip of any length, frame by frame.

    Args:
        model: A name of ``restill models``, the path of an exported ``.onnx``, or a loaded :class:`Model`.
        frames: (H, W, 3) RGB, all of one size and type: uint8, uint16 (white is 65535) or float32 in [0, 1]; or, for a
            model that :meth:`Model.takes_planes` of this size, :class:`restill.planes.Planes`. Do not overwrite the
            memory of a frame until its neighbors are restored. None says that the next frame is not there yet: the
            frames that workers have in hand are returned first.
        output: Type of the restored frames, one of the same three; by default that of the frames.
        guard: Keep burnt-in text and marks unchanged (:mod:`restill.runtime.guard`). It works for models that remove
            rain, keep the size and take more than one frame; False gives the output of the network.
        aligner: How neighbors are aligned, one of :data:`restill.alignment.ALIGNERS`, for a model that needs it.
        strength: How much is taken away: 0 nothing, 1 what the model takes, 2 all that is brighter than both aligned
            neighbors (:mod:`restill.runtime.strength`).
        clock: Measures the stages "align", "pack" (into the network's input), "network" and "unpack"; only for a model
            with one worker.
        wanted: Called with each frame, in order, once its neighbors are there; if it gives False, the frame is left out
            of the result, and is only a neighbor of others.

    Returns:
        One (scale*H, scale*W, 3) frame of that type for each frame, or planes for planes, in order. The first is
        returned after ``info.frames_after`` more frames have been read, plus the number of workers if there are
        several. At both ends the first and the last frame are repeated.

    Raises:
        RestillError: The model cannot be loaded, the aligner is unknown, the strength is out of range, or a frame
            differs from the others in size or type.
    """
    check_strength(strength)
    model = model if isinstance(model, Model) else load_model(model)
    check_strength(strength, model.info)
    return _stream(model, frames, output, guard, aligner, strength, clock, wanted)  # type: ignore[return-value,arg-type] - the kind is kept


def _stream(
    model: Model,
    frames: Iterable[Frame | None],
    output: type[np.generic] | None,
    guard: bool,
    aligner: str,
    strength: float,
    clock: Clock,
    wanted: Callable[[Frame], bool] | None,
) -> Iterator[Frame]:
    info = model.info
    entries = _entries(frames, model, aligner, clock, guard=guard and guards(info))
    windows = _windows(entries, info.frames_before, info.frames_after)
    if wanted is not None:
        windows = (w for w in windows if w is None or wanted(w[info.frames_before].frame))
    if model.workers == 1:
        yield from map(_Worker(model, output, guard, strength, clock), filter(None, windows))
        return
    own = local()

    def begin() -> None:
        own.worker = _Worker(model, output, guard, strength, NO_CLOCK)

    with ThreadPoolExecutor(model.workers, "restill-worker", begin) as pool:
        waiting: deque[Future[Frame]] = deque()
        try:
            for entries in chain(windows, [None]):
                if entries is not None:
                    waiting.append(pool.submit(lambda entries=entries: own.worker(entries)))
                while len(waiting) > (0 if entries is None else model.workers):
                    yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class _Worker:
    """Restores the center frames of windows, one after the other, in its own memory. It belongs to one thread."""

    def __init__(
        self, model: Model, output: type[np.generic] | None, guard: bool, strength: float, clock: Clock
    ) -> None:
        self.model, self.output, self.strength, self.clock = model, output, strength, clock
        self.guard = guard and guards(model.info)
        self.packing = self.network = None

    def __call__(self, entries: list[Entry]) -> Frame:
        """The restored frame (s*H, s*W, 3) of a window, or its planes."""
        clock, middle = self.clock, self.model.info.frames_before
        center = entries[middle]
        with clock("align"):
            window = _aligned(entries, middle)
        if self.packing is None or self.network is None:
            self.packing, self.network = self.model.at(*center.frame.shape[:2])
        with clock("pack"):
            packed = self.packing.pack(window, center.planes)
        with clock("network"):
            answer = self.network(packed)
        with clock("unpack"):
            clean = self._unpack(answer, center)
            near = nearest(middle, len(entries))
            others = [luma for i in near if self.guard and (luma := entries[i].luma) is not None]
            if self.guard and center.luma is not None:
                put_back(clean, center.frame, center.luma, others)
            if self.strength == 1:
                return clean
            if self.strength < 1 or not has_darker(self.model.info) or center.luma is None:
                return mix(clean, center.frame, self.strength)
            return take_more(clean, center.luma, [window[i] for i in near], others, self.strength)

    def _unpack(self, answer: np.ndarray, center: Entry) -> Frame:
        frame, packing = center.frame, self.packing
        if isinstance(frame, Planes):
            assert isinstance(packing, PlanePacking)  # noqa: S101
            return packing.unpack_planes(answer, frame)
        assert packing is not None  # noqa: S101
        return packing.unpack(answer, frame, np.dtype(self.output or frame.dtype))


def _aligned(entries: Sequence[Entry], middle: int) -> list[np.ndarray]:
    """The frames of a window, or their lumas, moved onto the center."""
    fields = [
        None if t and entry is entries[t - 1] else entry.field for t, entry in enumerate(entries)
    ]  # an entry that is repeated at an end of the clip has no motion
    return align_window([entry.aligned for entry in entries], fields, middle, lambda t: entries[t].halves)


def _entries(
    frames: Iterable[Frame | None], model: Model, aligner: str, clock: Clock, *, guard: bool
) -> Iterator[Entry | None]:
    """Each frame, checked, with its planes and its motion; None for None."""
    like = before = None
    info, align = model.info, None
    if info.align != "none" and info.frames > 1:
        align = Aligner(aligner)
    for index, frame in enumerate(frames):
        if frame is None:
            yield None
            continue
        like = like or _kind(frame)
        _check(frame, index, like)
        planes = None
        if isinstance(frame, Planes):
            planes = frame
        else:
            frame = np.ascontiguousarray(frame)
            if model.takes_planes(*frame.shape[:2]):
                with clock("pack"):
                    planes = planes_of(_whole_bytes(frame, info))
        field = luma = None
        with clock("align"):
            if align is not None or guard:
                luma = frame.y if isinstance(frame, Planes) else luma_of(frame)
            if align is not None and luma is not None:
                picture = make_picture(luma, frame.vectors if isinstance(frame, Planes) else None)
                field = None if before is None else align.field(picture, before)
                before = picture
        yield Entry(frame, planes, luma, field)


def _check(frame: Frame, index: int, like: tuple[tuple[int, ...], str]) -> None:
    """Refuse a frame of another size or type than the others.

    Raises:
        RestillError: It is not a frame, or it differs.
    """
    if not isinstance(frame, Planes) and (frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype not in WHITE):
        raise RestillError(
            f"frame {index} is {frame.dtype} {frame.shape}; a frame must be (height, width, 3) RGB in uint8, "
            "uint16 or float32"
        )
    if (kind := _kind(frame)) != like:
        raise RestillError(
            f"frame {index} is {_describe(*kind)}, but the frames before it are {_describe(*like)}; all frames of a "
            "stream must have the same size and type"
        )


def _kind(frame: Frame) -> tuple[tuple[int, ...], str]:
    return frame.shape[:2], "planes" if isinstance(frame, Planes) else str(frame.dtype)


def _describe(shape: tuple[int, ...], kind: str) -> str:
    return f"{shape[1]}x{shape[0]} {kind}"


def _whole_bytes(frame: np.ndarray, info: ModelInfo) -> np.ndarray:
    """A frame in 8 bits, with its right and lower edge repeated up to the network's multiple."""
    below, right = info.size_requirement.padding(*frame.shape[:2])
    if frame.dtype != np.uint8:
        frame = cv2.convertScaleAbs(frame, alpha=255 / WHITE[frame.dtype])
    return cv2.copyMakeBorder(frame, 0, below, 0, right, cv2.BORDER_REPLICATE) if below or right else frame


def _windows(entries: Iterable[Entry | None], before: int, after: int) -> Iterator[list[Entry] | None]:
    """The K = before + 1 + after entries around each entry, None for None; at an end, the last entry is repeated."""
    ring: deque[Entry] = deque(maxlen=before + 1 + after)
    for entry in entries:
        if entry is None:
            yield None
            continue
        ring.extend([entry] if ring else [entry] * (before + 1))
        if len(ring) == ring.maxlen:
            yield list(ring)
    for _ in range(after if ring else 0):
        ring.append(ring[-1])
        if len(ring) == ring.maxlen:
            yield list(ring)


def whole_clip(
    model: Model, frames: Sequence[F], *, guard: bool = True, aligner: str = "auto", strength: float = 1.0
) -> list[F]:
    """The reference implementation of :func:`stream`: each window is taken from the whole clip, which is in memory.

    Args:
        model: A loaded model.
        frames: The whole clip.
        guard, aligner, strength: As in :func:`stream`.

    Returns:
        The restored frames, as many.
    """
    info = model.info
    entries = list(filter(None, _entries(frames, model, aligner, NO_CLOCK, guard=guard and guards(info))))
    restored = []
    for t in range(len(entries)):
        around = range(t - info.frames_before, t + info.frames_after + 1)
        worker = _Worker(model, None, guard, strength, NO_CLOCK)
        restored.append(worker([entries[min(max(index, 0), len(entries) - 1)] for index in around]))
    return restored  # type: ignore[return-value] - the kind is kept
