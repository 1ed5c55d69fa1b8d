"""CSTD's default losses once more, in plain numpy, frame by frame, as the equations read; slow and independent."""

from __future__ import annotations

import numpy as np
import torch

from restill.losses.ssim import ssim  # tests/losses holds it to the definition, pixel by pixel

Array = np.ndarray
State = tuple[Array, Array]


def conv3x3(x: Array, weight: Array, bias: Array) -> Array:
    """(C, H, W), (O, C, 3, 3), (O,) -> (O, H, W)."""
    h, w = x.shape[1:]
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    out = np.zeros((len(bias), h, w)) + bias[:, None, None]
    for i in range(3):
        for j in range(3):
            out += np.einsum("oc,chw->ohw", weight[:, :, i, j], padded[:, i : i + h, j : j + w])
    return out


def cell(x: Array, state: State, hint: Array | None, weight: Array, bias: Array) -> State:
    hid, old = state
    d = len(bias) // 4
    g = conv3x3(np.concatenate([x, hid] if hint is None else [x, hid, hint]), weight, bias)
    i, f, o = (1 / (1 + np.exp(-g[n * d : (n + 1) * d])) for n in range(3))
    new = f * old + i * np.tanh(g[3 * d :])
    return o * np.tanh(new), new


def half(x: Array) -> Array:
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4


def double(x: Array) -> Array:
    return x.repeat(2, axis=1).repeat(2, axis=2)


def connector(maps: list[Array], start: State, weight: Array, bias: Array) -> tuple[list[Array], list[Array], Array]:
    """C^{p,L2G}, C^{p,G2L}, and the hint."""
    s, l2g = start, []
    for p in range(3):
        if p > 0:
            s = (half(s[0]), half(s[1]))
        s = cell(maps[p], s, None, weight, bias)
        l2g.append(s[1])
    r, g2l = s, []
    for p in (2, 1, 0):
        if p < 2:
            r = (double(r[0]), double(r[1]))
        r = cell(maps[p], r, None, weight, bias)
        g2l.insert(0, r[1])
    return l2g, g2l, g2l[0]


def losses(
    features_t: list[list[Array]],
    features_s: list[list[Array]],
    pictures: list[list[list[Array]]],
    clean: list[list[Array]],
    connector_weights: tuple[Array, Array],
    aggregator_weights: tuple[Array, Array],
    order: str = "paper",
) -> dict[str, float]:
    """Indices: features[b][t] (C, H, W), pictures[b][t][p] (3, H, W), clean[b][t] (3, H, W)."""
    total = {"reconstruction": 0.0, "spatial": 0.0, "temporal": 0.0}
    batch, frames, d = len(features_t), len(features_t[0]), len(connector_weights[1]) // 4
    for b in range(batch):
        zero = np.zeros((d, *features_s[b][0].shape[1:]))
        h_t = h_s = (zero, zero)
        hint_t = hint_s = zero
        for t in range(frames):
            maps = []
            for feature in (features_t[b][t], features_s[b][t]):
                scales = [feature, half(feature), half(half(feature))]
                maps.append([f.sum(axis=0, keepdims=True) ** 2 for f in scales])
            target = clean[b][t]
            for p, weight in enumerate((0.6, 0.2, 0.2)):
                picture = pictures[b][t][p]
                total["reconstruction"] -= (
                    weight * ssim(torch.from_numpy(picture)[None], torch.from_numpy(target)[None]).item()
                )
                target = half(target)
            if order == "paper":  # spatial with the states of t-1, then temporal with the hints of t
                l2g_t, g2l_t, hint_t = connector(maps[0], h_t, *connector_weights)
                l2g_s, g2l_s, hint_s = connector(maps[1], h_s, *connector_weights)
            mixed = cell(maps[1][0], h_t, hint_t, *aggregator_weights)
            h_t = cell(maps[0][0], h_t, hint_t, *aggregator_weights)
            h_s = cell(maps[1][0], h_s, hint_s, *aggregator_weights)
            if order == "code":  # temporal with the hints of t-1, then spatial with the states of t
                l2g_t, g2l_t, hint_t = connector(maps[0], h_t, *connector_weights)
                l2g_s, g2l_s, hint_s = connector(maps[1], h_s, *connector_weights)
            total["spatial"] += sum(np.abs(a - c).mean() for a, c in zip(l2g_t + g2l_t, l2g_s + g2l_s, strict=True))
            total["temporal"] += np.abs(h_t[1] - h_s[1]).mean() + np.abs(h_t[1] - mixed[1]).mean()
    return {name: value / batch / frames for name, value in total.items()}
