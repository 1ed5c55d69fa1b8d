"""Re-encode sound that a container cannot hold as it is."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.stream import Stream

_A_CHANNEL = 96_000  # bits per second and channel, for codecs with a bit rate
_DEEP = ("s32", "s32p", "s64", "s64p", "dbl", "dblp")  # sample formats with more than 16 bits


def ways(suffix: str) -> tuple[str, ...]:
    """The encoders to try for an output, best first. Lossless ones are first where players support them."""
    return {".mkv": ("flac", "pcm"), ".webm": ("libopus",), ".mov": ("pcm",)}.get(suffix, ("aac", "flac"))


def name(way: str) -> str:
    """The name of an encoder for messages."""
    return {"libopus": "Opus", "pcm": "PCM"}.get(way, way.upper())


def layout_name(context: AudioCodecContext) -> str:
    """The channel layout of sound, such as "stereo"; "2 channels" if it is not known."""
    layout = context.layout
    # With a custom channel order, PyAV frees memory with this object that the codec still uses: keep it alive.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))
    return layout.name


def usual_layout(name: str) -> str:
    """The layout itself; the usual layout for its number of channels if it is unknown or has a custom order."""
    return f"{name.split()[0]}c" if "channels" in name else name


class Sound:
    """Decodes and re-encodes one stream of sound.

    Args:
        output: The output, before its header is written.
        stream: The stream of the source.
        encoder: FFmpeg's name of the encoder; "pcm" chooses 16 or 24 bits by the source.

    Attributes:
        target: The stream of the output.

    Raises:
        ValueError: The sound cannot be decoded.
    """

    def __init__(self, output: OutputContainer, stream: Stream, encoder: str) -> None:
        if not isinstance(stream, AudioStream) or stream.codec_context is None:
            raise ValueError("the sound cannot be decoded")
        source = stream.codec_context
        source.flush_buffers()  # a trial may have reached its end
        usual = usual_layout(layout_name(source))
        count = av.AudioLayout(usual).nb_channels
        if not source.is_open:
            source.layout = usual  # also of the frames, which PyAV could not free otherwise
        deep = source.format.name in _DEEP or source.name.startswith("pcm_f")
        codec = encoder if encoder != "pcm" else ("pcm_s24le" if deep else "pcm_s16le")
        rates = av.Codec(codec, "w").audio_rates
        rate = source.sample_rate
        if rates and rate not in rates:
            rate = min((known for known in rates if known > rate), default=max(rates))
        target = output.add_stream(codec, rate=rate)
        assert isinstance(target, AudioStream)  # noqa: S101
        formats = [form.name for form in av.Codec(codec, "w").audio_formats or ()]
        wanted = "s32" if deep else "s16"
        target.codec_context.format = wanted if wanted in formats else formats[-1]
        target.codec_context.layout = (
            f"{count}c" if codec == "libopus" else usual
        )  # it supports one order per number of channels
        if codec in ("aac", "libopus"):
            target.codec_context.bit_rate = _A_CHANNEL * max(1, count)
        self.target, self._source = target, source

    def encode(self, packet: av.Packet | None) -> Iterator[av.Packet]:
        """Re-encode a packet of the source; None ends the stream. A damaged packet becomes silence."""
        try:
            frames = self._source.decode(packet)
        except FFmpegError:
            return
        for frame in frames:
            yield from self.target.encode(frame)
        if packet is None:
            yield from self.target.encode(None)
