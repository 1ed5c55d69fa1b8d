"""Small clips, made for the tests: every feature that real files have, a few kilobytes each."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

QUARTER_TURN = (0, 65536, 0, -65536, 0, 0, 0, 0, 1073741824)  # shown turned clockwise by 90 degrees


def picture(number: int, width: int, height: int, dtype: type = np.uint8) -> np.ndarray:
    """A smooth picture whose brightness tells its number, with a bright upper left corner to tell which way is up."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    base = 60 + 60 * x + 40 * y + number % 10 * 5
    rgb = np.stack([base, base * 0.8 + 20, 200 - base * 0.6], axis=-1)
    rgb[: height // 4, : width // 4] = 235
    return (rgb * 257).astype(np.uint16) if dtype is np.uint16 else rgb.astype(np.uint8)


def write_clip(
    path: Path,
    *,
    width: int = 64,
    height: int = 48,
    pts: Sequence[int] = range(10),
    time_base: Fraction = Fraction(1, 25),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    tags: dict[str, int] | None = None,
    aspect: Fraction | None = None,
    matrix: tuple[int, ...] | None = None,
    audio: str | None = None,
    subtitle: str | None = None,
    attachment: bytes | None = None,
    chapters: list[dict[str, Any]] | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Encode a clip with PyAV; ``tags`` are attributes of the codec context, such as ``colorspace``."""
    deep = pix_fmt.endswith(("10le", "12le"))
    exact = {"movie_timescale": str(time_base.denominator)} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", container_options=exact) as container:
        container.metadata.update(metadata or {})
        options = {"crf": "12", "preset": "veryfast"} if codec in ("libx264", "libx265") else {}
        if codec == "libx265":
            options["x265-params"] = "log-level=error"
        video = container.add_stream(
            codec, rate=round(1 / time_base) if time_base > Fraction(1, 100) else 25, options=options
        )
        video.width, video.height, video.pix_fmt = width, height, pix_fmt
        video.time_base = video.codec_context.time_base = time_base
        for name, value in (tags or {}).items():
            setattr(video.codec_context, name, value)
        if aspect:
            video.codec_context.sample_aspect_ratio = aspect
        if matrix:
            video.set_display_matrix(matrix)
        sound = container.add_stream(audio, rate=48000) if audio else None
        if sound:
            sound.metadata["language"] = "deu"
        words = container.add_mux_stream(subtitle) if subtitle else None
        if words:
            words.time_base = Fraction(1, 1000)
        if attachment:
            container.add_attachment("font.ttf", "application/x-truetype-font", attachment)
        if chapters:
            container.set_chapters(chapters)
        seconds = float((pts[-1] + 1) * time_base)
        for number, time in enumerate(pts):
            rgb = picture(number, width, height, np.uint16 if deep else np.uint8)
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb48le" if deep else "rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = time, time_base
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound:
            for start in range(0, int(48000 * seconds), 1024):
                wave = np.sin(np.arange(start, start + 1024) / 20).astype(np.float32)
                chunk = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
                chunk.sample_rate, chunk.pts, chunk.time_base = 48000, start, Fraction(1, 48000)
                container.mux(sound.encode(chunk))
            container.mux(sound.encode(None))
        if words:
            for number, text in enumerate((b"one", b"two")):
                packet = av.Packet(text if subtitle == "subrip" else len(text).to_bytes(2, "big") + text)
                packet.stream, packet.time_base = words, Fraction(1, 1000)
                packet.pts = packet.dts = 100 * number
                packet.duration = 100
                container.mux(packet)
    return path


def times(path: Path) -> list[Fraction]:
    """When each frame is shown, in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [frame.pts * stream.time_base for frame in container.decode(stream)]


def packets(path: Path, kind: str) -> list[tuple]:
    """Time, duration (seconds) and bytes of each packet of the first stream of a kind."""
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [
            (packet.pts * packet.time_base, (packet.duration or 0) * packet.time_base, bytes(packet))
            for packet in container.demux(stream)
            if packet.size
        ]
