"""Sound that a container cannot hold as it is, encoded anew."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import av
from av.audio.codeccontext import AudioCodecContext
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


def places(context: AudioCodecContext) -> str:
    """Where the channels of sound are, such as "stereo" or, where nobody says, "2 channels"."""
    layout = context.layout
    # PyAV frees with this object what the codec still holds, where channels are in an order of their own: keep it
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))
    return layout.name


def usual_places(name: str) -> str:
    """These places, or for as many channels the usual ones, where nobody says or they are in an order of their own."""
    return f"{name.split()[0]}c" if "channels" in name else name


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
        usual = usual_places(places(source))
        count = av.AudioLayout(usual).nb_channels
        if not source.is_open:
            source.layout = usual  # of the frames too, which PyAV cannot free otherwise
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
        target.codec_context.layout = f"{count}c" if codec == "libopus" else usual  # it knows one order for each number
        if codec in ("aac", "libopus"):
            target.codec_context.bit_rate = _A_CHANNEL * max(1, count)
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
