"""Thin things that belong to the scene."""

import cv2
import numpy as np
import pytest

from restill.degradations.things import KINDS, Things, follow, steps


def scene(count=5, speed=(3.0, -2.0), size=(120, 140)):
    """A textured scene that moves by ``speed`` (x, y) pixels a frame."""
    rng = np.random.default_rng(3)
    whole = cv2.GaussianBlur(rng.integers(0, 256, (200, 220, 3)).astype(np.uint8), (0, 0), 2.0)
    whole = cv2.normalize(whole, None, 20, 180, cv2.NORM_MINMAX)
    moves = (np.float64([[1, 0, speed[0] * t - 40], [0, 1, speed[1] * t - 40]]) for t in range(count))
    return [cv2.warpAffine(whole, move, size[::-1], flags=cv2.INTER_LINEAR) for move in moves]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_something_thin(kind):
    hidden = [Things.draw(np.random.default_rng(seed), (96, 96), kind).part for seed in range(6)]
    assert max(part.max() for part in hidden) > 150
    assert 0 < np.mean([np.mean(part > 128) for part in hidden]) < 0.3


def test_the_motion_of_a_scene_is_found():
    found = steps(scene())
    assert found is not None
    assert np.allclose([move[:, 2] for move in found], [[3 * t, -2 * t] for t in range(-2, 3)], atol=0.4)
    assert steps([np.full((80, 80, 3), 50, np.uint8)] * 3) is None


def test_things_move_with_the_scene_or_stay_in_the_picture():
    frames, moved, still = scene(), 0, 0
    for seed in range(24):
        drawn = follow(frames, np.random.default_rng(seed))
        where = [np.any(cv2.absdiff(a, b) > 40, 2) for a, b in zip(drawn, frames, strict=True)]
        if min(mask.sum() for mask in where) < 30:
            continue
        back = np.roll(where[4], (8, -12), (0, 1))[20:-20, 20:-20]  # where the scene of frame 4 was in frame 0
        before = where[0][20:-20, 20:-20]
        with_scene = (before & back).sum() / max((before | back).sum(), 1)
        in_place = (where[0] & where[4]).sum() / (where[0] | where[4]).sum()
        moved += with_scene > 0.4 and with_scene > in_place
        still += in_place > 0.4 and in_place > with_scene
    assert moved > 3
    assert still > 0
    again = follow(frames, np.random.default_rng(1))
    assert all(np.array_equal(a, b) for a, b in zip(again, follow(frames, np.random.default_rng(1)), strict=True))
