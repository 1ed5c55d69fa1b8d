"""Ablation of Rill: train variants of Rill-S that differ in one choice, on the same samples.

    python benchmarks/design.py --clips DIR --held-out davis_lady-running,davis_car-shadow,davis_kite-surf,mdn_bug
        [--only TEXT] [--steps 1000] [--seeds 1,2] [--sequences 800] [--markdown FILE]

Each variant is trained from random weights on sequences of six consecutive centers, rendered once from the clips, with
the loss neg_psnr; scored on sequences of twelve centers of the held-out clips: mean RGB PSNR of all centers, of the
last six (a recurrent network starts from nothing), and the difference to Rill-S as it is of the same seed. A recurrent
variant is trained through the whole sequence. No benchmark protocol.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, cat, nn
from torch.nn.functional import conv2d, grid_sample, pad, pixel_unshuffle, relu

from restill.alignment import luma_of, make_dis, make_picture
from restill.alignment.dis import dis_flow, warp
from restill.datasets.clean_clips import CleanClips
from restill.datasets.clips import Box
from restill.losses.reconstruction import reconstruction
from restill.networks.prednet import ResidualPair, same2d
from restill.networks.rill import BalancedConv, RillS, darker_median
from restill.planes import LUMA

CONTEXT = 2  # frames before the first center and after the last
CENTERS, HELD_CENTERS = 6, 12
CROP, MARGIN = 96, 32  # flow sees the margin too
HELD = 40  # sequences
BATCH = 2


@dataclass(frozen=True)
class Variant:
    """A change to Rill-S; the defaults are Rill-S itself.

    Attributes:
        frames: Positions in the window of five (two before, the center, two after) that the network uses.
        aligned: The neighbors are aligned to the center.
        estimate: The darker median of the center and its two nearest is an input.
        onto_estimate: The network's answer is added to the darker median, not to the center.
        balanced: The first convolution is a BalancedConv.
        rich: Kernels of the body are sums of 3x3, 1x1, 3x1 and 1x3 ones.
        fold: The factor of pixel-unshuffle.
        state: Features of the frame before, as they are, go into the body with those of this one.
        restored: The frame before, aligned, is the network's own picture of it instead of the rainy one; or "too".
        luma: Differences are of luma only, beside an RGB center.
        planes: The network is Restill's own on luma and chroma, :class:`restill.networks.rill.Rill`.
    """

    channels: int = 16
    frames: tuple[int, ...] = (1, 2, 3)
    aligned: bool = True
    estimate: bool = True
    onto_estimate: bool = False
    balanced: bool = True
    rich: bool = False
    fold: int = 2
    state: bool = False
    restored: str = ""
    luma: bool = False
    planes: bool = False


BASE = "Rill-S as it is: aligned, three frames, unshuffled by 2"
VARIANTS = {
    BASE: Variant(),
    "one frame": Variant(frames=(2,), estimate=False),
    "differences of luma only": Variant(luma=True),
    "luma and chroma (planes)": Variant(planes=True),
    "luma and chroma (planes), 20 channels": Variant(planes=True, channels=20),
    "not aligned": Variant(aligned=False),
    "five frames": Variant(frames=(0, 1, 2, 3, 4)),
    "two frames before, no look-ahead": Variant(frames=(0, 1, 2)),
    "without the darker median": Variant(estimate=False),
    "residual on the darker median": Variant(onto_estimate=True),
    "first convolution not balanced": Variant(balanced=False),
    "kernels re-parameterised": Variant(rich=True),
    "unshuffled by 4, 24 channels (as many MACs)": Variant(fold=4, channels=24),
    "recurrent: features of the frame before too": Variant(state=True),
    "recurrent: the same, and no frame before": Variant(state=True, frames=(2, 3), estimate=False),
    "recurrent: the restored frame before instead of the rainy one": Variant(restored="instead"),
    "recurrent: the restored frame before too": Variant(restored="too"),
}


class Student(nn.Module):
    """A variant. It is Rill's layers, and a state where there is one."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.variant, v, c = variant, variant, variant.channels
        seen = len(v.frames) + v.estimate + (v.restored == "too")
        if v.balanced:
            self.first: nn.Module = BalancedConv(3, len(v.frames) if v.luma else 3 * (seen - 1), c, v.fold)
        else:
            self.first = same2d(seen * 3 * v.fold**2, c)
        self.whole = RillS(channels=c) if v.planes else None
        self.remember = same2d(c, c) if v.state else None
        self.body = nn.Sequential(*(ResidualPair(RichConv if v.rich else same2d, c) for _ in range(2)))
        self.last = same2d(c, 3 * v.fold**2)
        self.shuffle = nn.PixelShuffle(v.fold)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for pair in self.body:
            with torch.no_grad():
                pair.b.weight.mul_(0.1)  # type: ignore[union-attr]
        nn.init.normal_(self.last.weight, std=1e-3)
        if self.remember is not None:
            nn.init.normal_(self.remember.weight, std=1e-2)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """All centers of sequences, (B, L, 3, H, W): sequentially only for recurrent variants."""
        v = self.variant
        windows = batch["aligned" if v.aligned else "windows"]  # (B, L, 5, 3, H, W)
        if self.whole is not None:
            return self.whole(windows[:, :, 1:4].flatten(0, 1)).unflatten(0, windows.shape[:2])
        if not v.state and not v.restored:
            return self.step(windows.flatten(0, 1), None, None)[0].unflatten(0, windows.shape[:2])
        restored, state, pictures = windows[:, 0, 1], None, []
        for t in range(windows.shape[1]):
            before = None
            if v.restored:  # at the start use the rainy frame, which is already aligned
                before = grid_sample(restored, batch["grids"][:, t], padding_mode="border", align_corners=True)
                before = before if t else windows[:, 0, 1]
            restored, state = self.step(windows[:, t], before, state)
            pictures.append(restored)
        return torch.stack(pictures, 1)

    def step(self, window: Tensor, before: Tensor | None, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """One center: its picture, and the features for the next one."""
        v = self.variant
        frames = list(window.unbind(1))  # 5 frames (B, 3, H, W)
        extra = [before] if v.restored == "too" and before is not None else []
        if v.restored == "instead" and before is not None:
            frames[1] = before
        center = frames[2]
        dark = darker_median(before if before is not None else frames[1], center, frames[3])
        if v.frames == (0, 1, 2):
            dark = darker_median(frames[0], center, frames[1])
        others = [frames[i] for i in v.frames if i != 2] + extra + ([dark] if v.estimate else [])
        differences = [other - center for other in others]
        if v.luma:
            gray = [(frame * center.new_tensor(LUMA).view(3, 1, 1)).sum(1, keepdim=True) for frame in frames]
            darkest = darker_median(gray[1], gray[2], gray[3])
            differences = [other - gray[2] for other in (gray[1], gray[3], darkest)]
        seen = cat([center, *differences], 1)
        feature = relu(self.first(pixel_unshuffle(seen, v.fold)))
        if self.remember is not None and state is not None:
            feature = feature + relu(self.remember(state))
        feature = self.body(feature)
        return self.shuffle(self.last(feature)) + (dark if v.onto_estimate else center), feature


class RichConv(nn.Conv2d):
    """A 3x3 convolution whose kernel is learned as a sum of four."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__(c_in, c_out, 3, padding=1)
        shapes = {"one": (1, 1), "column": (3, 1), "row": (1, 3)}
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.randn(c_out, c_in, *shape) * 0.02))

    def forward(self, input: Tensor) -> Tensor:
        more = pad(self.one, (1, 1, 1, 1)) + pad(self.column, (1, 1, 0, 0)) + pad(self.row, (0, 0, 1, 1))
        return conv2d(input, self.weight + more, self.bias, padding=1)


def sequence(source: CleanClips, centers: int, seed: Sequence[int]) -> dict[str, np.ndarray]:
    """One: rainy windows (L, 5, 3, H, W) and the same aligned, clean (L, 3, H, W), grids (L, H, W, 2) in [-1, 1] that
    bring the frame before onto each center.
    """
    rng = np.random.default_rng(seed)
    count = centers + 2 * CONTEXT
    usable = [i for i in range(len(source.names)) if source.shape(i)[0] >= count]
    clip = int(rng.choice(usable))
    total, height, width = source.shape(clip)
    side = CROP + 2 * MARGIN
    factor = max(rng.uniform(0.5, 1.1), side / min(height, width))
    box = min(round(side / factor), height, width)
    first, top, left = (int(rng.integers(most + 1)) for most in (total - count, height - box, width - box))
    rainy, clean = source.read(clip, range(first, first + count), Box(top, left, box, box), (side, side), rng)
    dis = make_dis()
    small = [make_picture(luma_of(frame)).opened for frame in rainy]
    cut = slice(MARGIN, MARGIN + CROP)
    found: dict[str, list[np.ndarray]] = {"windows": [], "aligned": [], "clean": [], "grids": []}
    for t in range(CONTEXT, CONTEXT + centers):
        near = range(t - CONTEXT, t + CONTEXT + 1)
        flows = {i: dis_flow(dis, small[t], small[i]) for i in near if i != t}
        aligned = [warp(rainy[i], flows[i]) if i != t else rainy[t] for i in near]
        found["windows"].append(np.stack([rainy[i][cut, cut] for i in near]))
        found["aligned"].append(np.stack([frame[cut, cut] for frame in aligned]))
        found["clean"].append(clean[t][cut, cut])
        larger = side / small[t].shape[0]
        flow = cv2.resize(flows[t - 1] * np.float32(larger), (side, side))[cut, cut]  # (H, W, 2) in pixels
        place = np.stack(np.meshgrid(np.arange(CROP), np.arange(CROP)), -1) + flow
        found["grids"].append((place / (CROP - 1) * 2 - 1).astype(np.float32))
    stacked = {name: np.stack(values) for name, values in found.items()}
    return {name: v if name == "grids" else np.ascontiguousarray(np.moveaxis(v, -1, -3)) for name, v in stacked.items()}


def render(source: CleanClips, count: int, centers: int, seed: int) -> dict[str, Tensor]:
    made = [sequence(source, centers, (seed, index)) for index in range(count)]
    return {name: torch.from_numpy(np.stack([one[name] for one in made])) for name in made[0]}


def rows(data: dict[str, Tensor], chosen: Sequence[int]) -> dict[str, Tensor]:
    picked = {name: values[list(chosen)] for name, values in data.items()}
    return {name: v if v.is_floating_point() else v.float() / 255 for name, v in picked.items()}


def train(variant: Variant, data: dict[str, Tensor], steps: int, seed: int) -> Student:
    torch.manual_seed(seed)
    student = Student(variant)
    optimizer = torch.optim.Adam(student.parameters(), 2e-3)
    loss = reconstruction("neg_psnr")
    rng = np.random.default_rng(seed)
    for step in range(steps):
        batch = rows(data, rng.integers(len(data["clean"]), size=BATCH))
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        with torch.autocast("cpu", torch.bfloat16):
            pictures = student(batch)
        optimizer.zero_grad()
        loss(pictures.float().flatten(0, 1), batch["clean"].flatten(0, 1)).backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
    return student.eval()


@torch.no_grad()
def score(student: Student, held: dict[str, Tensor]) -> tuple[float, float]:
    """PSNR, RGB, dB: mean over all centers, and over the last six of each sequence."""
    found = []
    for index in range(len(held["clean"])):
        batch = rows(held, [index])
        error = (student(batch).clamp(0, 1) - batch["clean"]).square().flatten(2).mean(2)[0]  # (L,)
        found.append(-10 * torch.log10(error + 1e-6))
    each = torch.stack(found)  # (sequences, L)
    return float(each.mean()), float(each[:, -CENTERS:].mean())


def macs(variant: Variant) -> int:
    """A pixel, of the kernels as they are exported."""
    student = Student(variant)
    convolutions = (student.whole or student).modules()
    weights = (m.weight.numel() for m in convolutions if isinstance(m, nn.Conv2d))
    return round(sum(weights) / variant.fold**2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--held-out", required=True)
    parser.add_argument("--only", default="", help="only variants whose name contains this, besides Rill-S")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--sequences", type=int, default=800)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    held_names, seeds = options.held_out.split(","), [int(seed) for seed in options.seeds.split(",")]
    everything = CleanClips(options.clips)
    training = CleanClips(options.clips, [name for name in everything.names if name not in held_names])
    held_source = CleanClips(options.clips, held_names)
    for source in (training, held_source):
        source.removes = "streaks"
    started = time.perf_counter()
    data = render(training, options.sequences, CENTERS, 1)
    held = render(held_source, HELD, HELD_CENTERS, 2)
    print(f"rendered {options.sequences} sequences in {time.perf_counter() - started:.0f} s", flush=True)
    lines = [
        "| variant | MAC a pixel | held-out, dB | last six centers, dB | against Rill-S as it is, dB |",
        "|---|---:|---:|---:|---:|",
    ]
    print("\n".join(lines), flush=True)
    base: list[float] = []
    for name, variant in VARIANTS.items():
        if name != BASE and options.only not in name:
            continue
        scores = [score(train(variant, data, options.steps, seed), held) for seed in seeds]
        whole = [first for first, _ in scores]
        base = base or whole
        against = ", ".join(f"{a - b:+.2f}" for a, b in zip(whole, base, strict=True)) if name != BASE else ""
        means = " | ".join(f"{np.mean(column):.2f}" for column in zip(*scores, strict=True))
        lines.append(f"| {name} | {macs(variant):,} | {means} | {against} |")
        print(lines[-1], flush=True)
    if options.markdown:
        options.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
