"""Whatever a file holds is in the output, byte for byte, or a note names it: a matrix of files and containers."""

from __future__ import annotations

import warnings
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import pytest
from rich_clips import RICH
from small_clips import write_clip

from restill.video import EncodeSettings, probe, transcode
from restill.video.copying import is_cover, others
from restill.video.decode import open_source
from restill.video.opening import first_stream
from restill.video.segment_folder import SegmentFolder
from restill.video.sidedata import Type, named, sides
from restill.video.sinks import open_sink

OUTPUTS = (".mp4", ".mov", ".mkv", ".webm")


def run(src: Path, suffix: str, **settings) -> tuple[Path, list[str]]:
    out = src.with_name(f"out{suffix}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        transcode(src, out, lambda frames: frames, EncodeSettings(**settings))
    return out, [str(warning.message) for warning in caught]


def contents(path: Path, *, all_streams: bool = True) -> dict[int, tuple[str, bool, list[bytes]]]:
    """Type, whether it is a cover, and packets of each stream; without the restored one and what muxers make."""
    found = {}
    with av.open(str(path)) as container:
        picture = first_stream(path, container)
        for stream in container.streams if all_streams else others(container, picture):
            data = [stream.data] if stream.type == "attachment" else []
            found[stream.index] = stream.type, stream.type == "video" and is_cover(stream), data
        for packet in container.demux():
            # MP4 fills gaps between words with empty ones
            if packet.stream_index in found and packet.size > 2 * (packet.stream.type == "subtitle"):
                found[packet.stream_index][2].append(bytes(packet))
    return found


def is_same(before: tuple[str, bool, list[bytes]], after: tuple[str, bool, list[bytes]]) -> bool:
    """A container may keep the header of a packet once, for the whole stream; and cut PCM where it likes."""
    if before[:2] != after[:2]:
        return False
    if len(before[2]) != len(after[2]):
        return b"".join(before[2]) == b"".join(after[2])
    return all(a.endswith(b) or b.endswith(a) for a, b in zip(before[2], after[2], strict=True))


def unnamed(src: Path, out: Path, notes: list[str]) -> list[str]:
    """What is neither in the output nor in a note."""
    lost, text, found = [], "\n".join(notes), contents(out)
    for index, stream in contents(src, all_streams=False).items():
        said = any(f"stream {index} (" in note and "is copied" not in note for note in notes)
        if not said and not any(is_same(stream, one) for one in found.values()):
            lost.append(f"stream {index}")
    first, second = probe(src), probe(out)
    missing = {kind for kind in first.sides if kind not in second.sides} - {"DISPLAYMATRIX"}
    lost += [word for word in named(missing) if word not in text]
    if (second.width, second.height) != (first.width, first.height):
        lost.append("orientation")
    if [one["metadata"] for one in second.chapters] != [one["metadata"] for one in first.chapters]:
        lost += [] if "chapters are left out" in text else ["chapters"]
    before, after = picture_tags(src), picture_tags(out)
    if "timecode" in before and before["timecode"] != after.get("timecode") and "timecode" not in text:
        lost.append("timecode")
    has_alpha = "alpha_mode" in before or any(part.is_alpha for part in av.VideoFormat(first.pix_fmt).components)
    return lost + ["transparency"] * (has_alpha and "transparency" not in text)


def picture_tags(path: Path) -> dict[str, str]:
    with av.open(str(path)) as container:
        return {key.lower(): value for key, value in first_stream(path, container).metadata.items()}


@pytest.mark.parametrize("name", RICH)
def test_all_of_a_file_is_kept_or_named(tmp_path, name):
    suffix, make = RICH[name]
    src = make(tmp_path / f"in{suffix}")
    for out in OUTPUTS:
        assert (out, unnamed(src, *run(src, out))) == (out, [])


def test_side_data_that_pyav_has_no_name_for_hides_no_other(tmp_path):
    assert Type(77).name == "type 77"
    assert named({"type 77", "EXIF"}) == ["the EXIF data of the frames", "the side data 'type 77'"]
    suffix, make = RICH["exif-avi"]
    assert set(probe(make(tmp_path / f"in{suffix}")).sides) == {"EXIF"}


def test_captions_that_begin_late_are_named(tmp_path):
    """MPEG-2 keeps them as user data of a picture; no first frame tells of them."""
    suffix, make = RICH["mxf"]
    captions = b"\0\0\1\xb2GA94\x03\x41\xff\xfc\x80\x80\xff"
    with av.open(str(make(tmp_path / f"in{suffix}"))) as source, av.open(str(tmp_path / "late.ts"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0], opaque=True)
        for number, packet in enumerate(packet for packet in source.demux(video=0) if packet.size):
            data = bytes(packet)
            place = data.index(b"\0\0\1\1")  # the first slice
            copy = av.Packet(data[:place] + captions * (number > 2) + data[place:])
            copy.pts, copy.dts, copy.time_base, copy.stream = packet.pts, packet.dts, packet.time_base, stream
            copy.is_keyframe = packet.is_keyframe
            target.mux(copy)
    _, notes = run(tmp_path / "late.ts", ".mp4")
    assert "A53_CC" not in probe(tmp_path / "late.ts").sides
    assert any("closed captions inside the picture" in note for note in notes)


@pytest.mark.parametrize("name", ["hdr-mkv", "hdr-mp4"])
def test_hevc_keeps_the_descriptions_of_hdr10(tmp_path, name):
    suffix, make = RICH[name]
    src = make(tmp_path / f"in{suffix}")
    for container in (".mp4", ".mov", ".mkv"):
        out, notes = run(src, container)
        assert notes == []
        kinds = {"MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"}
        assert kinds <= probe(src).sides.keys() & probe(out).sides.keys()


def test_the_settings_of_an_encoder_are_no_side_data(tmp_path):
    src = write_clip(tmp_path / "in.mkv", pts=range(2))
    with av.open(str(src)) as container:
        frame = next(container.decode(video=0))
        assert "SEI_UNREGISTERED" in {side.type.name for side in frame.side_data}
        assert sides(frame) == {}


@pytest.mark.parametrize("segments", [False, True])
@pytest.mark.parametrize("out", ["out", "out.png"])
def test_pictures_name_the_streams_that_they_leave_out(tmp_path, out, segments):
    chapters = [{"id": 1, "start": 0, "end": 100, "time_base": Fraction(1, 1000), "metadata": {}}]
    src = write_clip(tmp_path / "in.mkv", pts=[0], audio="aac", chapters=chapters)
    with warnings.catch_warnings(record=True) as caught, closing(open_source(src)) as source:
        warnings.simplefilter("always")
        parts = SegmentFolder(tmp_path / "parts") if segments else None
        open_sink(tmp_path / out, source, EncodeSettings(), parts)
    (note,) = caught
    assert str(note.message) == f"'{tmp_path / out}' gets only the pictures; left out: 1 audio stream, 1 chapter"
