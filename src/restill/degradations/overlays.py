"""Rain and snow drawn in the picture, by rules other than those of the physical renderer.

Each overlay is a list of gray pictures on black, one for a frame, (H, W) uint8, which :func:`laid_over` puts on frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

SHIFT = 4  # OpenCV draws at 1/16 of a pixel
NOISY = 1.5  # size of the canvas of blurred noise relative to the frame: it is turned afterwards


def blurred_noise(count: int, size: tuple[int, int], angle: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Streaks as in picture editors: sparse noise, blurred along a line, turned. New in every frame.

    Args:
        count: The number of frames.
        size: (height, width), pixels.
        angle: Direction of the streaks, degrees from the vertical.
        rng: The source of the streaks.
    """
    length = int(np.exp(rng.uniform(np.log(7), np.log(60)))) | 1
    wide = float(np.exp(rng.uniform(np.log(0.3), np.log(1.3))))
    dense = float(np.exp(rng.uniform(np.log(0.0006), np.log(0.012))))
    gain = float(np.exp(rng.uniform(np.log(60), np.log(330))))
    reach = int(np.hypot(*size)) + 4
    across = max(2, int(reach / max(1.0, wide)))  # drawn narrower, then stretched
    kernel = np.hanning(length + 2)[1:-1] ** rng.uniform(0.2, 1)
    middle = (reach - 1) / 2
    turned = cv2.getRotationMatrix2D((middle, middle), -angle, 1.0)
    turned[:, 2] += ((size[1] - 1) / 2 - middle, (size[0] - 1) / 2 - middle)
    stretch = np.array([[reach / across, 0, 0], [0, 1, 0], [0, 0, 1]])
    move = turned @ stretch
    layers = []
    for _ in range(count):
        canvas = np.zeros((reach, across), np.float32)
        many = int(dense * canvas.size)
        at = rng.integers(reach, size=many), rng.integers(across, size=many)
        canvas[at] = rng.gamma(1.5, 1 / 1.5, many) * gain
        canvas = cv2.filter2D(canvas, -1, kernel[:, None].astype(np.float32))
        drawn = cv2.warpAffine(canvas, move, size[::-1], flags=cv2.INTER_LINEAR)
        layers.append(np.clip(drawn, 0, 255).astype(np.uint8))
    return layers


def _number(low: float, high: float, size: tuple[int, int], rng: np.random.Generator) -> int:
    """A number of drops from this range for a crop of 192x192 pixels, and as dense on another size."""
    dense = np.exp(rng.uniform(np.log(low), np.log(high))) / 192**2
    return max(1, round(dense * size[0] * size[1]))


def lines(count: int, size: tuple[int, int], angle: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Streaks one by one: straight, of any width, some with beads, some that cross two frames.

    Args:
        count: The number of frames.
        size: (height, width), pixels.
        angle: Direction of the streaks, degrees from the vertical.
        rng: The source of the streaks.
    """
    many = _number(8, 160, size, rng)
    length, spread = np.exp(rng.uniform(np.log(8), np.log(90))), rng.uniform(0.2, 3.5)
    widest, light = rng.choice([1, 2, 3]), rng.uniform(50, 255)
    blur, beads = rng.uniform(0.3, 1.8), rng.random() < 0.3
    layers = []
    for _ in range(count):
        canvas = np.zeros(size, np.uint8)
        turn = np.deg2rad(angle + rng.normal(0, spread, many))
        start = rng.random((many, 2)) * [size[1] * 1.2, size[0] * 1.2] - [size[1] * 0.1, size[0] * 0.1]
        reach = length * rng.lognormal(0, 0.4, many)
        end = start + reach[:, None] * np.stack([np.sin(turn), np.cos(turn)], 1)
        shades = np.clip(light * rng.lognormal(0, 0.4, many), 10, 255).astype(int)
        widths = rng.integers(1, widest + 1, many)
        ends = np.rint(np.stack([start, end], 1) * (1 << SHIFT)).astype(np.int32)
        for pair, shade, width in zip(ends, shades.tolist(), widths.tolist(), strict=True):
            cv2.line(canvas, pair[0].tolist(), pair[1].tolist(), (shade,), width, cv2.LINE_AA, SHIFT)
        if beads:
            wave = np.sin(np.arange(size[0]) * rng.uniform(0.4, 1.2) + rng.uniform(0, 6))
            canvas = (canvas * (0.7 + 0.3 * wave[:, None])).astype(np.uint8)
        layers.append(cv2.GaussianBlur(canvas, (0, 0), blur) if blur > 0.5 else canvas)
    return layers


def snow(count: int, size: tuple[int, int], angle: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Flakes that drift through the picture: near ones are large, fast, and out of focus.

    Args:
        count: The number of frames.
        size: (height, width), pixels.
        angle: Direction of the fall, degrees from the vertical.
        rng: The source of the flakes.
    """
    many = _number(15, 300, size, rng)
    near = np.minimum(rng.gamma(2.0, 0.5, many), 4)  # nearness relative to the mean
    radius = near * np.exp(rng.uniform(np.log(0.5), np.log(1.8)))
    turn = np.deg2rad(angle + rng.normal(0, 12, many))
    speed = np.maximum(near, 0.5) * rng.uniform(2, 10)  # pixels a frame; slower flakes would be part of the scene
    step = speed[:, None] * np.stack([np.sin(turn), np.cos(turn)], 1)
    shutter = rng.uniform(0, 0.6)
    lit = rng.uniform(80, 255) * rng.lognormal(0, 0.3, many)
    shades = np.clip(lit / np.maximum(radius / 1.5, 1), 10, 255).astype(int).tolist()
    start = rng.random((many, 2)) * size[::-1]
    widths = np.maximum(np.rint(2 * radius), 1).astype(int).tolist()
    blurred = (radius > 1.5).tolist()  # near flakes are out of focus
    layers = []
    for t in range(count):
        sharp, soft = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
        here = (start + step * t + rng.normal(0, 0.3, (many, 2))) % (np.array(size[::-1]) + 24) - 12
        ends = np.rint(np.stack([here, here + shutter * step], 1) * (1 << SHIFT)).astype(np.int32).tolist()
        for (first, last), shade, width, far_off in zip(ends, shades, widths, blurred, strict=True):
            cv2.line(soft if far_off else sharp, first, last, (shade,), width, cv2.LINE_AA, SHIFT)
        layers.append(cv2.add(cv2.GaussianBlur(sharp, (0, 0), 0.6), cv2.GaussianBlur(soft, (0, 0), 2.0)))
    return layers


def blobs(count: int, size: tuple[int, int], angle: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Drops that are seen for one frame: splashes, droplets near the lens, spray. ``angle`` stretches them.

    Args:
        count: The number of frames.
        size: (height, width), pixels.
        angle: Direction in which they are long, degrees from the vertical.
        rng: The source of the drops.
    """
    many = _number(5, 120, size, rng)
    large, long, light = np.exp(rng.uniform(np.log(0.6), np.log(2.5))), rng.uniform(1, 4), rng.uniform(40, 220)
    blur = rng.uniform(0.5, 1.5)
    layers = []
    for _ in range(count):
        canvas = np.zeros(size, np.uint8)
        centers = np.rint(rng.random((many, 2)) * size[::-1] * (1 << SHIFT)).astype(int)
        radii = np.clip(large * rng.lognormal(0, 0.5, many), 0.5, 8)
        shades = np.clip(light * rng.lognormal(0, 0.4, many), 10, 255)
        for (x, y), radius, shade in zip(centers.tolist(), radii, shades, strict=True):
            axes = (int(radius * (1 << SHIFT)), int(radius * long * (1 << SHIFT)))
            cv2.ellipse(canvas, (x, y), axes, -angle, 0, 360, (int(shade),), -1, cv2.LINE_AA, SHIFT)
        layers.append(cv2.GaussianBlur(canvas, (0, 0), blur))
    return layers


OVERLAYS: dict[str, Callable[[int, tuple[int, int], float, np.random.Generator], list[np.ndarray]]] = {
    "blurred_noise": blurred_noise,
    "lines": lines,
    "snow": snow,
    "blobs": blobs,
}


def placed(
    layers: Sequence[np.ndarray], size: tuple[int, int], angle: float, rng: np.random.Generator
) -> list[np.ndarray]:
    """A part of a harvested layer, at a random place and scale, mirrored or not, turned, and with a random gain.

    Args:
        layers: (H, W) uint8 each, rain on black.
        size: (height, width) to fill, pixels. Beyond the layer's edges it is mirrored.
        angle: How far to turn, degrees.
        rng: The source of the rest.
    """
    scale = float(np.exp(rng.uniform(np.log(0.5), np.log(1.4))))
    gain = float(np.exp(rng.uniform(np.log(0.3), np.log(1.6))))
    height, width = layers[0].shape
    move = cv2.getRotationMatrix2D((0, 0), angle, scale)
    if rng.random() < 0.5:
        move[:, 0] *= -1
    center = rng.uniform([0, 0], [width, height])
    move[:, 2] = np.array([size[1] / 2, size[0] / 2]) - move[:, :2] @ center
    turned = (
        cv2.warpAffine(x, move, size[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT) for x in layers
    )
    return [cv2.convertScaleAbs(layer, alpha=gain) for layer in turned]


def laid_over(frames: Sequence[np.ndarray], layers: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Frames with an overlay: added, or mixed with a light near white or near the brightest of the scene.

    Args:
        frames: (H, W, 3) uint8 each.
        layers: (H, W) uint8, one for each frame.
        rng: The source of the light and the way of mixing.
    """
    tint = np.clip(1 + rng.normal(0, 0.015, 3), 0.9, 1.1).astype(np.float32)
    added = rng.random() < 0.5
    light = rng.uniform(190, 255) if rng.random() < 0.5 else float(np.quantile(frames[0][::4, ::4], 0.95))
    color = np.clip(max(light, 90.0) * tint, 0, 255).astype(np.float32)
    mixed = []
    for frame, layer in zip(frames, layers, strict=True):
        if added:
            mixed.append(cv2.add(frame, cv2.merge([layer] * 3) * tint, dtype=cv2.CV_8U))
            continue
        picture = frame.astype(np.float32)
        picture += (color - picture) * (layer.astype(np.float32) * np.float32(1 / 255))[..., None]
        mixed.append(np.rint(picture).astype(np.uint8))
    return mixed
