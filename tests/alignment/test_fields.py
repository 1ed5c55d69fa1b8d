"""Fields move blocks by half pixels, join, and never leave the frame."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from restill.alignment import align_window
from restill.alignment.field import CELL, cells, half_pixels, move, then, to_field, window_fields


def scene(height: int = 64, width: int = 96, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (height, width, channels)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


def field(displacement: tuple[float, float], size: tuple[int, int] = (64, 96)) -> np.ndarray:
    return to_field(np.full((*cells(size), 2), displacement, np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shift", [(3, 0), (-2, 5), (1.5, 0), (0, -0.5), (2.5, -3.5)])
def test_a_block_comes_from_where_its_vector_points(dtype, shift):
    frame = (scene().astype(np.float32) / 255).astype(dtype) if dtype == np.float32 else scene().astype(dtype)
    moved = move(half_pixels(frame), field(shift), frame)
    matrix = np.float32([[1, 0, shift[0]], [0, 1, shift[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    expected = cv2.warpAffine(frame, matrix, (96, 64), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    far = np.abs(moved.astype(float) - expected.astype(float))[1:-1, 1:-1]
    assert far.max() <= (1e-6 if dtype == np.float32 else 1.01)


@pytest.mark.parametrize("size", [(37, 53), (64, 96), (8, 8), (33, 16)])
def test_vectors_out_of_the_frame_end_at_its_border(size):
    """A vector that lies far outside repeats the edge, whatever it says."""
    frame = scene(*size)
    for far in ((2000.0, 0.0), (-2000.0, 0.0), (0.0, 2000.0), (0.0, -2000.0), (1999.5, -1999.5)):
        moved = move(half_pixels(frame), field(far, size), frame)
        assert moved.shape == frame.shape
        edge = frame[:, -1 if far[0] > 0 else 0] if far[0] else frame[-1 if far[1] > 0 else 0]
        assert set(map(tuple, moved.reshape(-1, 3))) <= set(map(tuple, edge.reshape(-1, 3)))


def test_a_plane_moves_like_the_frame_that_it_is_of():
    frame, shift = scene(), field((1.5, -2.0))
    whole = move(half_pixels(frame), shift, frame)
    for c in range(3):
        plane = np.ascontiguousarray(frame[..., c])
        np.testing.assert_array_equal(move(half_pixels(plane), shift, plane), whole[..., c])


def test_two_steps_join():
    first, second = field((8.0, 0.0)), np.zeros_like(field((0, 0)))
    second[:, 3] = (4, -6)  # half pixels, in the fourth column of blocks
    joined = then(first, second)
    assert (joined[:, 2] == (16 + 4, -6)).all()  # a block of the third column lands in the fourth
    assert (joined[:, 5] == (16, 0)).all()


def test_later_frames_take_the_opposite_motion():
    step = field((2.0, -1.0))
    found = window_fields([None, step, step, step, step], 2)
    for place, factor in enumerate((2, 1, None, -1, -2)):
        if factor is None:
            assert found[place] is None
        else:
            np.testing.assert_array_equal(found[place], factor * step)


def test_a_frame_that_repeats_or_does_not_move_is_not_copied():
    frames = [scene(), scene()]
    assert align_window(frames, [None, None], 1)[0] is frames[0]
    assert align_window(frames, [None, field((0, 0))], 1)[0] is frames[0]
    assert align_window(frames, [None, field((CELL, 0))], 1)[0] is not frames[0]
