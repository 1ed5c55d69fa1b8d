"""The stream equals the whole clip bit for bit, whatever the context, the size and the type of the frames."""

from __future__ import annotations

import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import restill
from restill.alignment import ALIGNERS, Aligner, align_window, luma_of, make_picture
from restill.errors import RestillError
from restill.planes import planes_of
from restill.runtime import Model, load_model, stream, whole_clip


def clip(count: int, height: int, width: int, dtype: type[np.generic] = np.uint8) -> list[np.ndarray]:
    """A smooth texture under a moving camera, with noise: something that flow can follow."""
    rng = np.random.default_rng(2)
    y, x = np.mgrid[: height + count, : width + 2 * count]
    waves = [np.sin(x / 3 + c) * np.cos(y / 4 - c) + np.sin(x * y / 90) for c in range(3)]
    scene = 0.5 + 0.24 * np.stack(waves, axis=-1)
    views = [scene[t : t + height, 2 * t : 2 * t + width] for t in range(count)]
    frames = [view + rng.normal(0, 0.02, view.shape) for view in views]
    white = {"uint8": 255, "uint16": 65535, "float32": 1}[np.dtype(dtype).name]
    return [(np.clip(frame, 0, 1) * white).astype(dtype) for frame in frames]


@pytest.mark.parametrize("align", ["none", "dis"])
@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 1), (2, 0), (1, 3)])
def test_equals_whole_clip(tiny_model, align, count, before, after):
    model = load_model(tiny_model(before, after, align=align), threads=1)
    frames = clip(count, 37, 53)
    streamed = list(stream(model, iter(frames)))
    plain = whole_clip(model, frames)
    assert len(streamed) == len(plain) == count
    assert all(np.array_equal(a, b) for a, b in zip(streamed, plain, strict=True))
    assert streamed[0].shape == (37, 53, 3)
    assert streamed[0].dtype == np.uint8


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_several_workers_give_the_same_frames_in_order(tiny_model, backend, count):
    if backend == "openvino":
        pytest.importorskip("openvino")
    file, frames = tiny_model(1, 1, align="dis"), clip(count, 37, 53)
    one, three = (load_model(file, backend=backend, threads=workers, workers=workers) for workers in (1, 3))
    streamed = list(stream(three, iter(frames)))
    assert len(streamed) == count
    assert all(np.array_equal(a, b) for a, b in zip(streamed, stream(one, frames), strict=True))


def test_several_workers_read_as_many_frames_ahead_and_no_more(tiny_model):
    model, read = load_model(tiny_model(1, 1), threads=2, workers=2), []

    def frames():
        for index, frame in enumerate(clip(8, 32, 32)):
            read.append(index)
            yield frame

    streamed = stream(model, frames())
    next(streamed)
    assert read == [0, 1, 2, 3]  # the first, its neighbor, one for each worker
    next(streamed)
    assert read == [0, 1, 2, 3, 4]
    streamed.close()  # nothing is left running
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("restill-worker")]


@pytest.mark.parametrize("workers", [1, 2])
def test_frames_that_are_not_wanted_are_neighbors_only(tiny_model, workers):
    model, frames = load_model(tiny_model(1, 1, align="dis"), threads=2, workers=workers), clip(7, 32, 32)
    asked = []

    def wanted(frame: np.ndarray) -> bool:
        asked.append(next(t for t, one in enumerate(frames) if one is frame))
        return len(asked) % 3 == 0

    some = list(stream(model, frames, wanted=wanted))
    assert asked == list(range(7))
    every = list(stream(model, frames))
    assert all(np.array_equal(a, b) for a, b in zip(some, [every[2], every[5]], strict=True))


def test_frames_in_hand_are_returned_while_the_next_is_not_there(tiny_model):
    model, frames, read = load_model(tiny_model(1, 1), threads=2, workers=2), clip(3, 32, 32), []

    def slow():
        for frame in frames:
            read.append(frame)
            yield frame
            yield None

    streamed = stream(model, slow())
    first = next(streamed)
    assert len(read) == 2  # the frame and its neighbor, no more
    assert all(np.array_equal(a, b) for a, b in zip([first, *streamed], stream(model, frames), strict=True))


def test_what_goes_wrong_in_a_lane_is_raised(tiny_model):
    info = load_model(tiny_model(0, 0), threads=1).info

    def fail(window: np.ndarray) -> np.ndarray:
        raise ValueError("the network fails")

    with pytest.raises(ValueError, match="the network fails"):
        list(stream(Model(info, Path(), "test", fail, workers=2), clip(5, 32, 32)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("scale", [1, 2])
def test_types_and_scale(tiny_model, dtype, scale):
    model = load_model(tiny_model(1, 1, scale=scale, align="dis"), threads=1)
    frames = clip(4, 32, 41, dtype)
    streamed = list(stream(model, frames))
    assert streamed[0].dtype == dtype
    assert streamed[0].shape == (32 * scale, 41 * scale, 3)
    assert all(np.array_equal(a, b) for a, b in zip(streamed, whole_clip(model, frames), strict=True))


def identity(info_of: Model) -> Model:
    """The same description, and a network that returns the centre frame."""
    centre = info_of.info.frames_before
    return Model(info_of.info, Path(), "test", lambda window: window[:, centre])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_identity_keeps_every_value(tiny_model, dtype):
    model = identity(load_model(tiny_model(1, 1), threads=1))
    frames = clip(3, 30, 31, dtype)
    assert all(np.array_equal(a, b) for a, b in zip(frames, stream(model, frames), strict=True))


def test_alignment_brings_neighbours_onto_the_centre(tiny_model):
    info = load_model(tiny_model(1, 1, align="dis"), threads=1).info
    model = Model(info, Path(), "test", lambda window: window[:, 0])  # the frame before, as the network sees it
    frames = clip(4, 96, 128, np.float32)
    inside = np.s_[16:-16, 16:-16]
    seen = list(stream(model, frames, guard=False))
    moved = np.abs(frames[1] - frames[2])[inside].mean()
    assert np.abs(seen[2] - frames[2])[inside].mean() < 0.3 * moved


@pytest.mark.parametrize("feed", ["floats", "planes"])
def test_a_window_sees_each_frame_aligned_to_its_center(tiny_model, planes_model, feed):
    """Beside the stream's own reference: the windows are built here by hand."""
    model = load_model(tiny_model(1, 1, align="auto") if feed == "floats" else planes_model(), threads=1)
    frames = clip(5, 64, 96)
    picture = [make_picture(luma_of(frame)) for frame in frames]
    aligner = Aligner()
    for t, restored in enumerate(stream(model, frames, guard=False)):
        if not 0 < t < 4:
            continue
        fields = [None, aligner.field(picture[t], picture[t - 1]), aligner.field(picture[t + 1], picture[t])]
        if feed == "floats":
            window = np.stack(align_window(frames[t - 1 : t + 2], fields, 1)).astype(np.float32) / 255
            clean = model.run(np.ascontiguousarray(window.transpose(0, 3, 1, 2))[None])[0].transpose(1, 2, 0)
            expected = np.rint(clean.clip(0, 1) * 255)
        else:
            planes = [planes_of(frame) for frame in frames[t - 1 : t + 2]]
            packing, network = model.at(64, 96)
            packed = packing.pack(align_window([one.y for one in planes], fields, 1), planes[1])
            expected = packing.unpack(network(packed), frames[t], np.dtype(np.uint8))
        np.testing.assert_array_equal(restored, expected)


@pytest.mark.parametrize("aligner", ALIGNERS)
@pytest.mark.parametrize("frames", [3, 5])
def test_planes_stream_like_the_whole_clip(planes_model, aligner, frames):
    model = load_model(planes_model(frames), threads=1)
    given = [planes_of(frame) for frame in clip(6, 64, 96)]
    streamed = list(stream(model, given, aligner=aligner))
    for one, other in zip(streamed, whole_clip(model, given, aligner=aligner), strict=True):
        assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in "yuv")


def test_an_unknown_aligner_is_refused(planes_model):
    with pytest.raises(RestillError, match="aligner 'magic' is not known; the aligners are: auto, source, search, dis"):
        list(stream(planes_model(), clip(2, 32, 32), aligner="magic"))


def test_by_name_and_path(tiny_model):
    frames = clip(2, 16, 16)
    assert len(list(restill.stream(tiny_model(), frames))) == 2
    with pytest.raises(RestillError, match="not known"):
        restill.stream("nobody", frames)  # at once, not at the first frame


def test_starts_before_the_end(tiny_model):
    taken = []

    def source():
        for index, frame in enumerate(clip(9, 16, 16)):
            taken.append(index)
            yield frame

    next(stream(load_model(tiny_model(1, 1), threads=1), source()))
    assert len(taken) < 9


def test_memory_is_constant(tiny_model):
    model = identity(load_model(tiny_model(1, 1), threads=1))
    frame = clip(1, 120, 160)[0]

    def peak(count: int) -> int:
        tracemalloc.start()
        for _ in stream(model, (frame.copy() for _ in range(count))):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(3)
    assert peak(100) < 1.05 * peak(10)


def test_empty(tiny_model):
    assert list(stream(tiny_model(1, 1), [])) == []


def test_frames_must_be_alike(tiny_model):
    model = load_model(tiny_model(1, 1), threads=1)
    frames = clip(3, 16, 16)
    with pytest.raises(RestillError, match=r"frame 3 is 20x16 uint8, but the frames before it are 16x16 uint8"):
        list(stream(model, [*frames, *clip(1, 16, 20)]))
    with pytest.raises(RestillError, match="frame 1 is 16x16 uint16"):
        list(stream(model, [frames[0], *clip(1, 16, 16, np.uint16)]))
    with pytest.raises(RestillError, match=r"frame 0 .*must be \(height, width, 3\)"):
        list(stream(model, [frames[0].astype(np.float64)]))


@pytest.mark.parametrize("size", [(40, 300), (9, 200), (200, 9), (1, 1)])
def test_low_and_narrow_frames(tiny_model, size):
    """OpenCV's flow ended the process for pictures that are wide and low."""
    frames = list(np.random.default_rng(0).integers(0, 256, (3, *size, 3), np.uint8))
    assert [f.shape for f in stream(tiny_model(1, 1, align="dis"), frames)] == [(*size, 3)] * 3
