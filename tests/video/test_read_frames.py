"""Frames out of videos, folders and pictures, and what probe says of them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from small_clips import QUARTER_TURN, picture

from restill.errors import RestillError
from restill.video import probe, read_frames, transcode
from restill.video.color import ColorTags, Converter
from restill.video.orientation import Orientation, from_matrix
from restill.video.pictures import write_picture

KR_KB = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}  # ITU-R BT.709, BT.601, BT.2020


def test_probe(clip):
    info = probe(clip("a.mp4", matrix=QUARTER_TURN, audio="aac", metadata={"title": "Rain"}, pix_fmt="yuv422p10le"))
    assert (info.width, info.height, info.coded_width, info.coded_height) == (48, 64, 64, 48)
    assert (info.frames, info.fps, info.bit_depth, info.chroma) == (10, 25, 10, "422")
    assert (info.rotation, info.streams, info.kind, info.codec) == (90, {"audio": 1}, "video", "h264")
    assert info.duration == pytest.approx(0.4)
    assert info.metadata["title"] == "Rain"


def test_probe_estimates_frames_where_the_file_does_not_say(clip):
    info = probe(clip("a.mkv"))
    assert info.frames is None
    assert info.expected_frames == pytest.approx(10, abs=1)


def test_a_folder_is_read_in_natural_order(tmp_path):
    for number in (10, 9, 1, 2, 100):
        write_picture(tmp_path / f"frame{number}.png", np.full((4, 6, 3), number, np.uint8))
    (tmp_path / "notes.txt").write_text("not a picture")
    assert [frame[0, 0, 0] for frame in read_frames(tmp_path)] == [1, 2, 9, 10, 100]
    assert (probe(tmp_path).frames, probe(tmp_path).kind, probe(tmp_path).width) == (5, "folder", 6)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".webp", ".jpg"])
def test_pictures_come_back(tmp_path, suffix):
    rgb = picture(0, 40, 30)
    write_picture(tmp_path / f"a{suffix}", rgb)
    (frame,) = read_frames(tmp_path / f"a{suffix}")
    assert np.abs(frame.astype(int) - rgb).mean() <= (2 if suffix == ".jpg" else 0)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_deep_pictures_come_back(tmp_path, suffix):
    rgb = picture(0, 40, 30, np.uint16)
    write_picture(tmp_path / f"a{suffix}", rgb)
    (frame,) = read_frames(tmp_path / f"a{suffix}")
    assert frame.dtype == np.uint16
    assert np.array_equal(frame, rgb)
    write_picture(tmp_path / "b.bmp", frame)
    (shallow,) = read_frames(tmp_path / "b.bmp")
    assert np.abs(shallow * 257.0 - rgb).max() <= 129


def test_grey_becomes_three_channels_and_alpha_is_dropped(tmp_path):
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((4, 4), 77, np.uint8))
    cv2.imwrite(str(tmp_path / "alpha.png"), np.full((4, 4, 4), (10, 20, 30, 128), np.uint8))
    assert next(read_frames(tmp_path / "grey.png"))[0, 0].tolist() == [77, 77, 77]
    assert next(read_frames(tmp_path / "alpha.png"))[0, 0].tolist() == [30, 20, 10]


@pytest.mark.parametrize("matrix", [1, 6, 9])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("form", ["yuv444p", "yuv420p"])  # by FFmpeg, by OpenCV
def test_colors_follow_the_standards(matrix, full, form):
    red, green, blue = 200, 80, 30
    kr, kb = KR_KB[matrix]
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    scale, chroma, offset = (1, 1, 0) if full else (219 / 255, 224 / 255, 16)
    converter = Converter(ColorTags(matrix, 2 if full else 1), 48, deep=False)
    coded = converter.from_rgb(np.full((16, 16, 3), (red, green, blue), np.uint8), form)
    wanted = (offset + scale * luma, 128 + chroma * cb, 128 + chroma * cr)
    assert np.abs([plane[0] - value for plane, value in zip(map(bytes, coded.planes), wanted, strict=True)]).max() <= 1
    assert np.abs(converter.to_rgb(coded)[0, 0] - np.array([red, green, blue])).max() <= 2


@pytest.mark.parametrize("size", [(64, 48), (63, 47), (1, 1)])
@pytest.mark.parametrize("full", [False, True])
def test_half_the_color_is_as_ffmpeg_has_it(size, full):
    rgb = picture(3, *size)
    assert rgb.shape == (size[1], size[0], 3)
    ours = Converter(ColorTags(1, 2 if full else 1), 48, deep=False)
    ffmpeg = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
        format="yuv420p", dst_colorspace=1, src_color_range=2, dst_color_range=2 if full else 1
    )
    planes = [
        [np.frombuffer(p, np.uint8).reshape(p.height, p.line_size)[:, : p.width].astype(int) for p in coded.planes]
        for coded in (ours.from_rgb(rgb, "yuv420p"), ffmpeg)
    ]
    for mine, theirs in zip(*planes, strict=True):
        assert mine.shape == theirs.shape
        assert np.abs(mine - theirs).mean() < 1.5  # FFmpeg's fast way is off by up to a level
    back = ours.to_rgb(ours.from_rgb(rgb, "yuv420p")).astype(int)
    again = ours.to_rgb(ours.from_rgb(back.astype(np.uint8), "yuv420p")).astype(int)
    assert back.shape == rgb.shape
    assert np.abs(again - back).mean() < 0.5  # there and back once more changes next to nothing


@pytest.mark.parametrize("full", [False, True])
def test_gray_stays_gray(full):
    ramp = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, 2)
    converter = Converter(ColorTags(1, 2 if full else 1), 48, deep=False)
    coded = converter.from_rgb(ramp, "yuv420p")
    for plane in coded.planes[1:]:
        chroma = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        assert np.abs(chroma.astype(int) - 128).max() <= 1
    assert np.abs(converter.to_rgb(coded).astype(int) - ramp).max() <= 1


def test_an_untagged_picture_is_709_from_720_lines_on():
    for height, matrix in ((480, 6), (720, 1)):
        guessed, known = Converter(ColorTags(), height, False), Converter(ColorTags(matrix, 1), height, False)
        rgb = picture(0, 32, 16)
        planes = [converter.from_rgb(rgb, "yuv420p").to_ndarray() for converter in (guessed, known)]
        assert np.array_equal(*planes)


@pytest.mark.parametrize("number", range(8))
def test_every_orientation_has_an_inverse(number):
    turned = Orientation(bool(number & 4), bool(number & 2), bool(number & 1))
    frame = picture(0, 6, 4)
    assert np.array_equal(turned.as_stored(turned.upright(frame)), frame)


def test_orientations_of_matrices():
    frame = np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, axis=2)
    one = 65536
    assert np.array_equal(from_matrix((0, one, 0, -one, 0, 0, 0, 0, 0)).upright(frame), np.rot90(frame, -1))
    assert np.array_equal(from_matrix((0, -one, 0, one, 0, 0, 0, 0, 0)).upright(frame), np.rot90(frame))
    assert np.array_equal(from_matrix((-one, 0, 0, 0, -one, 0, 0, 0, 0)).upright(frame), np.rot90(frame, 2))
    assert np.array_equal(from_matrix((-one, 0, 0, 0, one, 0, 0, 0, 0)).upright(frame), frame[:, ::-1])
    assert [from_matrix((0, one, 0, -one, 0)).degrees, from_matrix((-one, 0, 0, 0, -one)).degrees] == [90, 180]


def folder_of(tmp_path: Path, names: tuple[str, ...]) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, name in enumerate(names):
        write_picture(folder / name, picture(number, 32, 24))
    return folder


def test_folder_to_folder_keeps_the_stems(tmp_path):
    folder = folder_of(tmp_path, ("b2.jpg", "b10.png"))
    assert transcode(folder, tmp_path / "out", lambda frames: frames).frames == 2
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["b10.png", "b2.png"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["frames", "out"]
    with pytest.raises(RestillError, match="exists already"):
        transcode(folder, tmp_path / "out", lambda frames: frames)
    transcode(folder, tmp_path / "out", lambda frames: frames, overwrite=True)


def test_folder_to_video_and_video_to_folder(tmp_path):
    folder = folder_of(tmp_path, ("1.png", "2.png", "3.png"))
    transcode(folder, tmp_path / "a.mp4", lambda frames: frames)
    info = probe(tmp_path / "a.mp4")
    assert (info.frames, info.fps, info.color) == (3, 25, ColorTags(1, 1, 1, 1))
    transcode(tmp_path / "a.mp4", tmp_path / "back", lambda frames: frames)
    for before, after in zip(read_frames(folder), read_frames(tmp_path / "back"), strict=True):
        assert np.abs(before.astype(int) - after).mean() < 3
    assert sorted(file.name for file in (tmp_path / "back").iterdir()) == ["000001.png", "000002.png", "000003.png"]


def test_picture_to_picture_and_into_a_folder(tmp_path):
    write_picture(tmp_path / "a.png", picture(0, 33, 21, np.uint16))
    transcode(tmp_path / "a.png", tmp_path / "b.png", lambda frames: frames)
    assert np.array_equal(next(read_frames(tmp_path / "a.png")), next(read_frames(tmp_path / "b.png")))
    (tmp_path / "out").mkdir()
    transcode(tmp_path / "a.png", tmp_path / "out", lambda frames: frames)
    assert (tmp_path / "out" / "a.png").exists()


def test_deep_pictures_become_a_deep_video(tmp_path):
    folder = tmp_path / "deep"
    folder.mkdir()
    write_picture(folder / "1.png", picture(0, 32, 24, np.uint16))
    transcode(folder, tmp_path / "a.mkv", lambda frames: frames)
    assert probe(tmp_path / "a.mkv").bit_depth == 10
    assert probe(tmp_path / "a.mkv").fps == Fraction(25)


def test_a_folder_around_the_folder_of_frames_will_do(tmp_path):
    frame = np.full((8, 8, 3), 7, np.uint8)
    (tmp_path / "clip" / "rain").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "clip" / "rain" / "1.png"), frame)
    assert len(list(read_frames(tmp_path / "clip"))) == 1
    (tmp_path / "clip" / "gt").mkdir()
    cv2.imwrite(str(tmp_path / "clip" / "gt" / "1.png"), frame)
    with pytest.raises(RestillError, match="several folders of pictures; give one of them: 'gt', 'rain'"):
        list(read_frames(tmp_path / "clip"))
