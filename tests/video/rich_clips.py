"""Clips with everything in them: sound of many kinds, further pictures, words, fonts, covers, data, side data."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from small_clips import QUARTER_TURN, picture, write_clip

MS = Fraction(1, 1000)
CHAPTERS: list[dict[str, Any]] = [
    {"id": 1, "start": 0, "end": 200, "time_base": MS, "metadata": {"title": "One"}},
    {"id": 2, "start": 200, "end": 400, "time_base": MS, "metadata": {"title": "Two"}},
]
COUNT = 8  # frames at 25 a second
# x265 takes it as a parameter and writes it into the picture
MASTERING = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400"


def write_rich(
    path: Path,
    *,
    video: tuple[tuple[str, str, int], ...] = (("libx264", "yuv420p", 64),),
    sound: tuple[tuple[str, str], ...] = (),
    words: str | None = None,
    cover: bool = False,
    font: bool = False,
    chapters: bool = False,
    data: str | None = None,
    matrix: bool = False,
    tags: dict[str, str] | None = None,
    params: str = "",
) -> Path:
    """Write a clip.

    Args:
        path: Its extension chooses the container.
        video: Encoder, pixel format and width of each video stream; 3 to 4 wide to high.
        sound: Encoder and layout of each.
        words: The codec of a subtitle.
        cover: A cover picture.
        font: An attachment.
        chapters: Two of them.
        data: The codec of a data stream.
        matrix: The first picture is shown turned.
        tags: Of the first picture.
        params: Of x265.
    """
    with av.open(str(path), "w") as out:
        pictures = [_video(out, *what, params) for what in video]
        pictures[0].metadata.update(tags or {})
        if matrix:
            pictures[0].set_display_matrix(QUARTER_TURN)
        sounds = [_sound(out, *what) for what in sound]
        text = out.add_mux_stream(words) if words else None
        if text:
            text.time_base = MS
        extra = out.add_data_stream(data) if data else None
        if extra:
            extra.time_base = MS
        still = _cover(out) if cover else None
        if font:
            out.add_attachment("font.ttf", "application/x-truetype-font", b"not really a font")
        if chapters:
            out.set_chapters(CHAPTERS)
        for number in range(COUNT):
            for stream in pictures:
                out.mux(stream.encode(_frame(stream, number)))
        for stream in pictures:
            out.mux(stream.encode(None))
        for stream in sounds:
            for chunk in _wave(stream):
                out.mux(stream.encode(chunk))
            out.mux(stream.encode(None))
        for number, line in enumerate((b"one", b"two")) if text else ():
            payload = line if words != "mov_text" else len(line).to_bytes(2, "big") + line
            out.mux(_packet(text, payload, 100 * number, 100))
        if extra:
            out.mux(_packet(extra, b"\x06\x0e+4" + bytes(12) + b"\x04abcd", 0, 40))
        if still:
            out.mux(_packet(still, _jpeg(), 0, 0))
    for stream in (*pictures, *sounds, still, out):  # PyAV frees memory twice where a file has several video streams
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(stream))
    return path


def _packet(stream: Any, payload: bytes, time: int, duration: int) -> av.Packet:
    packet = av.Packet(payload)
    packet.stream, packet.time_base, packet.is_keyframe = stream, MS, True
    packet.pts = packet.dts = time
    packet.duration = duration
    return packet


def _video(out: Any, codec: str, pix_fmt: str, width: int, params: str) -> Any:
    options = {
        "libx264": {"x264-params": "b-adapt=0:bframes=2"},  # they come in another order than they are shown
        "libx265": {"x265-params": ":".join(filter(None, ("log-level=error", params)))},
    }.get(codec, {})
    stream = out.add_stream(codec, rate=25, options=options)
    stream.width, stream.height, stream.pix_fmt = width, width * 3 // 4, pix_fmt
    stream.time_base = stream.codec_context.time_base = Fraction(1, 25)
    if codec == "wmv2":
        stream.codec_context.bit_rate = 200_000
    return stream


def _frame(stream: Any, number: int) -> av.VideoFrame:
    rgb = picture(number, stream.width, stream.height)
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=stream.pix_fmt)
    frame.pts, frame.time_base = number, Fraction(1, 25)
    return frame


def _sound(out: Any, codec: str, layout: str) -> Any:
    rates = {"pcm_alaw": 8000, "libmp3lame": 44100}
    stream = out.add_stream(codec, rate=rates.get(codec, 48000))
    if codec == "wmav2":
        stream.codec_context.bit_rate = 64000
    stream.codec_context.layout = layout
    stream.metadata["language"] = "deu"
    return stream


def _wave(stream: Any) -> list[av.AudioFrame]:
    rate, channels = stream.codec_context.sample_rate, stream.codec_context.layout.nb_channels
    chunks = []
    for start in range(0, rate * COUNT // 25, 1024):
        tone = (8000 * np.sin(np.arange(start, start + 1024) / 20)).astype(np.int16)
        chunk = av.AudioFrame.from_ndarray(np.repeat(tone, channels)[None], "s16", stream.codec_context.layout.name)
        chunk.sample_rate, chunk.pts, chunk.time_base = rate, start, Fraction(1, rate)
        chunks.append(chunk)
    return chunks


def _cover(out: Any) -> Any:
    stream = out.add_mux_stream("mjpeg", width=32, height=24)
    stream.time_base = MS
    stream.disposition = 1024
    return stream


def _jpeg(exif: bool = False) -> bytes:
    codec: Any = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = 32, 24, "yuvj420p", Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(picture(0, 32, 24), format="rgb24").reformat(format="yuvj420p")
    data = bytes(codec.encode(frame)[0])
    # one entry: the maker of the camera
    tiff = b"II*\0" + struct.pack("<IHHHI4sI", 8, 1, 0x010F, 2, 4, b"Acm\0", 0)
    segment = b"\xff\xe1" + struct.pack(">H", 8 + len(tiff)) + b"Exif\0\0" + tiff
    return data[:2] + segment + data[2:] if exif else data


def write_exif(path: Path) -> Path:
    """A motion JPEG whose frames carry EXIF data, as cameras write them."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuvj420p"
        for number in range(COUNT):
            packet = av.Packet(_jpeg(exif=True))
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 25), True
            packet.pts = packet.dts = number
            out.mux(packet)
    return path


def write_spherical(path: Path) -> Path:
    """A clip for 360-degree players, in stereo: Google's boxes in the sample entry, which PyAV cannot write."""
    data = write_clip(path, pts=range(COUNT)).read_bytes()
    place = data.index(b"moov") - 4
    header = _box(b"svhd", bytes(4) + b"camera\0")
    projection = _box(b"proj", _box(b"prhd", bytes(16)) + _box(b"equi", bytes(20)))
    boxes = _box(b"st3d", bytes(4) + b"\1") + _box(b"sv3d", header + projection)
    path.write_bytes(data[:place] + _inserted(data[place:], boxes, [b"moov", b"trak", b"mdia", b"minf", b"stbl"]))
    return path


def _box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + name + body


def _inserted(data: bytes, boxes: bytes, way: list[bytes]) -> bytes:
    result, place = b"", 0
    while place < len(data):
        size, name = struct.unpack(">I4s", data[place : place + 8])
        body = data[place + 8 : place + size]
        if way and name == way[0]:
            body = _inserted(body, boxes, way[1:])
        elif not way and name == b"stsd":
            entry = struct.unpack(">I", body[8:12])[0]
            body = body[:8] + struct.pack(">I", entry + len(boxes)) + body[12 : 8 + entry] + boxes + body[8 + entry :]
        result += _box(name, body)
        place += size
    return result


RICH: dict[str, tuple[str, Callable[[Path], Path]]] = {}


def _rich(name: str, suffix: str, **what: Any) -> None:
    RICH[name] = suffix, lambda path: write_rich(path, **what)


_rich(
    "all-mkv", ".mkv", sound=(("aac", "stereo"), ("flac", "mono")), words="subrip", cover=True, font=True, chapters=True
)
_rich("all-mp4", ".mp4", sound=(("aac", "stereo"), ("ac3", "5.1")), words="mov_text", cover=True, chapters=True)
_rich(
    "all-mov",
    ".mov",
    sound=(("pcm_s16le", "stereo"),),
    words="mov_text",
    chapters=True,
    tags={"timecode": "01:02:03:04"},
)
_rich("two-mkv", ".mkv", video=(("libx264", "yuv420p", 48), ("libx264", "yuv420p", 64)))
_rich("two-mp4", ".mp4", video=(("libx264", "yuv420p", 64), ("libx265", "yuv420p", 48)), matrix=True)
_rich("still-mov", ".mov", video=(("libx264", "yuv420p", 64), ("mjpeg", "yuvj420p", 48)))
_rich("pcm-avi", ".avi", video=(("mpeg4", "yuv420p", 64),), sound=(("pcm_s16le", "stereo"), ("pcm_s16le", "mono")))
_rich("pcm6-mkv", ".mkv", sound=(("pcm_s24le", "5.1"), ("libopus", "stereo")), words="ass")
_rich("surround-mov", ".mov", sound=(("pcm_s24le", "7.1"), ("aac", "7.1(wide)")))
_rich("acm-avi", ".avi", video=(("mpeg4", "yuv420p", 64),), sound=(("pcm_alaw", "mono"), ("adpcm_ima_wav", "stereo")))
_rich("wmv", ".wmv", video=(("wmv2", "yuv420p", 64),), sound=(("wmav2", "stereo"),))
_rich("flv", ".flv", video=(("flv", "yuv420p", 64),), sound=(("libmp3lame", "stereo"),))
_rich("ts", ".ts", sound=(("aac", "stereo"), ("mp2", "stereo")), data="klv")
_rich("mxf", ".mxf", video=(("mpeg2video", "yuv420p", 64),), sound=(("pcm_s16le", "stereo"),))
_rich(
    "webm",
    ".webm",
    video=(("libvpx-vp9", "yuv420p", 64),),
    sound=(("libopus", "stereo"),),
    words="webvtt",
    chapters=True,
)
_rich("alpha-webm", ".webm", video=(("libvpx-vp9", "yuva420p", 64),))
_rich("alpha-mov", ".mov", video=(("qtrle", "argb", 64),))
_rich("hdr-mkv", ".mkv", video=(("libx265", "yuv420p10le", 64),), params=MASTERING)
_rich("hdr-mp4", ".mp4", video=(("libx265", "yuv420p10le", 64),), params=MASTERING, matrix=True)
_rich("stereo-mkv", ".mkv", tags={"stereo_mode": "left_right", "timecode": "01:02:03:04"})
RICH["exif-avi"] = ".avi", write_exif
RICH["exif-mov"] = ".mov", write_exif
RICH["spherical-mp4"] = ".mp4", write_spherical
