"""The clip to restore: a camera moves over a synthetic texture while streaks fall."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

FPS = 25
STREAKS = 0.0004  # share of the pixels in which a streak starts


def rainy_clip(height: int, width: int, frames: int) -> list[np.ndarray]:
    """Frames of a smooth texture that moves by 3 and 1 pixels a frame, with streaks that differ in each.

    It gives the flow, the network and the encoder a realistic load. To measure quality, use ``restill rain`` instead.

    Returns:
        (H, W, 3) uint8 RGB each; the same for the same numbers.
    """
    rng = np.random.default_rng(0)
    big = rng.integers(0, 255, (height + frames, width + 3 * frames, 3)).astype(np.uint8)
    big = cv2.normalize(cv2.GaussianBlur(big, (0, 0), 3), np.empty_like(big), 0, 255, cv2.NORM_MINMAX)
    streak = cv2.GaussianBlur(np.eye(15, dtype=np.float32), (0, 0), 0.7)  # (15, 15), a slanted line
    clip = []
    for t in range(frames):
        drops = (rng.random((height, width), np.float32) < STREAKS).astype(np.float32)
        rain = (160 * cv2.filter2D(drops, -1, streak)).astype(np.uint8)  # (H, W), light that is added
        clip.append(cv2.add(big[t : t + height, 3 * t : 3 * t + width], cv2.merge([rain] * 3)))
    return clip


def write_clip(path: Path, frames: list[np.ndarray]) -> None:
    """Write frames (H, W, 3) uint8 as H.264; 4:2:0, or 4:4:4 where a side is odd."""
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "18"})
        assert isinstance(stream, VideoStream)  # noqa: S101
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv444p" if height % 2 or width % 2 else "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
