"""Picture files: what they hold is in the result or is named, and no picture in a file is lost without a word."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from small_pictures import DATE, GRID, ICC, MAKER, animated, full, stored

from restill.errors import RestillError
from restill.restoring.outputs import default_output
from restill.video import Limits, probe, read_frames, transcode
from restill.video.pictures import read_picture, write_picture

SOURCES = (".jpg", ".png", ".webp", ".tif", ".avif", ".heic")


def needs(suffix: str) -> None:
    if suffix == ".heic":
        pytest.importorskip("pillow_heif", reason="the extra 'heic' is not installed")


def same(frames):
    return frames


def made(src: Path, dst: Path, process=same) -> tuple[Path, str]:
    """The result, and all notes."""
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        transcode(src, dst, process)
    return dst, "\n".join(str(note.message) for note in notes)


def kept(path: Path) -> dict[str, bool]:
    """Which of the things that ``full`` puts into a picture are in a result."""
    with Image.open(path) as picture:
        picture.load()
        exif, info = picture.getexif(), picture.info
        texts = {**getattr(picture, "text", {}), "comment": info.get("comment")}
        place = exif.get_ifd(0x8825)
        assert exif.get(0x0112, 1) == 1
        xmp = info.get("xmp") or b""
        assert b'Orientation="6"' not in xmp
        return {
            "EXIF": exif.get(0x010F) == MAKER and exif.get_ifd(0x8769).get(0x9003) == DATE and float(place[2][1]) == 30,
            "ICC": info.get("icc_profile") == ICC,
            "XMP": b'dc:title="Rain"' in xmp,
            "texts": "Rain" in texts.values() or b"Rain" in texts.values(),
            "resolution": abs(info.get("dpi", (0, 0))[0] - 300) < 1,
        }


@pytest.mark.parametrize("suffix", SOURCES)
@pytest.mark.parametrize("target", [".jpg", ".jfif", ".png", ".webp", ".tif", ".bmp", ".mp4", "folder"])
def test_everything_is_in_the_result_or_named(tmp_path, suffix, target):
    needs(suffix)
    src = full(tmp_path / f"a{suffix}")
    (tmp_path / "folder").mkdir()
    out, notes = made(src, tmp_path / ("folder" if target == "folder" else f"out{target}"))
    frame = next(iter(read_frames(out if target != "folder" else next(out.iterdir()))))
    assert frame.shape == (48, 32, 3)  # upright: the bright corner has gone to the upper right
    assert frame[:8, -6:].mean() > 200 > 100 > frame[:8, :6].mean()
    held = {"EXIF", "ICC", "XMP"}
    held |= {"texts"} if suffix in (".jpg", ".png") else set()
    held |= {"resolution"} if suffix in (".jpg", ".png", ".tif") and target != ".mp4" else set()
    there = {} if target == ".mp4" else kept(out if target != "folder" else next(out.iterdir()))
    for thing in held:
        assert there.get(thing) or thing in notes, f"{thing} of {suffix} is neither in {target} nor named: {notes}"
    assert ("transparency" in notes) == (suffix != ".jpg")
    assert target == ".mp4" or all(line.endswith(f"'a{suffix}'") for line in notes.splitlines())
    if target in (".jpg", ".png", ".webp", ".tif"):
        assert there["EXIF"]
        assert there["ICC"]
        assert there["XMP"]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("target", [".png", ".tif", ".jpg", ".webp", ".bmp"])
def test_sixteen_bits_are_kept_or_named(tmp_path, suffix, target):
    deep = (np.asarray(stored()).astype(np.uint16) * 257)[:, :, ::-1]
    cv2.imwrite(str(tmp_path / f"a{suffix}"), deep)
    if suffix == ".png":  # with the extras of another PNG, put behind its header
        data, small = (tmp_path / "a.png").read_bytes(), full(tmp_path / "b.png").read_bytes()
        begin, end = 33, small.index(b"IDAT") - 4
        (tmp_path / "a.png").write_bytes(data[:33] + small[begin:end] + data[33:])
    out, notes = made(tmp_path / f"a{suffix}", tmp_path / f"out{target}")
    frame = next(iter(read_frames(out)))
    assert (frame.dtype == np.uint16) != ("16 bits a channel are cut to 8" in notes)
    assert frame.dtype == (np.uint16 if target in (".png", ".tif") else np.uint8)
    if suffix == ".png":
        assert frame.shape == (48, 32, 3)
        there = kept(out)
        assert all(there[thing] or thing in notes for thing in ("EXIF", "ICC", "XMP", "texts", "resolution"))
        assert there["EXIF"] or target in (".bmp", ".tif")


def test_a_profile_of_other_colors_is_named(tmp_path):
    gray = b"\0" * 16 + b"GRAY" + b"\0" * 108
    stored().convert("L").save(tmp_path / "a.jpg", icc_profile=gray)
    stored().convert("CMYK").save(tmp_path / "b.jpg")
    out, notes = made(tmp_path / "a.jpg", tmp_path / "out.jpg")
    assert "the ICC color profile, of GRAY colors, is not kept" in notes
    with Image.open(out) as picture:
        assert "icc_profile" not in picture.info
    assert "CMYK colors are turned into RGB" in made(tmp_path / "b.jpg", tmp_path / "outb.jpg")[1]


def test_damaged_exif_data_is_named_and_the_picture_restored(tmp_path):
    stored().save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\x7f" * 40)
    _, notes = made(tmp_path / "a.jpg", tmp_path / "out.jpg")
    assert not notes or "EXIF" in notes
    assert read_picture(tmp_path / "out.jpg").shape == (32, 48, 3)


def test_the_alpha_channel_of_an_opaque_picture_is_no_loss(tmp_path):
    stored().convert("RGBA").save(tmp_path / "a.png")
    assert made(tmp_path / "a.png", tmp_path / "out.png")[1] == ""


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_turned_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turns = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270"}
    turns |= {7: "TRANSVERSE", 8: "ROTATE_90"}
    upright = stored().transpose(Image.Transpose[turns[orientation]]) if orientation > 1 else stored()
    stored().save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_picture(tmp_path / "a.png"), np.asarray(upright))


def test_a_picture_of_tiles_is_whole(tmp_path):
    for name in ("grid.avif", "grid.jpg", "grid.mp4"):  # whatever the name says
        (tmp_path / name).write_bytes(GRID)
        picture = read_picture(tmp_path / name)
        assert picture.shape == (128, 128, 3)
        corners = [picture[y, x].argmax() for y, x in ((20, 20), (20, 100), (100, 20))]
        assert corners == [0, 1, 2]
        assert (probe(tmp_path / name).kind, probe(tmp_path / name).width) == ("picture", 128)


def test_heic_without_its_library_is_refused_by_name(tmp_path, monkeypatch):
    needs(".heic")
    src = full(tmp_path / "a.heic")
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(RestillError, match=r"a\.heic' is a HEIC picture: .*pip install 'restill\[heic\]'"):
        probe(src)


@pytest.mark.parametrize("suffix", [".webp", ".png", ".tif", ".apng", ".avif"])
def test_every_picture_of_a_file_is_restored_at_its_time(tmp_path, suffix):
    src = animated(tmp_path / f"a{suffix}")
    info = probe(src)
    assert (info.kind, info.frames) == ("animation", 4)
    assert info.duration == pytest.approx(4 * 0.04 if suffix == ".tif" else 0.28)
    made(src, tmp_path / "out.mp4")
    made(src, tmp_path / "out")
    assert probe(tmp_path / "out.mp4").frames == 4
    assert probe(tmp_path / "out.mp4").duration == pytest.approx(info.duration, abs=0.02)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [f"{n:06d}.png" for n in range(1, 5)]
    for number, frame in enumerate(read_frames(tmp_path / "out")):
        assert np.abs(frame.astype(int) - np.asarray(stored().rotate(5 * number))).mean() < 8
    with pytest.raises(RestillError, match=r"out\.png' holds one picture, but '.*' has 4; name a folder or a video"):
        transcode(src, tmp_path / "out.png", same)
    assert default_output(src, "clean").name == ("a.clean" if suffix == ".tif" else "a.clean.mp4")


def test_smaller_versions_and_gain_maps_are_no_frames(tmp_path):
    first, second = stored(), stored(24, 16)
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second])
    assert probe(tmp_path / "a.jpg").kind == "picture"
    assert "the 1 further images in it" in made(tmp_path / "a.jpg", tmp_path / "out.jpg")[1]
    tifffile = pytest.importorskip("tifffile")
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(np.asarray(first), photometric="rgb")
        file.write(np.asarray(second), photometric="rgb", subfiletype=1)
    assert probe(tmp_path / "a.tif").kind == "picture"
    assert "smaller versions" in made(tmp_path / "a.tif", tmp_path / "out.tif")[1]


def test_default_outputs_have_an_ending_that_is_written(tmp_path):
    for name, result in {"a.heic": "a.x.jpg", "a.avif": "a.x.jpg", "a.jfif": "a.x.jfif", "a.PNG": "a.x.PNG"}.items():
        assert default_output(tmp_path / name, "x").name == result
    stored().save(tmp_path / "a", "PNG")
    assert default_output(tmp_path / "a", "x").name == "a.x.png"
    with pytest.raises(RestillError, match=r"Restill does not write \.heic; use \.jpg or \.png"):
        transcode(tmp_path / "a", tmp_path / "out.heic", same)


def test_the_limit_of_pixels_is_restills_own(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for suffix in (".tif", ".png", ".jpg"):
        stored().save(tmp_path / f"a{suffix}")
        assert read_picture(tmp_path / f"a{suffix}").shape == (32, 48, 3)
        with pytest.raises(RestillError, match="more than the limit of 1,000 pixels"):
            read_picture(tmp_path / f"a{suffix}", Limits(pixels=1000))
    assert Image.MAX_IMAGE_PIXELS == 100


@pytest.mark.parametrize(
    ("suffix", "modes"),
    [
        (".png", ["1", "L", "LA", "P", "I;16"]),
        (".tif", ["1", "L", "LA", "P", "PA", "I;16", "CMYK", "YCbCr", "RGBX"]),
        (".jpg", ["1", "L", "CMYK", "YCbCr", "RGBX"]),
        (".webp", ["1", "L", "LA", "P", "CMYK", "YCbCr"]),
        (".bmp", ["1", "L", "P"]),
    ],
)
def test_every_kind_of_pixels_is_read(tmp_path, suffix, modes):
    for mode in modes:
        stored().convert("L" if mode == "I;16" else "RGB").convert(mode).save(tmp_path / f"a{suffix}")
        picture = read_picture(tmp_path / f"a{suffix}")
        assert picture.shape == (32, 48, 3)
        assert picture[:6, :9].mean() > picture[20:, 20:].mean()


def test_what_is_no_picture_is_one_sentence(tmp_path):
    data = io.BytesIO()
    stored(400, 300).save(data, "JPEG")
    whole = data.getvalue()
    broken = {"cut.jpg": whole[: len(whole) // 2], "empty.png": b"", "text.png": b"no picture", "head.jpg": whole[:30]}
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RestillError, match=f"{name}' cannot be read as a picture") as caught:
            probe(tmp_path / name)
        assert "\n" not in str(caught.value)
    (tmp_path / "a.CR2").write_bytes(b"II*\0")
    with pytest.raises(RestillError, match="a camera's raw file"):
        probe(tmp_path / "a.CR2")
    with pytest.raises(RestillError, match="File name too long"):
        probe(tmp_path / f"{'a' * 300}.png")
    write_picture(tmp_path / "deep.png", np.full((4, 4, 3), 9, np.uint16))
    (tmp_path / "cut.png").write_bytes((tmp_path / "deep.png").read_bytes()[:60])
    with pytest.raises(RestillError, match=r"cut\.png' cannot be read as a picture"):
        probe(tmp_path / "cut.png")
