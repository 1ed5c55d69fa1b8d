"""Small files for the tests of the page."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np

from restill.bench.clip import FPS, rainy_clip, write_clip
from restill.video.pictures import write_picture

HEIGHT, WIDTH, FRAMES = 96, 128, 60
RATE = 16000  # Hz


def write_with_sound(path: Path) -> None:
    """Write a rainy clip with sound."""
    silent = path.with_name("silent.mp4")
    write_clip(silent, rainy_clip(HEIGHT, WIDTH, FRAMES))
    with av.open(str(silent)) as source, av.open(str(path), "w") as out:
        video = out.add_stream_from_template(source.streams.video[0])
        sound = out.add_stream("aac", rate=RATE, layout="mono")
        tone = np.sin(np.arange(RATE * FRAMES // FPS) / 8, dtype=np.float32)[None]
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        frame.sample_rate = RATE
        out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                out.mux(packet)


def repeat(clip: Path, path: Path, times: int) -> None:
    """Write a clip several times in a row, without its sound."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as out:
        video = out.add_stream_from_template(source.streams.video[0])
        for turn in range(times):
            source.seek(0)
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    later = round(turn * FRAMES / FPS / packet.time_base)
                    packet.pts, packet.dts, packet.stream = packet.pts + later, packet.dts + later, video
                    out.mux(packet)


def write_run(run: Path) -> None:
    """What a training has written so far."""
    (run / "samples").mkdir(parents=True)
    rows = [{"step": step, "reconstruction": 100 / (step + 100), "lr": 0.001} for step in range(20, 301, 20)]
    rows.append({"step": 300, "validation_psnr_rgb_crops": 31.0})
    (run / "log.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (run / "recipe.yaml").write_text("steps: 400\n")
    for side, gray in (("before", 100), ("after", 160), ("clean", 220)):
        write_picture(run / "samples" / f"000300-1-{side}.png", np.full((HEIGHT, WIDTH, 3), gray, np.uint8))
