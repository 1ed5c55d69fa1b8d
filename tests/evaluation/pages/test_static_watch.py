"""What is kept of a clip: the place and the frame with the largest difference, and no more than fits a page."""

from __future__ import annotations

import doctest

import numpy as np

from restill.evaluation.pages import watch as module
from restill.evaluation.pages.watch import CROPS, PLACES, ROWS, Crop, Watch, strongest

HEIGHT, WIDTH = 600, 800


def gray(level: int) -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), level, np.uint8)


def marked(x: int, y: int, more: int) -> np.ndarray:
    picture = gray(50)
    picture[y : y + 120, x : x + 160] += np.uint8(more)
    return picture


def test_examples():
    assert doctest.testmod(module).failed == 0


def test_the_place_and_the_frame_of_the_largest_difference():
    watch = Watch("clip", ["a", "b"], 3)
    for frame, more in enumerate((10, 30, 20)):
        # the third picture is shown, but not compared
        watch.add(frame, {"a": gray(50), "b": marked(20 * frame, 40, more), "clean": gray(200)})
    assert watch.frame == 1
    assert watch.whole["b"].max() == 80
    first = watch.crops[0]
    assert (first.frame, first.region, first.difference) == (1, (20, 40, 160, 120), 30.0)
    assert {name: int(picture.mean()) for name, picture in first.pictures.items()} == {"a": 50, "b": 80, "clean": 200}


def test_the_crops_are_of_different_places_and_of_any_frame():
    watch = Watch("clip", ["a", "b"], 40)
    corners = {3: (0, 0), 17: (640, 0), 30: (0, 480), 38: (640, 480)}
    for number in range(40):
        other = marked(*corners[number], 10 + number) if number in corners else gray(50)
        watch.add(number, {"a": gray(50), "b": other})
    first = {crop.frame: crop.region[:2] for crop in watch.crops[:4]}
    assert first == corners
    assert [crop.frame for crop in watch.crops[:4]] == [38, 30, 17, 3]


def test_a_long_clip_leaves_few_pictures():
    watch = Watch("clip", ["a", "b"], 1000)
    frame = {"a": np.zeros((130, 170, 3), np.uint8), "b": np.zeros((130, 170, 3), np.uint8)}
    for number in range(1000):
        frame["b"][:] = 250 if number == 617 else number % 7
        frame["a"][:, :, 0] = number % 256
        watch.add(number, frame)
    assert len(watch._crops) == PLACES**2
    assert len(watch.crops) == CROPS
    assert watch.crops[0].frame == watch.frame == 617
    profile = watch.profiles["a"]
    assert profile.shape == (ROWS, 170, 3)
    assert profile[0, 0, 0] == (1000 - ROWS) // 2 % 256  # of the middle of the clip


def crop(difference: float, x: int, clip: str = "a") -> Crop:
    return Crop(clip, 0, module.Region(x, 0, 160, 120), difference, {})


def test_a_place_comes_again_only_if_there_are_too_few():
    same = [crop(9, x) for x in range(6)]
    others = [crop(1, 200), crop(2, 400), crop(3, 0, "b"), crop(4, 600), crop(5, 800)]
    assert [c.difference for c in strongest([*same, *others])] == [9, 5, 4, 3, 2, 1]
    assert len(strongest(same)) == CROPS
