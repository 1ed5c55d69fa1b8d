"""The packets of an open file, with their times in the output."""

from __future__ import annotations

from collections.abc import Iterator

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from restill.video.timing import Timeline


def read_packets(
    container: InputContainer, picture: VideoStream, timeline: Timeline | None = None
) -> Iterator[av.Packet]:
    """Yield all packets of an open file with their times in the output, and an empty one at the end of each stream."""
    timeline = timeline or Timeline.of(container, picture)
    for packet in container.demux():
        if packet.size or packet.dts is not None:
            timeline.place(packet)
        yield packet if packet.stream is picture else _without_header(packet)


def packets_at(container: InputContainer, picture: VideoStream, late: int) -> Iterator[av.Packet]:
    """Yield the packets of the picture after a seek. Their times are moved as those from the start of the file are."""
    for packet in container.demux(picture):
        if container.format.name == "avi":  # stores no presentation times
            packet.pts = None
        packet.pts, packet.dts = (None if time is None else time + late for time in (packet.pts, packet.dts))
        yield packet


def time_of(frame: av.VideoFrame) -> int:
    """The time of a decoded frame in its stream's unit; 0 if unknown."""
    return next((time for time in (frame.pts, frame.dts) if time is not None), 0)


def _without_header(packet: av.Packet) -> av.Packet:
    """A packet without a new codec header, such as joined FLV files contain."""
    if not packet.has_sidedata("new_extradata"):
        return packet
    copy = av.Packet(bytes(packet))
    copy.stream, copy.time_base = packet.stream, packet.time_base
    copy.pts, copy.dts, copy.duration, copy.is_keyframe = packet.pts, packet.dts, packet.duration, packet.is_keyframe
    for side in packet.iter_sidedata():
        if side.data_type != "new_extradata":
            copy.set_sidedata(side)
    return copy
