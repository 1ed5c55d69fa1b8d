"""Read a trial output back and name everything in the source that it does not hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import av
from av.error import FFmpegError
from av.stream import Disposition, Stream

from restill.video.copying import is_cover, keep_metadata, others
from restill.video.info import VideoInfo
from restill.video.opening import reason
from restill.video.sidedata import is_same, named, sides

_TURNED = "DISPLAYMATRIX"  # if the container cannot hold it, the pixels are rotated
# Tags that the muxer sets itself, or that are stored differently.
_OWN = {"handler_name", "creation_time", "rotate", "filename", "mimetype", "stereo_mode"}
_MARKS = {mark: mark.name for mark in Disposition if mark not in (Disposition.default, Disposition.attached_pic)}


@dataclass
class Held:
    """The content of an output.

    Attributes:
        kinds: The number of streams with data, by type.
        sides: The side data of the picture's first frame.
        chapters: The number of chapters.
        tags: The tags of the file.
        streams: Tags and disposition of each stream except covers, by type and in order.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    sides: dict[str, bytes] = field(default_factory=dict)
    chapters: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    streams: dict[str, list[tuple[dict[str, str], int]]] = field(default_factory=dict)


def read_back(made: BinaryIO, place: int) -> Held | str:
    """Read an output; return a sentence if that fails.

    Args:
        made: The output.
        place: The number of other video streams before the picture.
    """
    held = Held()
    try:
        with av.open(made, "r") as output:
            videos = [stream for stream in output.streams.video if not is_cover(stream)]
            picture = videos[place]
            sent = {stream.index: stream.type for stream in (picture, *others(output, picture))}
            held.chapters, held.tags = len(output.chapters()), _lower(dict(output.metadata))
            for stream in output.streams:
                if not (stream.type == "video" and is_cover(stream)):
                    found = _lower(stream.metadata), int(stream.disposition)
                    held.streams.setdefault(stream.type, []).append(found)
            filled = {index for index, kind in sent.items() if kind == "attachment"}
            frames = []
            for packet in output.demux():
                filled |= {packet.stream_index} if packet.size else set()
                frames += picture.decode(packet) if packet.stream is picture and not frames else []
            held.kinds = Counter(sent[index] for index in filled if index in sent)
            held.sides = sides(frames[0])
    except (FFmpegError, IndexError) as error:
        return f"the written file cannot be read: {reason(error)}"
    return held


def lost(
    info: VideoInfo, picture: Stream | None, tags: dict[str, str], carried: list[Stream], held: Held, suffix: str
) -> list[str]:
    """Return sentences that name what a source has and an output lacks.

    Args:
        info: The source.
        picture: The stream of its picture; None for picture files.
        tags: The tags that the picture of the output should have.
        carried: The other streams that the output has, in order.
        held: The content of the output.
        suffix: The extension of the output.
    """
    sentences = []
    kinds = {kind for kind, data in info.sides.items() if not is_same(kind, data, held.sides.get(kind))} - {_TURNED}
    if kinds:
        sentences.append(left_out(kinds, suffix))
    if held.chapters < len(info.chapters):
        sentences.append(
            f"{len(info.chapters) - held.chapters} of the chapters are left out: a {suffix} cannot hold them"
        )
    missing = _missing(keep_metadata(info.metadata), held.tags)
    for stream, (kept, marks) in _pairs(picture, carried, held):
        wanted = tags if stream is picture else keep_metadata(stream.metadata)
        missing += [f"{key} of stream {stream.index}" for key in _missing(wanted, kept)]
        gone = stream.disposition & ~marks
        missing += [f"the mark '{name}' of stream {stream.index}" for mark, name in _MARKS.items() if gone & mark]
    if missing:
        sentences.append(f"a {suffix} cannot hold these tags, which are left out: {', '.join(missing)}")
    return sentences


def left_out(kinds: set[str], suffix: str) -> str:
    """Return a sentence that names side data missing from an output."""
    return f"these are left out, as Restill cannot write them into a {suffix}: {', '.join(named(kinds))}"


def _pairs(
    picture: Stream | None, carried: list[Stream], held: Held
) -> Iterator[tuple[Stream, tuple[dict[str, str], int]]]:
    streams = carried if picture is None else [*carried, picture]
    streams = sorted(streams, key=lambda stream: stream.index)
    for kind, found in held.streams.items():
        yield from zip((one for one in streams if one.type == kind and not is_cover(one)), found, strict=False)


def _missing(tags: dict[str, str], kept: dict[str, str]) -> list[str]:
    return [key for key, value in _lower(tags).items() if key not in _OWN and not _is_kept(key, value, kept)]


def _is_kept(key: str, value: str, kept: dict[str, str]) -> bool:
    if key == "language":  # a language has several codes
        return value == "und" or kept.get(key, "und") != "und"
    return kept.get(key) == value


def _lower(tags: dict[str, str]) -> dict[str, str]:
    return {key.lower(): value for key, value in tags.items()}
