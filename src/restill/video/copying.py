"""The other streams of a file: sound, subtitles, covers, fonts, data, copied packet by packet."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from contextlib import suppress

import av
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.stream import Stream

# What a muxer writes itself, or what is no longer true once the picture is encoded anew.
_STALE = {"major_brand", "minor_version", "compatible_brands", "encoder", "vendor_id", "duration", "bps"}
_STALE |= {"number_of_frames", "number_of_bytes"}
# Tags for which MP4 has a place of its own; for any other, all are written in its newer, general form.
_MP4_TAGS = {
    "title",
    "artist",
    "album_artist",
    "composer",
    "album",
    "date",
    "comment",
    "genre",
    "copyright",
    "grouping",
}
_MP4_TAGS |= {"lyrics", "description", "synopsis", "show", "episode_id", "network", "keywords", "episode_sort", "track"}
_MP4_TAGS |= {"season_number", "media_type", "hd_video", "gapless_playback", "compilation", "disc", "rating"}
_MP4_TAGS |= {"creation_time", "location"}


def knows_tags(tags: dict[str, str]) -> bool:
    """Whether MP4 has a place of its own for each of these tags."""
    return all(key.lower().partition("-")[0] in _MP4_TAGS for key in keep_metadata(tags))


def keep_metadata(tags: dict[str, str]) -> dict[str, str]:
    """The tags that are still true of a copy."""
    return {key: value for key, value in tags.items() if key.lower() not in _STALE and not key.startswith("_STATIST")}


def add_copied_stream(output: OutputContainer, stream: Stream) -> Stream | None:
    """Add a stream that will get another file's packets, or warn in one sentence that it cannot be kept."""
    if not _can_hold(output.format.name, stream):
        kind = stream.type if stream.type != "video" else "cover"
        format_name = getattr(stream, "name", None) or "unknown"
        warnings.warn(
            f"{kind} stream {stream.index} ({format_name}) is left out: a {output.format.name} file cannot hold it; "
            "a .mkv holds most",
            UserWarning,
            stacklevel=2,
        )
        return None
    return _add(output, stream)


def _add(output: OutputContainer, stream: Stream) -> Stream:
    copy = output.add_stream_from_template(stream, opaque=True)
    copy.metadata.update(keep_metadata(stream.metadata))
    copy.disposition = stream.disposition
    return copy


def _can_hold(format_name: str, stream: Stream) -> bool:
    # The only sure way to know: let the muxer write a header with this stream alone.
    trial = av.open(io.BytesIO(), "w", format=format_name)
    try:
        _add(trial, stream)
        trial.start_encoding()
    except (ValueError, FFmpegError):
        return False
    finally:
        with suppress(ValueError, FFmpegError):  # a header that was refused
            trial.close()
    return True


def others(container: InputContainer, picture: Stream) -> Iterable[Stream]:
    """Every stream but the picture and what the muxer makes itself (the text track behind MP4's chapters)."""
    for stream in container.streams:
        is_chapter_text = stream.type == "data" and getattr(stream, "name", "") == "bin_data" and container.chapters()
        if stream is not picture and not is_chapter_text:
            yield stream
