"""Test a deraining student for pictures on untrained kinds of rain and held-out photographs.

    python benchmarks/other_rain.py RUN [RUN ...] --photos DIR --recipe recipes/small/ssid/stage1.yaml [--crop 160]

The recipe says which photographs are held out. Each is cut to its upper left corner and gets rain by every preset, and
rain drawn as in training with the seeds 0, 1, 2 ... PSNR of RGB in [0, 1], mean over photographs: rainy, restored.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from restill.degradations.rain import PRESETS, Rain, RainSettings
from restill.training.checkpoint import load_network
from restill.training.recipe import load_recipe
from restill.video.pictures import read_picture, to_8_bits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--crop", type=int, default=160)
    options = parser.parse_args()
    torch.set_num_threads(1)
    held_out = load_recipe(options.recipe).data.held_out
    photos = [to_8_bits(read_picture(options.photos / name))[: options.crop, : options.crop] for name in held_out]
    pairs = {kind: [(rainy(photo, kind, n), photo) for n, photo in enumerate(photos)] for kind in (*PRESETS, "random")}
    for run in options.runs:
        network = load_network(run)[0].eval()
        print(run)
        for kind, sides in pairs.items():
            before = np.mean([psnr(rain, clean) for rain, clean in sides])
            after = np.mean([psnr(restored(network, rain), clean) for rain, clean in sides])
            print(
                f"  {kind:10s} rainy {before:5.2f} dB   restored {after:5.2f} dB   {after - before:+5.2f}", flush=True
            )


def rainy(photo: np.ndarray, kind: str, number: int) -> np.ndarray:
    """(H, W, 3) uint8, with the rain of that kind."""
    drawn = RainSettings.random(np.random.default_rng(number)) if kind == "random" else RainSettings.preset(kind)
    photo = np.ascontiguousarray(photo)
    return Rain(drawn, photo.shape[:2], seed=number).render(photo, 0)


@torch.no_grad()
def restored(network: torch.nn.Module, photo: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 through a network for single pictures."""
    window = torch.from_numpy(photo.transpose(2, 0, 1)[None, None] / np.float32(255))  # (1, 1, 3, H, W)
    clean = network(window)[0].clamp(0, 1).numpy().transpose(1, 2, 0)  # (H, W, 3)
    return np.rint(255 * clean).astype(np.uint8)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """dB, (H, W, 3) uint8 each."""
    return float(10 * np.log10(255**2 / np.mean((a.astype(np.float32) - b) ** 2)))


if __name__ == "__main__":
    main()
