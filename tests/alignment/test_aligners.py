"""Each aligner finds a known motion; wrong vectors cost quality only; a field is a function of two frames."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restill.alignment import ALIGNERS, Aligner, Picture, luma_of, make_picture
from restill.alignment.field import FARTHEST, cells
from restill.alignment.search import camera_vectors, has_x264
from restill.alignment.vectors import displacements
from restill.errors import RestillError

SPEED = (4, 2)  # pixels a frame
VECTOR = np.dtype(
    [(name, "<i4") for name in ("source",)]
    + [(name, "u1") for name in ("w", "h")]
    + [(name, "<i2") for name in ("src_x", "src_y", "dst_x", "dst_y")]
    + [("flags", "<u8"), ("motion_x", "<i4"), ("motion_y", "<i4"), ("motion_scale", "<u2")]
)


def clip(count: int, speed: tuple[int, int] = SPEED, size: tuple[int, int] = (144, 192)) -> list[np.ndarray]:
    """Lumas of a texture under a moving camera."""
    rng = np.random.default_rng(0)
    height, width = size
    wide = cv2.GaussianBlur(rng.random((height + 16 * count, width + 16 * count)), (0, 0), 2.5)
    wide = (255 * (wide - wide.min()) / (wide.max() - wide.min())).astype(np.uint8)
    return [
        wide[speed[1] * t : speed[1] * t + height, speed[0] * t : speed[0] * t + width].copy() for t in range(count)
    ]


def pictures(lumas: list[np.ndarray], *, camera: bool) -> list[Picture]:
    known = camera_vectors(lumas) if camera else [None] * len(lumas)
    return [make_picture(luma, vectors) for luma, vectors in zip(lumas, known, strict=True)]


def vectors(entries: list[tuple[int, ...]]) -> np.ndarray:
    found = np.zeros(len(entries), VECTOR)
    for place, (source, w, h, x, y, dx, dy, scale) in enumerate(entries):
        found[place] = (source, w, h, 0, 0, x, y, 0, dx, dy, scale)
    return found


@pytest.mark.parametrize("name", ALIGNERS)
def test_known_motion_is_found(name):
    before, now = pictures(clip(3), camera=True)[1:]
    inner = Aligner(name).field(now, before)[3:-3, 3:-3]
    assert np.median(np.abs(inner - 2 * np.array(SPEED))) <= 1  # half a pixel


@pytest.mark.parametrize("name", ["search", "dis"])
def test_streaks_do_not_lead_the_motion_astray(name):
    """Bright lines, one pixel wide, stand still before a picture that moves."""
    lumas = clip(2, (6, 0))
    for luma in lumas:
        luma[:, 5::16] = 255
    before, now = pictures(lumas, camera=False)
    inner = Aligner(name).field(now, before)[3:-3, 3:-3]
    assert np.median(np.abs(inner[..., 0] - 12)) <= 2


@pytest.mark.parametrize("name", ALIGNERS)
def test_a_field_depends_on_its_two_frames_only(name):
    """So a job that is resumed finds the same fields."""
    seen = pictures(clip(5), camera=True)
    used = Aligner(name)
    for before, now in pairwise(seen):
        np.testing.assert_array_equal(used.field(now, before), Aligner(name).field(now, before))


def test_auto_takes_vectors_that_are_right_and_flow_otherwise():
    before, now = pictures(clip(2), camera=True)
    auto = Aligner()
    right = auto.field(now, before)
    np.testing.assert_array_equal(right, Aligner("source").field(now, before))
    assert now.vectors is not None
    lying = now.vectors.copy()
    lying["motion_x"] *= -3  # as vectors to another frame would be
    lying["motion_y"] += 40
    flow = Aligner("dis").field(now, before)
    np.testing.assert_array_equal(auto.field(now._replace(vectors=lying), before), flow)
    np.testing.assert_array_equal(auto.field(now._replace(vectors=None), before), flow)


def test_vectors_that_fit_worse_than_no_motion_are_not_used():
    lumas = clip(2, (0, 0))
    before, now = pictures(lumas, camera=False)
    wrong = vectors([(-1, 16, 16, 16 * x + 8, 16 * y + 8, 160, -120, 4) for y in range(9) for x in range(12)])
    assert not Aligner("source").field(now._replace(vectors=wrong), before).any()


numbers = st.integers(-(2**15), 2**15 - 1)
entry = st.tuples(
    st.integers(-3, 3), st.integers(0, 255), st.integers(0, 255), numbers, numbers,
    st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1), st.integers(0, 2**16 - 1),
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(entry, max_size=12), st.sampled_from([(16, 16), (37, 53), (144, 192)]))
def test_damaged_vectors_cost_quality_only(entries, size):
    lumas = clip(2, size=size)
    before, now = pictures(lumas, camera=False)
    for name in ("source", "auto"):
        field = Aligner(name).field(now._replace(vectors=vectors(entries)), before)
        assert field.shape == (*cells(size), 2)
        assert field.dtype == np.int16
        assert np.abs(field.astype(int)).max() <= FARTHEST


def test_vectors_cover_their_blocks():
    found, known = displacements(vectors([(-1, 16, 8, 24, 12, 6, -4, 4), (1, 16, 16, 8, 8, 99, 99, 1)]), (32, 48), 8)
    assert np.argwhere(known).tolist() == [[1, 2], [1, 3]]  # a vector to a later frame counts for nothing
    assert (found[1, 2:4] == (1.5, -1.0)).all()


def test_without_x264_flow_takes_its_place(monkeypatch):
    monkeypatch.setattr("restill.alignment.aligners.has_x264", lambda: False)
    before, now = pictures(clip(2), camera=False)
    np.testing.assert_array_equal(Aligner("search").field(now, before), Aligner("dis").field(now, before))


def test_x264_is_there():
    """The wheels of PyAV have it, so the tests above measure the search."""
    assert has_x264()


def test_large_frames_are_aligned_on_pictures_of_about_240_lines():
    shapes = [(480, 854), (721, 1280), (1920, 1080), (600, 800), (6, 9)]
    small = [make_picture(np.zeros(shape, np.uint8)).small.shape for shape in shapes]
    assert small == [(240, 427), (241, 427), (480, 270), (300, 400), (32, 32)]


def test_luma_is_the_same_for_all_types():
    frame = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    assert np.abs(luma_of(frame).astype(int) - luma_of(frame.astype(np.uint16) * 257)).max() <= 1
    assert np.abs(luma_of(frame).astype(int) - luma_of(frame.astype(np.float32) / 255)).max() <= 1


def test_an_unknown_aligner_is_refused():
    with pytest.raises(RestillError, match="aligner 'flow' is not known; the aligners are: auto, source, search, dis"):
        Aligner("flow")
