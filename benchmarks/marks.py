"""Measure how a student changes time stamps burnt into a clip, with and without the guard, and the guard's cost.

    python benchmarks/marks.py rill-m --clips DIR --names walking_street_1,lane_seattle_1 [--precision int8]
        [--layer rendered_streaks_on_black.mp4]

A time stamp is drawn at two places on clips without rain, in four fonts, as it is and after H.264. It prints the share
of the letters' pixels that restoring changes by more than 10 levels of 255 in a channel. The cost is PSNR (RGB, 8 bits,
mean over frames and clips) of the clips with rain and no time stamp: rendered heavy rain, the same after H.264, and
with ``--layer`` the rain of a film on black, added.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

from restill.datasets.files import find_clips
from restill.degradations.rain import Rain, RainSettings
from restill.runtime import Model, load_model, stream
from restill.video import read_frames

CHANGED = 10  # levels
FONTS = {  # face, height of a letter over the frame's, thickness, kind of line
    "thin": (cv2.FONT_HERSHEY_SIMPLEX, 0.035, 1, cv2.LINE_8),
    "plain": (cv2.FONT_HERSHEY_PLAIN, 0.03, 1, cv2.LINE_8),
    "smooth": (cv2.FONT_HERSHEY_DUPLEX, 0.04, 1, cv2.LINE_AA),
    "bold": (cv2.FONT_HERSHEY_SIMPLEX, 0.05, 3, cv2.LINE_AA),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--names", required=True)
    parser.add_argument("--layer", type=Path)
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--precision")
    parser.add_argument("--backend", default="onnxruntime")
    options = parser.parse_args()
    model = load_model(options.model, precision=options.precision, backend=options.backend, threads=1)
    letters: dict[str, list[list[float]]] = {}
    rain: dict[str, list[list[float]]] = {}
    files = find_clips(options.clips)
    for name in options.names.split(","):
        clean = list(islice(read_frames(files[name]), options.frames))  # T x (H, W, 3) uint8
        for kind, (frames, drawn) in stamped(clean).items():
            for crf in (None, 23):
                given = compressed(frames, crf) if crf is not None else frames
                values = [changed(given, out, drawn) for out in restored(model, given)]
                letters.setdefault(f"{kind}{f', H.264 crf {crf}' if crf else ''}", []).append(values)
        for kind, frames in rainy(clean, options.layer).items():
            rain.setdefault(kind, []).append([psnr(out, clean) for out in restored(model, frames)])
        print(f"{name} done", flush=True)
    print(f"{'letters changed':24s} without guard   with guard   worst clip with guard")
    for kind, values in letters.items():
        (without, guarded), worst = 100 * np.mean(values, 0), 100 * np.max(values, 0)[1]
        print(f"{kind:24s} {without:11.2f} % {guarded:10.2f} % {worst:10.2f} %")
    print(f"{'PSNR in rain':24s} without guard   with guard   worst clip's change")
    for kind, values in rain.items():
        (without, guarded), worst = np.mean(values, 0), np.min(np.diff(values), 0)[0]
        print(f"{kind:24s} {without:10.3f} dB {guarded:9.3f} dB {worst:+10.3f} dB")


def stamped(clean: list[np.ndarray]) -> dict[str, tuple[list[np.ndarray], np.ndarray]]:
    """By font, the clip with a time stamp at two places, and where its letters are opaque, (H, W) bool."""
    height, width = clean[0].shape[:2]
    found = {}
    for kind, (face, size, thickness, line) in FONTS.items():
        scale = cv2.getFontScaleFromHeight(face, max(9, round(size * height)), thickness)
        drawn = np.zeros((height, width), np.uint8)
        for at in ((width // 40, height - height // 20), (width // 40, height // 2)):
            cv2.putText(drawn, "2026-05-17 18:32:07 N 47 KM/H", at, face, scale, (255,), thickness, line)
        part = (drawn / np.float32(255))[..., None]
        frames = [np.rint(frame * (1 - part) + 255 * part).astype(np.uint8) for frame in clean]
        found[kind] = frames, drawn == 255
    return found


def rainy(clean: list[np.ndarray], layer: Path | None) -> dict[str, list[np.ndarray]]:
    """By kind, the clip in rain."""
    height, width = clean[0].shape[:2]
    fall = Rain(RainSettings.preset("heavy", mist=0.0), (height, width), seed=3)
    frames = [fall.render(frame, t) for t, frame in enumerate(clean)]
    found = {"heavy": frames, "heavy, H.264 crf 23": compressed(frames, 23)}
    if layer is not None:
        streaks = (cv2.resize(s, (width, height)) for s in read_frames(layer))
        found["layer"] = [cv2.add(frame, s) for frame, s in zip(clean, streaks, strict=False)]
    return found


def compressed(frames: list[np.ndarray], crf: int) -> list[np.ndarray]:
    """The frames after H.264 in 4:2:0."""
    height, width = (side // 2 * 2 for side in frames[0].shape[:2])
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=25, options={"crf": str(crf), "threads": "1"})
        assert isinstance(video, VideoStream)  # noqa: S101
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame[:height, :width], format="rgb24")))
        container.mux(video.encode(None))
    file.seek(0)
    below, right = frames[0].shape[0] - height, frames[0].shape[1] - width
    with av.open(file) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [cv2.copyMakeBorder(frame, 0, below, 0, right, cv2.BORDER_REPLICATE) for frame in decoded]


def restored(model: Model, frames: list[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """The clip restored, without and with the guard."""
    for guard in (False, True):
        yield list(stream(model, frames, guard=guard))


def changed(before: list[np.ndarray], after: list[np.ndarray], letters: np.ndarray) -> float:
    """The share of the letters' pixels that change."""
    pairs = zip(before, after, strict=True)
    return float(np.mean([(cv2.absdiff(a, b).max(2)[letters] > CHANGED).mean() for a, b in pairs]))


def psnr(frames: list[np.ndarray], clean: list[np.ndarray]) -> float:
    """dB, mean over frames."""
    errors = [np.mean((a.astype(np.float32) - b) ** 2) for a, b in zip(frames, clean, strict=True)]
    return float(np.mean([10 * np.log10(255**2 / max(error, 1e-3)) for error in errors]))


if __name__ == "__main__":
    main()
