"""H.264, as a phone or a camera writes it: streaks are compressed with everything else."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import av
import numpy as np
from av.video.stream import VideoStream

FASTEST = "veryfast"  # the preset nearest to what chips do


def compressed(frames: Sequence[np.ndarray], crf: int, *, rate: int = 25) -> list[np.ndarray]:
    """Frames after H.264 in 4:2:0.

    Args:
        frames: (H, W, 3) uint8 each, of one size.
        crf: x264's constant rate factor: 18 is good, 34 is bad.
        rate: Frames per second.

    Returns:
        New frames of the same shape.
    """
    return _coded(frames, rate, {"crf": str(crf), "preset": FASTEST})


def compressed_to(frames: Sequence[np.ndarray], bits: float, *, rate: int = 25) -> list[np.ndarray]:
    """Frames after H.264 in 4:2:0 with so many bits per pixel; the rest as for :func:`compressed`."""
    height, width = frames[0].shape[:2]
    return _coded(frames, rate, {"preset": "medium"}, round(bits * width * height * rate))


def _coded(
    frames: Sequence[np.ndarray], rate: int, options: dict[str, str], bit_rate: int | None = None
) -> list[np.ndarray]:
    height, width = frames[0].shape[:2]
    below, right = height % 2, width % 2
    file = BytesIO()
    with av.open(file, "w", format="nut") as container:
        # The result depends on the number of threads; with mbtree and AVX-512, x264 is not deterministic at all.
        options |= {"threads": "1", "x264-params": "mbtree=0"}
        video = container.add_stream("libx264", rate=rate, options=options)
        assert isinstance(video, VideoStream)  # noqa: S101
        video.width, video.height, video.pix_fmt = width + right, height + below, "yuv420p"
        if bit_rate is not None:
            video.bit_rate = bit_rate
        for frame in frames:
            even = np.pad(frame, ((0, below), (0, right), (0, 0)), mode="edge")
            container.mux(video.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        container.mux(video.encode(None))
    file.seek(0)
    with av.open(file, "r") as written:
        written.streams.video[0].codec_context.thread_count = 1
        decoded = [frame.to_ndarray(format="rgb24") for frame in written.decode(video=0)]
    return [np.ascontiguousarray(frame[:height, :width]) for frame in decoded]
