"""Tiles give what the whole frame gives, and less is in memory at once."""

from __future__ import annotations

import numpy as np
import pytest

from restill.errors import RestillError
from restill.runtime import load_model, stream
from restill.runtime import model as models
from restill.runtime.tiles import cuts, tiled


def clip(height: int, width: int, count: int = 3) -> list[np.ndarray]:
    return list(np.random.default_rng(3).integers(0, 256, (count, height, width, 3), np.uint8))


@pytest.mark.parametrize(("scale", "align"), [(1, "none"), (1, "dis"), (2, "none")])
@pytest.mark.parametrize(("height", "width"), [(150, 201), (64, 64), (40, 300), (77, 30)])
def test_as_the_whole_frame(tiny_model, scale, align, height, width):
    path = tiny_model(1, 1, scale=scale, align=align, reach=1)
    whole = stream(load_model(path, threads=1), clip(height, width))
    in_tiles = stream(load_model(path, threads=1, tile=64), clip(height, width))
    assert all(np.array_equal(a, b) for a, b in zip(whole, in_tiles, strict=True))


def test_less_around_a_tile_shows():
    """The test above would see it: with no surroundings the tiles' edges differ."""

    def blur(window: np.ndarray) -> np.ndarray:
        padded = np.pad(window[:, 0], ((0, 0), (0, 0), (1, 1), (1, 1)))
        return padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1]

    window = np.random.default_rng(0).random((1, 1, 3, 130, 70), np.float32)
    assert np.array_equal(tiled(blur, 64, 1)(window), blur(window))
    assert not np.array_equal(tiled(blur, 64, 0)(window), blur(window))


def test_all_tiles_have_one_size_and_cover_the_frame():
    for side in range(60, 400, 7):
        found = cuts(side, 64, 12)
        assert len({cut.seen.stop - cut.seen.start for cut in found}) == 1
        assert [x for cut in found for x in range(cut.kept.start, cut.kept.stop)] == list(range(side))
        assert all(cut.seen.start in (0, cut.kept.start - 12) or cut.seen.stop == side for cut in found)


def seen_sizes(monkeypatch, path, **options) -> set[tuple[int, ...]]:
    """Heights and widths of all windows that the network took for one frame of 100x150."""
    seen = set()

    def load(file, threads, precision, workers):
        def compute(window):
            seen.add(window.shape[-2:])
            return window[:, 0]

        return compute

    monkeypatch.setitem(models.backends.BACKENDS, "onnxruntime", load)
    list(stream(load_model(path, threads=1, **options), clip(100, 150, 1)))
    return seen


def test_large_frames_are_cut_by_default(tiny_model, monkeypatch):
    path = tiny_model(reach=3)
    assert seen_sizes(monkeypatch, path) == {(100, 152)}
    monkeypatch.setattr(models, "MAX_PIXELS", 100 * 151)
    monkeypatch.setattr(models, "TILE", 64)
    assert seen_sizes(monkeypatch, path) == {(72, 72)}
    assert seen_sizes(monkeypatch, path, tile=0) == {(100, 152)}
    assert seen_sizes(monkeypatch, path, tile=80) == {(88, 88)}
    assert seen_sizes(monkeypatch, tiny_model()) == {(100, 152)}  # one that does not say how far it looks


def test_what_is_wrong_is_said(tiny_model):
    with pytest.raises(RestillError, match="tile 8 is too small: use at least 64 pixels, such as 512"):
        load_model(tiny_model(reach=1), tile=8)
    with pytest.raises(RestillError, match="cannot be cut into tiles: its receptive field may be the whole frame"):
        load_model(tiny_model(), tile=128)
