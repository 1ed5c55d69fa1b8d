"""Measure how often a student changes thin things that belong to the scene, on clips without rain.

    python benchmarks/hard_negatives.py rill-m --clips DIR [--names a,b] [--precision int8] [--frames 9] [--save DIR]

On each clip, poles, wires, ribs, fences, twigs, lettering, strokes, and glints are drawn in turn: once on the moving
clip, where they follow its measured motion, and once on its first frame repeated. It prints the share of their pixels
that restoring changes by more than 10 levels of 255 in a channel, in percent: mean over clips, for each kind. The goal
is at most 1 % as the mean of moving and still scenes. By default the clips are those held out for validation.
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from restill.datasets.clean_clips import find_clips
from restill.datasets.held_out import SCORED
from restill.degradations.things import KINDS, Things, steps
from restill.runtime import Model, load_model, stream
from restill.video import read_frames
from restill.video.pictures import write_picture

CHANGED = 10  # levels
OPAQUE = 0.8  # a pixel belongs to a thing from this share of its greatest opacity
STAY = np.eye(2, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--names", default=",".join(SCORED))
    parser.add_argument("--precision")
    parser.add_argument("--frames", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--save", type=Path, help="write the middle frame of each kind, before and after, to this folder"
    )
    options = parser.parse_args()
    model = load_model(options.model, precision=options.precision, threads=options.threads)
    found = find_clips(options.clips)
    shares: dict[str, dict[str, list[float]]] = {kind: {"moving": [], "still": []} for kind in KINDS}
    for number, name in enumerate(options.names.split(",")):
        clip = list(islice(read_frames(found[name]), options.frames))
        moves = steps(clip)
        scenes = {"still": ([clip[0]] * len(clip), [STAY] * len(clip))}
        if moves is None:
            print(f"{name}: its motion cannot be followed, so only its still frame is used")
        else:
            scenes["moving"] = (clip, moves)
        for order, kind in enumerate(KINDS):
            things = Things.draw(np.random.default_rng([number, order]), clip[0].shape[:2], kind)
            for scene, (frames, path) in scenes.items():
                save = options.save / f"{name}-{kind}-{scene}.png" if options.save else None
                shares[kind][scene].append(changed(model, things, frames, path, save))
        print(
            f"{name:24s} {mean(shares, 'moving', -1):6.2f} moving   {mean(shares, 'still', -1):6.2f} still", flush=True
        )
    print()
    for kind in KINDS:
        print(f"{kind:24s} {np.mean(shares[kind]['moving']):6.2f} moving   {np.mean(shares[kind]['still']):6.2f} still")
    moving, still = mean(shares, "moving"), mean(shares, "still")
    print(f"{'all':24s} {moving:6.2f} moving   {still:6.2f} still   {(moving + still) / 2:6.2f} mean  (% changed)")


def mean(shares: dict[str, dict[str, list[float]]], scene: str, only: int | None = None) -> float:
    """The mean over kinds, of all clips or of one."""
    values = [each[scene] if only is None else each[scene][only:] for each in shares.values()]
    return float(np.mean(values)) if all(values) else float("nan")


def changed(model: Model, things: Things, frames: list[np.ndarray], path: list[np.ndarray], save: Path | None) -> float:
    """The share of the things' pixels that restoring changes, in percent."""
    drawn = [things.over(frame, move) for frame, move in zip(frames, path, strict=True)]
    restored = list(stream(model, drawn, guard=False))
    solid = (things.part >= OPAQUE * things.part.max()).astype(np.uint8)
    size = frames[0].shape[1::-1]
    masks = [cv2.warpAffine(solid, move, size, flags=cv2.INTER_NEAREST) > 0 for move in path]
    if save:
        save.parent.mkdir(parents=True, exist_ok=True)
        middle = len(frames) // 2
        write_picture(save, np.vstack([drawn[middle], restored[middle]]))
    hits = [cv2.absdiff(a, b).max(2)[mask] > CHANGED for a, b, mask in zip(drawn, restored, masks, strict=True)]
    return 100 * float(np.mean(np.concatenate(hits)))


if __name__ == "__main__":
    main()
