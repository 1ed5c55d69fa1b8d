"""The settings of an output: codec, quality, speed and pixel format."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import av

from restill.errors import RestillError
from restill.video.info import DEFAULT_FPS, VideoInfo

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
MP4 = (".mp4", ".m4v", ".mov")
MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}  # FFmpeg's names
SUFFIXES = tuple(MUXERS)


@dataclass(frozen=True)
class Codec:
    """A video codec.

    Attributes:
        encoder: FFmpeg's name for its encoder.
        crf: The default quality; None if the codec has no such scale.
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


# other common names
_OTHER_NAMES = {"h265": "hevc", "x265": "hevc", "libx265": "hevc", "h.265": "hevc", "x264": "h264", "libx264": "h264"}
_OTHER_NAMES |= {"h.264": "h264", "avc": "h264", "libvpx-vp9": "vp9", "libsvtav1": "av1", "svtav1": "av1"}
EDITING = ("prores", "ffv1")  # codecs for editing and archives, not for players
_DEPTHS = {"": 8, "10le": 10, "12le": 12, "16le": 16}
PIXEL_FORMATS = tuple(f"yuv{chroma}p{end}" for end in _DEPTHS for chroma in ("420", "422", "444"))


@dataclass(frozen=True)
class EncodeSettings:
    """The settings of an output.

    Attributes:
        codec: A name of ``CODECS``; None chooses by the container and the input's bit depth.
        crf: Quality. Smaller values give better quality and larger files. None is the codec's default, which is hard
            to tell from lossless.
        preset: Speed of the encoder, one of ``PRESETS``.
        fps: Frames per second of a folder of frames: a number or "30000/1001".
        pixel_format: Chroma and bits of the output, such as "yuv444p" or "yuv420p10le"; None chooses one that
            players decode, see :mod:`restill.video.pixels`.
        all_keys: Make every frame a key frame, so that a player can show any of them at once. Files are larger.

    Raises:
        RestillError: A value is not valid.
    """

    codec: str | None = None
    crf: int | None = None
    preset: str = "superfast"
    fps: Fraction | str = DEFAULT_FPS
    pixel_format: str | None = None
    all_keys: bool = False

    def __post_init__(self) -> None:
        if self.codec in _OTHER_NAMES:
            object.__setattr__(self, "codec", _OTHER_NAMES[self.codec])
        if self.codec is not None and self.codec not in CODECS:
            raise RestillError(f"codec '{self.codec}' is unknown; the codecs are {', '.join(CODECS)}")
        if self.preset not in PRESETS:
            raise RestillError(
                f"preset '{self.preset}' is unknown; the presets, from fast to thorough, are {', '.join(PRESETS)}"
            )
        if self.pixel_format is not None and self.pixel_format not in PIXEL_FORMATS:
            raise RestillError(
                f"pixel format '{self.pixel_format}' is unknown; the formats are {', '.join(PIXEL_FORMATS)}"
            )
        if self.crf is not None and self.crf < 0:
            raise RestillError(f"crf {self.crf} is below 0; the best quality is 0")
        if not 0 < self.frame_rate <= 1000:
            raise RestillError(f"fps {self.fps} must be above 0 and at most 1000")

    @property
    def frame_rate(self) -> Fraction:
        """``fps`` as an exact number."""
        try:
            return Fraction(self.fps)
        except (ValueError, ZeroDivisionError):
            raise RestillError(f"fps '{self.fps}' is not a number such as 25 or 30000/1001") from None

    def choose_codec(self, path: Path, info: VideoInfo) -> str:
        """Choose the codec of an output file.

        Raises:
            RestillError: Restill does not write such a file, the container cannot hold the codec, or the codec
                cannot hold the bit depth or the pixel format.
        """
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise RestillError(f"'{path}' must end in {', '.join(SUFFIXES)}, a picture's extension, or name a folder")
        if self.codec is None:
            # players decode 10 bits as HEVC; few decode them as H.264
            names = ("vp9", "av1") if suffix == ".webm" else ("h264", "hevc", "ffv1")
            fitting = [name for name in names if _holds(suffix, name) and self._fits(name, suffix, info)]
            plain = [name for name in fitting if name != "h264" or self._depth(name, suffix, info) == 8]
            if not fitting:
                asked = self.pixel_format or f"the input's {info.bit_depth} bits"
                raise RestillError(f"no codec of a {suffix} file holds {asked}; write a .mkv")
            return self._checked((plain or fitting)[0], suffix, info)
        if not _holds(suffix, self.codec):
            fitting = ", ".join(name for name in CODECS if _holds(suffix, name))
            raise RestillError(f"a {suffix} file cannot hold {self.codec}; it holds {fitting}, a .mkv holds all")
        if not self._fits(self.codec, suffix, info):
            fitting = ", ".join(name for name in CODECS if self._fits(name, suffix, info))
            if self.pixel_format is not None:
                raise RestillError(f"{self.codec} has no {self.pixel_format}; choose --codec from {fitting}")
            raise RestillError(
                f"{self.codec} would cut the input's {info.bit_depth} bits to {max(depths(self.codec))}; "
                f"choose --codec from {fitting}"
            )
        return self._checked(self.codec, suffix, info)

    def _fits(self, name: str, suffix: str, info: VideoInfo) -> bool:
        if self.pixel_format is not None:
            return self.pixel_format in formats(name)
        return max(depths(name)) >= bits(self, name, suffix, info)

    def _depth(self, name: str, suffix: str, info: VideoInfo) -> int:
        return depth_of(self.pixel_format) if self.pixel_format else bits(self, name, suffix, info)

    def _checked(self, name: str, suffix: str, info: VideoInfo) -> str:
        codec = CODECS[name]
        in_stream = name in ("h264", "hevc")  # Matroska could store it too, but PyAV cannot set it
        if info.sample_aspect not in (None, 1) and not in_stream and suffix not in MP4:
            raise RestillError(
                f"{name} in a {suffix} cannot keep the input's pixel aspect {info.sample_aspect}; "
                "write a .mp4, or choose --codec h264"
            )
        if self.crf is not None and self.crf > codec.worst_crf:
            if codec.crf is None:
                raise RestillError(f"{name} has a fixed quality; remove --crf")
            raise RestillError(f"crf {self.crf} is not on the scale of {name}, 0 to {codec.worst_crf}")
        return name

    def encoder_options(self, name: str) -> dict[str, str]:
        """FFmpeg's options for a codec, by its name in ``CODECS``."""
        keys = {"g": "1"} if self.all_keys else {}
        return keys | self._options(name)

    def _options(self, name: str) -> dict[str, str]:
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


def bits(settings: EncodeSettings, name: str, suffix: str, info: VideoInfo) -> int:
    """The bits per channel that an output needs for a source if no pixel format is set."""
    if info.kind == "video" and not info.is_rgb:
        return min(info.bit_depth, 10) if must_play(settings, name, suffix, info) else info.bit_depth
    # Pictures store more than 8 bits as 16; in a video, 10 bits keep all visible differences.
    return 8 if must_play(settings, name, suffix, info) else min(info.bit_depth, 10)


def must_play(settings: EncodeSettings, name: str, suffix: str, info: VideoInfo) -> bool:
    """Whether common players must play an output. Not for Matroska, editing codecs and the source's own codec."""
    if suffix == ".mkv" or settings.codec in EDITING:
        return False
    return info.kind != "video" or info.is_rgb or info.codec_family != name


def depth_of(pixel_format: str) -> int:
    """The bits per channel of one of ``PIXEL_FORMATS``."""
    return _DEPTHS[pixel_format[7:]]


@cache
def depths(name: str) -> tuple[int, ...]:
    """The bits per channel that a codec supports with the installed FFmpeg."""
    return tuple(sorted({depth_of(form) for form in formats(name)}))


@cache
def formats(name: str) -> frozenset[str]:
    """Those of ``PIXEL_FORMATS`` that a codec supports with the installed FFmpeg."""
    known = av.Codec(CODECS[name].encoder, "w").video_formats or []
    return frozenset(form.name for form in known) & frozenset(PIXEL_FORMATS)


@cache
def _holds(suffix: str, name: str) -> bool:
    # asks the muxer; writes nothing
    with av.open(io.BytesIO(), "w", format=MUXERS[suffix]) as container:
        return CODECS[name].encoder in container.supported_codecs
