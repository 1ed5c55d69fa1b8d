"""A video file put together: the picture's packets, and all else of the source."""

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

from restill.video.copying import ATTACH, Carried, attach, keep_metadata, knows_tags, others, without
from restill.video.encoder import PictureEncoder
from restill.video.info import VideoInfo
from restill.video.opening import reason
from restill.video.settings import MP4, MUXERS

Failure = (FFmpegError, ValueError, OSError)  # what muxing raises
_DISK = {errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOMEM}
_NUMBER = re.compile(r"(?:stream|track) (?:#?\d+:|#)?(\d+)")


class Muxer:
    """An output: its header, the packets of the picture and of the other streams, its end.

    Args:
        file: A name, or a file in memory.
        suffix: The output's, which chooses the container.
        info: The source.
        encoder: Of the picture, as yet not started.
        container: The source, opened; None for pictures.
        picture: The picture's stream of the source.
        ways: What becomes of each other stream of the source, by its index, see
            :class:`restill.video.copying.Carried`; the others are left out.
        covers: The pictures of those that become attachments, by the same index.
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
        # a shift of all streams, only because sound starts a little before zero, would change every time
        options = {"avoid_negative_ts": "disabled"}
        if suffix in MP4:
            flags = ["faststart"] if isinstance(file, str) else []  # it opens the file anew, by its name
            flags += [] if knows_tags(info.metadata) else ["use_metadata_tags"]
            if flags:
                options["movflags"] = "+".join(flags)
            if info.time_base.numerator == 1 and info.time_base.denominator >= 1000:
                ticks = str(info.time_base.denominator)
                options |= {"video_track_timescale": ticks, "movie_timescale": ticks}
        self._output = av.open(file, "w", format=MUXERS[suffix], container_options=options)
        self._carried: dict[int, Carried] = {}
        self.at: int | None = None  # the stream of the source that is being written

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
        """A packet of the picture."""
        packet.stream = self.picture
        self.at = None
        self._output.mux_one(packet)

    def write_other(self, index: int, packet: av.Packet | None) -> None:
        """A packet of another stream of the source, by the stream's index; None ends it."""
        if (carried := self._carried.get(index)) is not None:
            self.at = index
            for one in carried.take(packet):
                self._output.mux_one(one)

    def close(self) -> None:
        """Write the end of the file."""
        for index in self._carried:
            self.write_other(index, None)
        self.at = None
        self._output.close()

    def abandon(self) -> None:
        """Close the file as it is."""
        with suppress(*Failure):
            self._output.close()

    def culprit(self, sentences: list[str]) -> int | None:
        """The stream of the source that FFmpeg speaks of, or that was being written; None where that is unknown."""
        indices = {carried.target.index: index for index, carried in self._carried.items()}
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
                self._carried[stream.index] = Carried(self._output, stream, way)


def is_of_the_disk(error: BaseException) -> bool:
    """Whether an error says something of the disk or the memory, not of what is written."""
    return getattr(error, "errno", None) in _DISK


@contextmanager
def told() -> Iterator[list[str]]:
    """The sentences in which FFmpeg says what is wrong, while this lasts; PyAV keeps it silent otherwise."""
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


def why(error: BaseException, sentences: list[str]) -> str:
    """FFmpeg's reason for an error, or else the error's own."""
    return (sentences[0] if sentences else reason(error)).rstrip(".")
