"""A model that does nothing, and small clips."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from restill.runtime import Model, ModelInfo
from restill.video.pictures import write_picture


def model(scale: int = 1, context: int = 1, darker: float = 0.0) -> Model:
    """A model that gives back the centre frame, darker and enlarged."""
    info = ModelInfo(
        name="none",
        task="derain",
        network="none",
        frames_before=context,
        frames_after=context,
        scale=scale,
        size_multiple=4,
        align="none",
        parameters=0,
        macs_per_pixel=0,
    )

    def compute(window: np.ndarray) -> np.ndarray:
        return (window[:, context] - darker).repeat(scale, axis=2).repeat(scale, axis=3)

    return Model(info, Path("none.onnx"), "test", compute)


def small_clip(path: Path, frames: int = 4, width: int = 64, height: int = 48) -> Path:
    """A clip in any container, with a bar that moves."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4" if path.suffix in (".avi", ".mov") else "libx264", rate=25)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            picture = np.full((height, width, 3), 60, np.uint8)
            picture[:, 4 * number % width : 4 * number % width + 4] = 200
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def moving(folder: Path, count: int = 7, width: int = 50, height: int = 38, dtype: type = np.uint8) -> Path:
    """A folder of frames in which a bright column moves."""
    folder.mkdir(parents=True)
    for number in range(count):
        frame = np.full((height, width, 3), 0.3 * np.iinfo(dtype).max, dtype)
        frame[:, 5 * number : 5 * number + 8] = int(0.7 * np.iinfo(dtype).max)
        write_picture(folder / f"{number + 1}.png", frame)
    return folder
