"""Make the validation set ``foreign-pictures``: clean pictures in rain that Restill did not render."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from restill.datasets.files import read_picture
from restill.datasets.foreign_rain import KINDS, Layers
from restill.datasets.foreign_renderers import RENDERED, rendered
from restill.datasets.held_out import PHOTOGRAPHS
from restill.datasets.make_foreign import complete, fitted, generator, held_out_clips
from restill.progress import track
from restill.video import read_frames
from restill.video.pictures import to_8_bits, write_picture

FRAME = 10  # the frame that is taken of a clip, from 0
QUALITY = (60, 95)  # of the JPEG files


def make_foreign_pictures(
    clean: Path, photos: Path, layers: Path, output: Path, seed: int = 0, *, quiet: bool = False
) -> int:
    """Write the set: each clean picture once, and in every kind of rain.

    Args:
        clean: A folder that holds the clips of :data:`restill.datasets.held_out.SCORED`.
        photos: A folder that holds :data:`restill.datasets.held_out.PHOTOGRAPHS`.
        layers: See :class:`restill.datasets.foreign_rain.Layers`.
        output: The folder to write. It gets its name when it is complete.
        seed: The same seed gives the same rain.
        quiet: Show no progress.

    Returns:
        The number of rainy pictures.

    Raises:
        RestillError: If a picture, clip or layer is missing, a renderer is not installed, or the output exists.
    """
    with complete(output) as partial:
        pictures = {Path(name).stem: fitted(read_picture(photos / name)) for name in PHOTOGRAPHS}
        for name, path in held_out_clips(clean).items():
            pictures[name] = fitted(to_8_bits(next(islice(read_frames(path), FRAME, None))))
        over = Layers(layers).over
        count = len(pictures) * (len(KINDS) + len(RENDERED))
        for side in ("gt", "rain"):
            (partial / side).mkdir(parents=True)
        with track("pictures in rain", count, "pictures", quiet=quiet) as advance:
            for name, picture in pictures.items():
                write_picture(partial / "gt" / f"{name}.png", picture)
                for kind in (*KINDS, *RENDERED):
                    rng = generator(seed, f"{name}.{kind}")
                    (rainy,) = (over if kind in KINDS else rendered)(kind, [picture], rng)
                    _write_jpeg(partial / "rain" / f"{name}.{kind}.jpg", rainy, int(rng.integers(*QUALITY)))
                    advance()
    return count


def _write_jpeg(path: Path, picture: np.ndarray, quality: int) -> None:
    _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    path.write_bytes(data.tobytes())
