"""--rotate: frames come upright, whatever the file says of itself, and the output stands as they do."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from restill.errors import RestillError
from restill.restoring.api import restore
from restill.restoring.request import Request
from restill.video import EncodeSettings, probe, read_frames, transcode
from restill.video.decode import open_source
from restill.video.orientation import Orientation
from restill.video.pictures import read_picture, write_picture

DEGREES = (0, 90, 180, 270)
# display matrices, by how many degrees clockwise a player turns the picture
MATRICES = {
    0: None,
    90: (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30),
    180: (-(1 << 16), 0, 0, 0, -(1 << 16), 0, 0, 0, 1 << 30),
    270: (0, -(1 << 16), 0, 1 << 16, 0, 0, 0, 0, 1 << 30),
}


def picture(height: int = 48, width: int = 64) -> np.ndarray:
    """A picture that differs after every turn."""
    y, x = np.mgrid[:height, :width]
    red = np.where((y < 16) & (x < 24), 220, 30)
    return np.stack([red, 255 * y // height, 255 * x // width], axis=-1).astype(np.uint8)


def clip(path: Path, turned: int = 0, aspect: Fraction | None = None) -> Path:
    """Three frames that players turn by so many degrees; without loss, or in H.264 with a pixel aspect."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264" if aspect else "ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p" if aspect else "bgr0"
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if MATRICES[turned]:
            stream.set_display_matrix(MATRICES[turned])
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(), format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("flips", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("degrees", DEGREES)
def test_turning_after_any_orientation(transpose, flips, degrees):
    orientation, frame = Orientation(transpose, *flips), picture()
    turned = orientation.clockwise(degrees).upright(frame)
    assert np.array_equal(turned, np.rot90(orientation.upright(frame), -degrees // 90))


@pytest.mark.parametrize("degrees", DEGREES[1:])
@pytest.mark.parametrize("turned", DEGREES)
def test_pixel_aspect(tmp_path, turned, degrees):
    aspect = Fraction(4, 3)
    source = clip(tmp_path / "in.mp4", turned, aspect)
    with closing(open_source(source, rotate=degrees)) as opened:
        assert opened.info.sample_aspect == (1 / aspect if (turned + degrees) % 180 else aspect)


@pytest.mark.parametrize("degrees", DEGREES)
@pytest.mark.parametrize("turned", DEGREES)
def test_a_video(tmp_path, turned, degrees):
    source = clip(tmp_path / "in.mkv", turned)
    seen = np.rot90(picture(), -(turned + degrees) // 90)
    with closing(open_source(source, rotate=degrees)) as opened:
        frames = [frame for frame, _ in opened.frames()]
        assert (opened.info.height, opened.info.width) == seen.shape[:2]
        assert len(frames) == 3
        assert np.array_equal(frames[1], seen)
        settings = EncodeSettings(codec="ffv1")
    with closing(open_source(source, rotate=degrees)) as opened:
        transcode(opened, tmp_path / "out.mkv", lambda frames: frames, settings)
    info = probe(tmp_path / "out.mkv")
    written = next(read_frames(tmp_path / "out.mkv"))
    assert written.shape == seen.shape
    assert np.abs(written.astype(int) - seen).mean() < 4  # colors are rounded
    assert (info.height, info.width) == seen.shape[:2]
    if degrees:
        assert info.rotation == 0  # the pixels themselves stand upright


@pytest.mark.parametrize("degrees", DEGREES[1:])
def test_pictures_and_folders(tmp_path, degrees):
    (tmp_path / "in").mkdir()
    for number in range(3):
        write_picture(tmp_path / "in" / f"{number}.png", picture())
    seen = np.rot90(picture(), -degrees // 90)
    restore(tmp_path / "in" / "0.png", tmp_path / "one.png", "rill-p", rotate=degrees, quiet=True, threads=1)
    restore(tmp_path / "in", tmp_path / "out", "min-median", rotate=degrees, quiet=True, threads=1)
    for file in (tmp_path / "one.png", tmp_path / "out" / "1.png"):
        result = read_picture(file)
        assert result.shape == seen.shape
        assert np.abs(result.astype(int) - seen).mean() < 20


@pytest.mark.parametrize("degrees", [45, 360, -90])
def test_other_angles(tmp_path, degrees):
    with pytest.raises(RestillError, match=f"rotate {degrees} is not possible; use 90, 180 or 270"):
        Request(tmp_path, tmp_path, rotate=degrees)
