"""Write a video file from the packets of the picture and the other streams of the source."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO

import av
from av import logging
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Stream

from restill.video.copying import ATTACH, CopiedStream, attach, keep_metadata, knows_tags, others, without
from restill.video.encoder import PictureEncoder
from restill.video.info import VideoInfo
from restill.video.opening import reason
from restill.video.settings import MP4, MUXERS

Failure = (FFmpegError, ValueError, OSError)  # the errors of muxing
_DISK = {errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOMEM}
_NUMBER = re.compile(r"(?:stream|track) (?:#?\d+:|#)?(\d+)")


class Muxer:
    """Writes an output: its header, the packets of the picture and of the other streams, and its end.

    Args:
        file: A path, or a file in memory.
        suffix: The extension of the output, which chooses the container.
        info: The description of the source.
        encoder: The encoder of the picture, not started yet.
        container: The open source; None for pictures.
        picture: The stream of the source that is restored.
        ways: How to write each other stream of the source, by its index: see
            :class:`restill.video.copying.CopiedStream`. Streams that are not in it are left out.
        covers: The pictures of the covers that become attachments, by the same index.
    """

    def __init__(
        self,
        file: str | IO[bytes],
        suffix: str,
        info: VideoInfo,
        encoder: PictureEncoder,
        container: InputContainer | None,
        picture: Stream | None,
        ways: Mapping[int, str],
        covers: Mapping[int, bytes],
    ) -> None:
        self._file, self._info, self._encoder, self._ways, self._covers = file, info, encoder, ways, covers
        self._streams = list(others(container, picture)) if container and picture else []
        self._place = sum(stream.index < picture.index for stream in self._streams) if picture else 0
        # sound may start a little before zero: do not shift the times of all streams for it
        options = {"avoid_negative_ts": "disabled"}
        if suffix in MP4:
            flags = ["faststart"] if isinstance(file, str) else []  # needs a path, because it reopens the file
            flags += [] if knows_tags(info.metadata) else ["use_metadata_tags"]
            if flags:
                options["movflags"] = "+".join(flags)
            if info.time_base.numerator == 1 and info.time_base.denominator >= 1000:
                ticks = str(info.time_base.denominator)
                options |= {"video_track_timescale": ticks, "movie_timescale": ticks}
        self._output = av.open(file, "w", format=MUXERS[suffix], container_options=options)
        self._copied: dict[int, CopiedStream] = {}
        self.at: int | None = None  # index of the stream that is being written

    def start(self, height: int, width: int, *, deep: bool) -> None:
        """Write the header, for stored frames of this size."""
        dropped = () if self._encoder.timecode else ("timecode",)
        self._output.metadata.update(without(keep_metadata(self._info.metadata), *dropped))
        if self._info.chapters:
            self._output.set_chapters(self._info.chapters)
        self._carry(self._streams[: self._place])
        self.picture = self._encoder.start(self._output, height, width, deep=deep)
        self._carry(self._streams[self._place :])
        self.at = None
        self._output.start_encoding()

    def write_picture(self, packet: av.Packet) -> None:
        """Write a packet of the picture."""
        packet.stream = self.picture
        self.at = None
        self._output.mux_one(packet)

    def write_other(self, index: int, packet: av.Packet | None) -> None:
        """Write a packet of another stream, by the stream's index in the source; None ends the stream."""
        if (copied := self._copied.get(index)) is not None:
            self.at = index
            for one in copied.take(packet):
                self._output.mux_one(one)

    def close(self) -> None:
        """Write the end of the file."""
        for index in self._copied:
            self.write_other(index, None)
        self.at = None
        self._output.close()

    def abandon(self) -> None:
        """Close the unfinished file."""
        with suppress(*Failure):
            self._output.close()

    def culprit(self, sentences: list[str]) -> int | None:
        """The index of the stream that FFmpeg's messages name, or that was being written; None if unknown."""
        indices = {copied.target.index: index for index, copied in self._copied.items()}
        for sentence in sentences:
            for number in _NUMBER.findall(sentence):
                if int(number) in indices:
                    return indices[int(number)]
        return self.at

    def _carry(self, streams: list[Stream]) -> None:
        for stream in streams:
            way = self._ways.get(stream.index)
            self.at = stream.index
            if way == ATTACH:
                attach(self._output, stream, self._covers[stream.index])
            elif way is not None:
                self._copied[stream.index] = CopiedStream(self._output, stream, way)


def is_of_the_disk(error: BaseException) -> bool:
    """Whether an error comes from the disk or the memory, not from the written data."""
    return getattr(error, "errno", None) in _DISK


@contextmanager
def ffmpeg_errors() -> Iterator[list[str]]:
    """Collect FFmpeg's error messages inside the context. Otherwise PyAV keeps them silent."""
    level, skips = logging.get_level(), logging.get_skip_repeated()
    sentences: list[str] = []
    capture = logging.Capture(local=False)
    logging.set_level(logging.ERROR)
    logging.set_skip_repeated(False)
    try:
        with capture as logs:
            try:
                yield sentences
            finally:
                sentences += [text.strip() for number, _, text in logs if number <= logging.ERROR and text.strip()]
    finally:
        logging.set_level(level)
        logging.set_skip_repeated(skips)


def failure_reason(error: BaseException, sentences: list[str]) -> str:
    """FFmpeg's message for an error, or the message of the error itself."""
    return (sentences[0] if sentences else reason(error)).rstrip(".")
