"""How an output is encoded: codecs, quality and speed, in words a person understands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import av

from restill.errors import RestillError
from restill.video.probe import DEFAULT_FPS, VideoInfo

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
MP4 = (".mp4", ".m4v", ".mov")
SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm")


@dataclass(frozen=True)
class Codec:
    """One video codec.

    Attributes:
        encoder: FFmpeg's name of its encoder.
        crf: The default quality, or None when the codec has no such scale.
        worst_crf: The largest value of the scale.
    """

    encoder: str
    crf: int | None = None
    worst_crf: int = 0


CODECS = {
    "h264": Codec("libx264", 18, 51),
    "hevc": Codec("libx265", 20, 51),
    "vp9": Codec("libvpx-vp9", 24, 63),
    "av1": Codec("libsvtav1", 24, 63),
    "prores": Codec("prores_ks"),
    "ffv1": Codec("ffv1"),
}


@dataclass(frozen=True)
class EncodeSettings:
    """What the user may choose about the output.

    Attributes:
        codec: A name of ``CODECS``; None takes what suits the container and the input's bit depth.
        crf: Quality: smaller is better and larger files; None is the codec's default, hard to tell from lossless.
        preset: Speed of the encoder, one of ``PRESETS``.
        fps: Frames a second when the input is a folder of frames, which does not say: a number or "30000/1001".

    Raises:
        RestillError: A value is not one of those.
    """

    codec: str | None = None
    crf: int | None = None
    preset: str = "superfast"
    fps: Fraction | str = DEFAULT_FPS

    def __post_init__(self) -> None:
        if self.codec is not None and self.codec not in CODECS:
            raise RestillError(f"codec '{self.codec}' is unknown; the codecs are {', '.join(CODECS)}")
        if self.preset not in PRESETS:
            raise RestillError(f"preset '{self.preset}' is unknown; from fast to thorough: {', '.join(PRESETS)}")
        if self.crf is not None and self.crf < 0:
            raise RestillError(f"crf {self.crf} is below 0, which is the best quality")
        if not 0 < self.frame_rate <= 1000:
            raise RestillError(f"fps {self.fps} is not above 0 and at most 1000")

    @property
    def frame_rate(self) -> Fraction:
        """``fps`` as an exact number."""
        try:
            return Fraction(self.fps)
        except (ValueError, ZeroDivisionError):
            raise RestillError(f"fps '{self.fps}' is not a number such as 25 or 30000/1001") from None

    def choose_codec(self, path: Path, info: VideoInfo) -> str:
        """The codec's name for an output file.

        Raises:
            RestillError: The container cannot hold the codec, or the codec not the input's bits.
        """
        needed = _depth(info)
        if self.codec is None:
            for name in ("vp9", "av1") if path.suffix.lower() == ".webm" else ("h264", "hevc", "ffv1"):
                if _holds(path, name) and max(depths(name)) >= needed:
                    return replace(self, codec=name).choose_codec(path, info)
            raise RestillError(f"no codec of a {path.suffix} file holds the input's {needed} bits; write a .mkv")
        if not _holds(path, self.codec):
            fitting = ", ".join(name for name in CODECS if _holds(path, name))
            raise RestillError(f"a {path.suffix} file cannot hold {self.codec}; it holds {fitting}, a .mkv holds all")
        if max(depths(self.codec)) < needed:
            fitting = ", ".join(name for name in CODECS if max(depths(name)) >= needed)
            raise RestillError(
                f"{self.codec} would cut the input's {needed} bits to {max(depths(self.codec))}; "
                f"choose --codec from {fitting}"
            )
        codec = CODECS[self.codec]
        in_stream = self.codec in ("h264", "hevc")  # Matroska could note it too, but PyAV cannot tell it to
        if info.sample_aspect not in (None, 1) and not in_stream and path.suffix.lower() not in MP4:
            raise RestillError(
                f"{self.codec} in a {path.suffix} cannot keep the input's pixel aspect {info.sample_aspect}; "
                "write a .mp4, or choose --codec h264"
            )
        if self.crf is not None and self.crf > codec.worst_crf:
            if codec.crf is None:
                raise RestillError(f"{self.codec} has no crf, its quality is fixed; leave --crf out")
            raise RestillError(f"crf {self.crf} is not on the scale of {self.codec}, 0 to {codec.worst_crf}")
        return self.codec

    def encoder_options(self, name: str) -> dict[str, str]:
        """FFmpeg's options for a codec, by its name in ``CODECS``."""
        codec, speed = CODECS[name], PRESETS.index(self.preset)
        crf = str(codec.crf if self.crf is None else self.crf)
        if name == "h264":
            return {"crf": crf, "preset": self.preset}
        if name == "hevc":
            return {"crf": crf, "preset": self.preset, "x265-params": "log-level=error"}
        if name == "vp9":
            cpu = 8 - speed
            deadline = "realtime" if cpu > 5 else "good"
            return {"crf": crf, "b": "0", "cpu-used": str(cpu), "deadline": deadline, "row-mt": "1"}
        if name == "av1":
            return {"crf": crf, "preset": str(10 - speed)}
        return {"profile": "3"} if name == "prores" else {"level": "3", "slicecrc": "1"}


def choose_format(name: str, info: VideoInfo, width: int, height: int) -> tuple[str, str | None]:
    """The pixel format in which a codec keeps the input's bits and, where it can, its chroma.

    Args:
        name: The codec, of ``CODECS``.
        info: The input.
        width: Coded pixels across of the output.
        height: Coded lines of the output.

    Returns:
        The format and, when chroma gets coarser, a sentence saying so.
    """
    formats = _formats(name)
    depth = min(depth for depth in depths(name) if depth >= _depth(info))
    end = "" if depth == 8 else f"{depth}le"
    wanted = info.chroma
    if name in ("h264", "hevc") and (width % 2 or height % 2):
        wanted = "444"  # these two crop in steps of a chroma sample: an odd size needs one for every pixel
    richer = ("420", "422", "444")[("420", "422", "444").index(wanted) :]
    for chroma in (*richer, "422", "420"):
        if f"yuv{chroma}p{end}" in formats:
            note = f"{name} stores color at half the resolution (4:2:0)" if chroma < wanted else None
            return f"yuv{chroma}p{end}", note
    raise RestillError(f"{name} has no format for {info.pix_fmt}; choose --codec ffv1")


def _depth(info: VideoInfo) -> int:
    # 16 bits are how pictures store more than 8; in a video 10 hold all that can be seen of them
    return info.bit_depth if info.kind == "video" else min(info.bit_depth, 10)


@cache
def depths(name: str) -> tuple[int, ...]:
    """The bits a channel that a codec stores, here."""
    known = {"": 8, "10le": 10, "12le": 12, "16le": 16}
    return tuple(sorted({known[f[7:]] for f in _formats(name) if f[7:] in known}))


@cache
def _formats(name: str) -> frozenset[str]:
    formats = av.Codec(CODECS[name].encoder, "w").video_formats or []
    return frozenset(f.name for f in formats if f.name.startswith(("yuv420p", "yuv422p", "yuv444p")))


@cache
def _holds(path: Path, name: str) -> bool:
    # the muxer alone answers; the file is not made before its header is written
    with av.open(str(path), "w") as container:
        return CODECS[name].encoder in container.supported_codecs
