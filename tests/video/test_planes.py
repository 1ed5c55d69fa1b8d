"""Frames pass as planes where the file and the output allow it, with the same pictures as in RGB."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

import restill
from restill.errors import RestillError
from restill.planes import Planes
from restill.video import EncodeSettings, segments, transcode
from restill.video.color import ColorTags, to_planes
from restill.video.decode import VideoSource
from restill.video.journal import journal_folder

MATRIX = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)  # players turn the picture by 90 degrees
CAMERA = {"bf": "0", "refs": "1", "g": "30", "crf": "20", "preset": "veryfast"}


def clip(path: Path, count: int = 4, pixels: str = "yuv420p", size=(64, 48), **how) -> Path:
    """A texture that moves by two pixels a frame, in H.264."""
    width, height = size
    rng = np.random.default_rng(0)
    wide = cv2.GaussianBlur(rng.integers(0, 256, (height, width + 2 * count, 3)).astype(np.uint8), (0, 0), 2)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options=CAMERA | how.pop("options", {}))
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        if how.pop("turned", False):
            stream.set_display_matrix(MATRIX)
        if "range" in how:
            stream.codec_context.color_range = how["range"]
        for t in range(count):
            view = np.ascontiguousarray(wide[:, 2 * t : 2 * t + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def planes_in(path: Path) -> list[list[np.ndarray]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return [[plane.copy() for plane in _of(frame)] for frame in frames]


def _of(frame: av.VideoFrame) -> Iterator[np.ndarray]:
    for plane in frame.planes:
        yield np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]


def carried(src: Path, dst: Path, settings: EncodeSettings | None = None) -> list[Planes | np.ndarray]:
    """The frames that a process gets that asks for planes."""
    seen: list[Planes | np.ndarray] = []

    def watch(frames: Iterator) -> Iterator:
        for frame in frames:
            seen.append(frame)
            yield frame

    transcode(src, dst, watch, settings, planes=True)
    return seen


@pytest.mark.parametrize("full", [False, True])
def test_a_process_that_does_nothing_changes_no_plane(tmp_path, full):
    src = clip(tmp_path / "in.mp4", range=2 if full else 1)
    seen = carried(src, tmp_path / "out.mp4", EncodeSettings(crf=0))
    assert all(isinstance(frame, Planes) and frame.full == full for frame in seen)
    for before, after in zip(planes_in(src), planes_in(tmp_path / "out.mp4"), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("how", "output", "settings"),
    [
        ({"pixels": "yuv444p"}, "out.mp4", None),
        ({"pixels": "yuv420p10le"}, "out.mp4", None),
        ({"size": (50, 38), "pixels": "yuv444p"}, "out.mp4", None),
        ({}, "out", None),
        ({}, "out.mkv", EncodeSettings(pixel_format="yuv444p")),
        ({}, "out.mkv", EncodeSettings(codec="ffv1", pixel_format="yuv422p")),
    ],
)
def test_elsewhere_frames_are_rgb(tmp_path, how, output, settings):
    src = clip(tmp_path / "in.mkv", **how)
    seen = carried(src, tmp_path / output, settings)
    assert len(seen) == 4
    assert not any(isinstance(frame, Planes) for frame in seen)


def test_turned_planes_are_upright_in_the_process_and_as_before_in_the_file(tmp_path):
    src = clip(tmp_path / "in.mp4", turned=True)
    seen = carried(src, tmp_path / "out.mp4", EncodeSettings(crf=0))
    for frame, stored, after in zip(seen, planes_in(src), planes_in(tmp_path / "out.mp4"), strict=True):
        assert isinstance(frame, Planes)
        assert frame.shape == (64, 48)
        assert np.array_equal(frame.y, np.rot90(stored[0], -1))
        assert np.array_equal(frame.v, np.rot90(stored[2], -1))
        assert all(np.array_equal(a, b) for a, b in zip(stored, after, strict=True))


def test_motion_vectors_come_with_planes_where_they_point_to_the_frame_before(tmp_path):
    for name, options, known in (("a.mp4", {}, True), ("b.mp4", {"bf": "3"}, False)):
        with closing(VideoSource(clip(tmp_path / name, 6, options=options))) as source:
            frames = [frame for frame, _ in source.frames(planes=True)]
        assert [frame.vectors is not None for frame in frames] == [False, *[known] * 5]


def test_frames_leave_the_memory_without_a_search_for_cycles(tmp_path):
    path = clip(tmp_path / "in.mp4", 24, options={"bf": "0"})
    gc.collect()
    gc.disable()
    try:
        with closing(VideoSource(path)) as source:
            for _ in source.frames(planes=True):
                pass
        assert sum(isinstance(one, av.VideoFrame) for one in gc.get_objects()) <= 4
    finally:
        gc.enable()


def test_a_frame_of_another_format_is_converted():
    """A stream may change its format; the frames stay planes of the range of the first."""
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(0, 256, (48, 64, 3)).astype(np.uint8), (0, 0), 3)
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    expected = to_planes(frame.reformat(format="yuv420p"), ColorTags(range=1))
    for other in ("yuvj420p", "yuv444p", "yuv420p10le"):
        found = to_planes(frame.reformat(format=other), ColorTags(range=1))
        for name in "yuv":
            far = np.abs(getattr(found, name).astype(int) - getattr(expected, name))
            assert np.mean(far) < 1.5, (other, name)
        assert not found.full


def test_restored_planes_equal_restored_rgb(tmp_path, planes_model):
    """Up to the rounding of colors on the way to RGB and back."""
    src = clip(tmp_path / "in.mp4")
    model = planes_model()
    restill.restore(src, tmp_path / "planes.mkv", model, settings=EncodeSettings(crf=0), quiet=True)
    with closing(VideoSource(src)) as source:
        frames = [frame for frame, _ in source.frames()]
    rgb = list(restill.stream(model, frames))
    found = list(restill.video.read_frames(tmp_path / "planes.mkv"))
    moved = np.mean([np.abs(a.astype(int) - b) for a, b in zip(frames, rgb, strict=True)])
    far = np.mean([np.abs(a.astype(int) - b) for a, b in zip(found, rgb, strict=True)])
    assert moved > 6
    assert far < 0.25 * moved


class Cut(BaseException):
    """Stops a job."""


@pytest.mark.parametrize("aligner", ["auto", "source", "search", "dis"])
@pytest.mark.parametrize("frames", [3, 5])
def test_a_job_that_is_cut_ends_with_the_same_frames(tmp_path, monkeypatch, planes_model, aligner, frames):
    monkeypatch.setattr(segments, "FRAMES", 8)
    monkeypatch.setattr(segments, "FEWEST", 8)
    src, model = clip(tmp_path / "in.mkv", 30), planes_model(frames)
    how = {"aligner": aligner, "quiet": True}
    restill.restore(src, tmp_path / "whole.mkv", model, **how)
    for stop in (11, 12, 3):
        left = stop

        def cut() -> None:
            nonlocal left
            left -= 1
            if not left:
                raise Cut

        with pytest.raises(Cut):
            restill.restore(src, tmp_path / "cut.mkv", model, on_frame=cut, **how)
    assert journal_folder(tmp_path / "cut.mkv").is_dir()
    restill.restore(src, tmp_path / "cut.mkv", model, **how)
    for one, other in zip(planes_in(tmp_path / "whole.mkv"), planes_in(tmp_path / "cut.mkv"), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_job_starts_over_with_another_strength(tmp_path, monkeypatch, planes_model, capsys):
    monkeypatch.setattr(segments, "FRAMES", 8)
    monkeypatch.setattr(segments, "FEWEST", 8)
    src, model, out = clip(tmp_path / "in.mkv", 30), planes_model(), tmp_path / "out.mkv"
    left = 0

    def cut() -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Cut

    for strength, said in ((0.5, ""), (0.5, "resuming after"), (1.5, "options changed since")):
        left = 11
        with pytest.raises(Cut):
            restill.restore(src, out, model, strength=strength, on_frame=cut)
        assert said in capsys.readouterr().err


def test_the_strength_reaches_the_frames_of_a_file(tmp_path, planes_model):
    src, model = clip(tmp_path / "in.mp4"), planes_model()
    for strength in (0, 0.5, 1):
        out, settings = tmp_path / f"{strength}.mkv", EncodeSettings(crf=0)
        restill.restore(src, out, model, strength=strength, settings=settings, quiet=True)
    before, half, whole = (planes_in(path) for path in (src, tmp_path / "0.5.mkv", tmp_path / "1.mkv"))
    for a, b, c, d in zip(before, planes_in(tmp_path / "0.mkv"), half, whole, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
        assert np.abs((a[0].astype(float) + d[0]) / 2 - c[0]).max() <= 1
        assert np.abs(a[0].astype(float) - d[0]).mean() > 1
    with pytest.raises(RestillError, match=r"strength 3 is not possible; use 0 .* to 2"):
        restill.restore(src, tmp_path / "3.mkv", model, strength=3)
