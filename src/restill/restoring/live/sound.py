"""Which sound a target takes as it is."""

from __future__ import annotations

# By the format of the target, FFmpeg's names of the codecs that players expect there. Other sound is encoded again.
_AS_IT_IS = {
    "mp4": ("aac", "mp3", "mp3float", "ac3", "eac3", "opus"),
    "matroska": ("aac", "mp2", "mp2float", "mp3", "mp3float", "ac3", "eac3", "opus", "flac", "vorbis"),
    "mpegts": ("aac", "mp2", "mp2float", "mp3", "mp3float", "ac3", "eac3"),
    "rtp_mpegts": ("aac", "mp2", "mp2float", "mp3", "mp3float", "ac3", "eac3"),
    "flv": ("aac", "mp3", "mp3float"),
    "rtsp": ("aac", "opus", "pcm_alaw", "pcm_mulaw"),
    "nut": ("aac", "mp2", "mp2float", "mp3", "mp3float", "opus", "flac", "pcm_alaw", "pcm_mulaw", "pcm_s16le"),
}
COPY, AAC = "copy", "aac"


def ways(format_name: str, codec: str, header: bytes | None = b"") -> tuple[str | None, ...]:
    """The ways to write sound to a target, the best first; the last, None, leaves it out.

    Args:
        format_name: FFmpeg's name of the target's format.
        codec: FFmpeg's name of the codec of the sound.
        header: The header of that codec; None if its packets carry it, as AAC from MPEG-TS does. MP4 and RTSP must
            have it before the first packet.

    >>> ways("mp4", "aac"), ways("mp4", "pcm_alaw"), ways("yuv4mpegpipe", "aac")
    (('copy', 'aac', None), ('aac', None), (None,))
    """
    if format_name not in _AS_IT_IS:
        return (None,)
    headless = header is None and codec == "aac" and format_name in ("mp4", "rtsp")
    as_it_is = codec in _AS_IT_IS[format_name] and not headless
    return (COPY, AAC, None) if as_it_is else (AAC, None)


def note(target: str, codec: str, way: str | None) -> str:
    """A sentence on sound that a target does not take as it is."""
    done = "left out" if way is None else "encoded again, as AAC"
    return f"note: '{target}' does not take the camera's sound ({codec}) as it is; it is {done}"
