"""Pack frames into the input of a network, and unpack its output into a frame.

Most models take floats (:class:`FloatPacking`). Rill models written by ``restill quantize`` take bytes: luma and chroma
for clips (:class:`PlanePacking`), RGB for pictures (:class:`BytePacking`). Differences of frames are whole gray levels,
which 8 bits hold exactly. OpenCV computes them in a fraction of the time that a backend needs to convert a window to
floats, subtract, round, and convert the result back.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from restill.planes import GRAY, TO_RGB, WHITE, Planes
from restill.runtime.info import ModelInfo

MIDDLE = GRAY  # the byte for a difference of 0 between a neighbor and the center, and for gray chroma
DARKEST = 255  # the byte for a difference of 0 between the darker median and the center, which is never brighter
RESIDUAL = 200  # the byte for a residual of 0: rain is bright, so more is subtracted than added


class FloatPacking:
    """The input is a window (1, K, 3, H', W') float32 in [0, 1], and the output (1, 3, s*H', s*W').

    Args:
        info: The description of the model.
        height, width: Size of a frame; the right and the lower edge are repeated up to the network's multiple.
    """

    def __init__(self, info: ModelInfo, height: int, width: int) -> None:
        self.height, self.width, self.scale = height, width, info.scale
        self.buffer = np.empty((1, info.frames, 3, *info.padded(height, width)), np.float32)

    def pack(self, frames: Sequence[np.ndarray], center: Planes | None = None) -> np.ndarray:
        """K aligned frames (H, W, 3) as the network's input; the next call overwrites its memory."""
        for slot, frame in zip(self.buffer[0], frames, strict=True):  # (3, H', W') <- (H, W, 3)
            factor = np.float32(1 / WHITE[frame.dtype])
            for plane, values in zip(slot, cv2.split(frame), strict=True):  # (H', W') <- (H, W)
                np.multiply(values, factor, out=plane[: self.height, : self.width])
            slot[:, : self.height, self.width :] = slot[:, : self.height, self.width - 1 : self.width]
            slot[:, self.height :] = slot[:, self.height - 1 : self.height]
        return self.buffer

    def unpack(self, answer: np.ndarray, centre: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """The network's output as a frame (s*H, s*W, 3) of a type, clipped to black and white.

        Args:
            answer: (1, 3, s*H', s*W').
            centre: The center frame; not used here.
            dtype: uint8, uint16 or float32.
        """
        clean = answer[0, :, : self.scale * self.height, : self.scale * self.width]
        if dtype == np.float32:
            return cv2.merge([np.clip(plane, 0, 1) for plane in clean])
        return cv2.merge([_to_integers(plane, float(WHITE[dtype]), dtype) for plane in clean])


class BytePacking:
    """The input is a picture (1, 3, H' + 2 f, W' + 2 f) uint8, and the output a residual (1, 3 f f, H'/f, W'/f) uint8.

    f is the network's fold, which is its size multiple. The input has a black border of f pixels for the first
    convolution. A byte is a gray level. The residual, which is added to the picture, is folded into planes by row,
    pixel and color. OpenCV unfolds it, because OpenVINO took a quarter of the time of a small network for that.

    Args:
        info: The description of the model.
        height, width: Size of a frame.
    """

    def __init__(self, info: ModelInfo, height: int, width: int) -> None:
        self.height, self.width = height, width
        rows, columns = info.padded(height, width)
        self.below, self.right = rows - height, columns - width
        border = info.size_multiple
        self.buffer = np.zeros((1, 3, rows + 2 * border, columns + 2 * border), np.uint8)
        self.planes = self.buffer[0, :, border:-border, border:-border]  # (3, H', W')
        self.residual = np.empty((rows, columns, 3), np.uint8)
        self.rows = self.residual.reshape(rows // border, border, columns // border, 3 * border)

    def pack(self, frames: Sequence[np.ndarray], center: Planes | None = None) -> np.ndarray:
        """The one frame (H, W, 3) as the network's input; the next call overwrites its memory."""
        for plane, values in zip(self.planes, cv2.split(self._whole_frame(frames[0])), strict=True):
            plane[:] = values
        return self.buffer

    def _whole_frame(self, frame: np.ndarray) -> np.ndarray:
        """A frame in 8 bits, with its right and lower edge repeated up to the network's multiple."""
        if frame.dtype != np.uint8:
            frame = _to_integers(frame, 255 / WHITE[frame.dtype], np.dtype(np.uint8))
        if self.below or self.right:
            frame = cv2.copyMakeBorder(frame, 0, self.below, 0, self.right, cv2.BORDER_REPLICATE)
        return frame

    def unpack(self, answer: np.ndarray, centre: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """The center frame plus the residual, (H, W, 3) of a type, clipped to black and white.

        Args:
            answer: (1, 3 f f, H'/f, W'/f).
            centre: (H, W, 3), in its own type at full precision.
            dtype: uint8, uint16 or float32.
        """
        fold = self.rows.shape[1]
        for row, planes in enumerate(np.split(answer[0], fold)):  # (3 f, H'/f, W'/f)
            cv2.merge(list(planes), dst=self.rows[:, row])
        residual = self.residual[: self.height, : self.width]  # (H, W, 3)
        if centre.dtype == dtype == np.uint8:
            return cv2.addWeighted(centre, 1, residual, 1, -RESIDUAL)
        change = (residual.astype(np.float32) - RESIDUAL) / np.float32(255)
        clean = centre.astype(np.float32) / np.float32(WHITE[centre.dtype]) + change
        return np.clip(clean, 0, 1) if dtype == np.float32 else _to_integers(clean, float(WHITE[dtype]), dtype)


class PlanePacking:
    """The input is planes (1, K + 3, H' + 2 f, W' + 2 f) uint8, and the output a residual (1, f f + 2, H'/f, W'/f).

    f is the network's fold, 2. The planes are the luma of the center; the difference of each neighbor's luma from it;
    that of min(center, median of three) from it; and chroma, each pixel twice along each side. All have full range.
    The constants above give the bytes for zero. The border is black and shows no change. The residual is luma, folded
    by row and pixel, and chroma.

    Args:
        info: The description of the model.
        height, width: Size of a frame.
    """

    def __init__(self, info: ModelInfo, height: int, width: int) -> None:
        self.height, self.width, self.before = height, width, info.frames_before
        rows, columns = info.padded(height, width)
        border = info.size_multiple
        self.buffer = np.full((1, info.frames + 3, rows + 2 * border, columns + 2 * border), MIDDLE, np.uint8)
        self.buffer[:, 0], self.buffer[:, -3] = 0, DARKEST
        self.planes = self.buffer[0, :, border:-border, border:-border]  # (K + 3, H', W')
        self.luma = np.empty((rows, columns), np.uint8)
        self.pairs = self.luma.reshape(rows // border, border, columns // border, border)

    def pack(self, frames: Sequence[np.ndarray], center: Planes | None = None) -> np.ndarray:
        """The network's input; the next call overwrites its memory.

        Args:
            frames: K aligned lumas (H', W') uint8.
            center: The center frame.
        """
        assert center is not None  # noqa: S101
        fine, coarse, black = center.ranges
        middle, others = center.y, [luma for i, luma in enumerate(frames) if i != self.before]
        cv2.addWeighted(middle, fine, middle, 0, -black * fine, dst=self.planes[0])
        for plane, other in zip(self.planes[1:], others, strict=False):
            cv2.addWeighted(other, fine, middle, -fine, MIDDLE, dst=plane)
        darker = cv2.min(middle, cv2.max(others[self.before - 1], others[self.before]))
        cv2.addWeighted(darker, fine, middle, -fine, DARKEST, dst=self.planes[-3])
        for plane, chroma in zip(self.planes[-2:], (center.u, center.v), strict=True):
            full = chroma if coarse == 1 else cv2.addWeighted(chroma, coarse, chroma, 0, GRAY * (1 - coarse))
            cv2.resize(full, plane.shape[::-1], dst=plane, interpolation=cv2.INTER_NEAREST)
        return self.buffer

    def unpack_planes(self, answer: np.ndarray, center: Planes) -> Planes:
        """The center frame plus the residual.

        Args:
            answer: (1, 6, H'/2, W'/2).
            center: The center frame.
        """
        fine, coarse, _ = center.ranges
        y, u, v = (
            cv2.addWeighted(plane, 1, change, 1 / factor, -RESIDUAL / factor)
            for plane, change, factor in zip(
                (center.y, center.u, center.v), self._residual(answer), (fine, coarse, coarse), strict=True
            )
        )
        return Planes(y, u, v, center.full)

    def unpack(self, answer: np.ndarray, centre: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """The center frame (H, W, 3) RGB plus the residual, of a type, clipped to black and white."""
        luma, u, v = self._residual(answer)
        size = luma.shape[::-1]
        chroma = [cv2.resize(plane, size, interpolation=cv2.INTER_NEAREST) for plane in (u, v)]
        planes = cv2.merge([luma, *chroma])[: self.height, : self.width].astype(np.float32)
        change = cv2.transform(planes, np.column_stack([TO_RGB, -RESIDUAL * TO_RGB.sum(1)]) / 255)
        clean = centre.astype(np.float32) / np.float32(WHITE[centre.dtype]) + change
        return np.clip(clean, 0, 1) if dtype == np.float32 else _to_integers(clean, float(WHITE[dtype]), dtype)

    def _residual(self, answer: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Luma (H', W') and chroma (H'/2, W'/2) of a residual, uint8."""
        for row in range(self.pairs.shape[1]):
            first = row * self.pairs.shape[1]
            cv2.merge(list(answer[0, first : first + self.pairs.shape[1]]), dst=self.pairs[:, row])
        return self.luma, answer[0, -2], answer[0, -1]


def _to_integers(values: np.ndarray, factor: float, dtype: np.dtype) -> np.ndarray:
    """values x factor, rounded and clipped to the range of an integer type.

    OpenCV does this in one pass, 7 times as fast as NumPy.
    """
    depth = cv2.CV_8U if dtype == np.uint8 else cv2.CV_16U
    return cv2.addWeighted(values, factor, values, 0, 0, dtype=depth)
