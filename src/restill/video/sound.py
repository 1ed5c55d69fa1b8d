"""Sound that a container cannot hold as it is, encoded anew."""

from __future__ import annotations

from collections.abc import Iterator

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.stream import Stream

_A_CHANNEL = 96_000  # bits a second, of codecs that have a rate
_DEEP = ("s32", "s32p", "s64", "s64p", "dbl", "dblp")  # samples of more than 16 bits that are worth keeping


def ways(suffix: str) -> tuple[str, ...]:
    """The encoders to try for the sound of an output, the best first; the lossless ones where players take them."""
    return {".mkv": ("flac", "pcm"), ".webm": ("libopus",), ".mov": ("pcm",)}.get(suffix, ("aac", "flac"))


def name(way: str) -> str:
    """A way in words."""
    return {"libopus": "Opus", "pcm": "PCM"}.get(way, way.upper())


class Sound:
    """One stream of sound, decoded and encoded anew.

    Args:
        output: The output, whose header is not written yet.
        stream: The stream of the source.
        encoder: FFmpeg's name of it; "pcm" takes 16 or 24 bits, as the source needs.

    Attributes:
        target: The stream of the output.

    Raises:
        ValueError: The sound cannot be decoded here.
    """

    def __init__(self, output: OutputContainer, stream: Stream, encoder: str) -> None:
        if not isinstance(stream, AudioStream) or stream.codec_context is None:
            raise ValueError("it is no sound that can be decoded here")
        source = stream.codec_context
        source.flush_buffers()  # a trial may have come to its end
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
        places = source.layout
        usual = places.name.endswith("channels") or codec == "libopus"  # which knows one order for each number
        target.codec_context.layout = f"{places.nb_channels}c" if usual else places.name
        if codec in ("aac", "libopus"):
            target.codec_context.bit_rate = _A_CHANNEL * max(1, places.nb_channels)
        self.target, self._source = target, source

    def encode(self, packet: av.Packet | None) -> Iterator[av.Packet]:
        """What a packet of the source becomes; None ends the stream. A packet that is damaged becomes silence."""
        try:
            frames = self._source.decode(packet)
        except FFmpegError:
            return
        for frame in frames:
            yield from self.target.encode(frame)
        if packet is None:
            yield from self.target.encode(None)
