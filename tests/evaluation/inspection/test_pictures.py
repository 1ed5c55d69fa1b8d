"""Drawing: every pixel that says something, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from restill.errors import RestillError
from restill.evaluation.inspection import pictures
from restill.evaluation.inspection.pictures import GAP, Region

BLACK, YELLOW = (0, 0, 4), (252, 255, 164)  # the ends of inferno


def gray(level: int, height: int = 4, width: int = 6) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def test_error_map_by_hand():
    picture, clean = gray(10), gray(10)
    picture[1, 2] = (13, 4, 10)  # 3 above, 6 below, and right
    expected = np.zeros((4, 6))
    expected[1, 2] = 3
    assert pictures.error_map(picture, clean).tolist() == expected.tolist()
    assert pictures.error_map(clean, picture).tolist() == expected.tolist()


def test_one_scale_for_all_maps_leaves_out_the_few():
    low, high = np.zeros((20, 20)), np.full((20, 20), 2.0)
    high[0, 0] = 100.0  # one of 400
    assert pictures.common_scale([low, high]) == (0.0, 2.0)
    assert pictures.common_scale([low])[1] > 0


def test_colors_and_what_is_beyond_the_scale():
    picture = pictures.colored(np.array([[0.0, 8.0, 9.0, -1.0, 4.0]]), (0.0, 8.0))
    assert [tuple(pixel) for pixel in picture[0, :4].tolist()] == [BLACK, YELLOW, YELLOW, BLACK]
    assert BLACK < tuple(picture[0, 4].tolist()) < YELLOW


def test_the_bar_goes_from_one_end_to_the_other():
    bar = pictures.color_bar(200, (0.0, 8.0), "gray levels")
    assert bar.shape == (52, 200, 3)
    assert tuple(bar[0, 0].tolist()) == BLACK
    assert tuple(bar[0, -1].tolist()) == YELLOW
    assert bar[20:].min() < 100 < bar[20:].max()  # words under it


def test_profile_by_hand():
    clip = [gray(0) for _ in range(3)]
    for t, frame in enumerate(clip):
        frame[2, t] = 100 + t
        frame[1] = 50  # another row
    profile = pictures.temporal_profile(iter(clip), 2)
    assert profile.shape == (3, 6, 3)
    assert profile[..., 0].tolist() == [[100, 0, 0, 0, 0, 0], [0, 101, 0, 0, 0, 0], [0, 0, 102, 0, 0, 0]]
    clip[0][2, 0] = 7
    assert profile[0, 0, 0] == 100  # its own memory


def test_small_pictures_grow_by_whole_factors_and_large_ones_shrink():
    grown = pictures.fitted(gray(9, 4, 100))
    assert grown.shape == (12, 300, 3)
    large = gray(0, 2, 1920)
    large[:, ::2] = 200
    assert pictures.fitted(large).shape == (1, 960, 3)
    assert (pictures.fitted(large) == 100).all()
    assert pictures.fitted(gray(0, 10, 500)).shape == (10, 500, 3)


def test_stretched_makes_no_new_values():
    values = np.array([[1.0, 2.0]], np.float32)
    assert pictures.stretched(values, (2, 6)).tolist() == [[1, 1, 1, 2, 2, 2]] * 2


def test_a_frame_around_the_region_and_ticks_at_the_row():
    picture = gray(0, 20, 40)
    marked = pictures.outlined(picture, Region(10, 5, 8, 6), row=15)
    assert not picture.any()
    yellow = (marked == pictures.MARK).all(axis=2)
    expected = np.zeros((20, 40), bool)
    expected[[5, 10], 10:18] = expected[5:11, 10] = expected[5:11, 17] = True
    expected[15, :2] = expected[15, -2:] = True
    assert np.array_equal(yellow, expected)
    assert Region(10, 5, 8, 6).cut(picture).shape == (6, 8, 3)


def test_panels_in_lines():
    page = pictures.beside([gray(1, 3, 900), gray(2, 5, 900), gray(3, 3, 900)], gray(4, 2, 10))
    assert page.shape == (GAP + 5 + GAP + 3 + GAP + 2 + GAP, GAP + 900 + GAP + 900 + GAP, 3)
    assert page[GAP, GAP, 0] == 1
    assert page[GAP, 2 * GAP + 900, 0] == 2
    assert page[2 * GAP + 5, GAP, 0] == 3
    assert page[3 * GAP + 8, GAP, 0] == 4
    assert page[GAP + 4, GAP, 0] == 255  # below the lower panel of a line
    assert pictures.stacked([gray(1), gray(2)]).shape == (3 * GAP + 8, 2 * GAP + 6, 3)


def test_labels_keep_their_end():
    words = pictures._shortened("runs/a-long-name/of-a-student", 120)
    assert words.startswith("...")
    assert words.endswith("student")
    assert pictures._width(words) <= 120
    assert pictures._shortened("été", 200) == "?t?"
    panel = pictures.labeled(gray(0, 10, 300), "rill-s")
    assert panel.shape == (34, 300, 3)
    assert not panel[:10].any()
    assert panel[10:].min() < 100


@pytest.mark.parametrize("text", ["1,2,3", "a,b,c,d", "1,2,3,4,5", "1,2,0,4", ""])
def test_wrong_regions(text):
    with pytest.raises(RestillError, match=f"region '{text}'"):
        pictures.parse_region(text)
