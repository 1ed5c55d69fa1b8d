"""Untrusted input: decompression bombs, playlists, limits, and dangerous names."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from processes import content, ended, long_clip

from restill.errors import RestillError
from restill.runtime import load_model
from restill.video import Limits, probe, read_frames, transcode
from restill.video.pictures import read_picture, write_picture

SETTINGS = ["--model", "min-median", "--quiet"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return long_clip(tmp_path_factory.mktemp("clip") / "in.mkv", frames=30)


def png_bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes with that many black pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packed, row = zlib.compressobj(9), bytes(1 + width // 8)
    data = b"".join(packed.compress(row) for _ in range(height)) + packed.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def gif_bomb(width: int, height: int) -> bytes:
    """A GIF of a few bytes with one frame of that size."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return head + b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00\x3b"


def avi_with(data: bytes, width: int, height: int) -> bytes:
    """The AVI with another size in its header."""
    at = data.index(b"avih") + 8
    data = data[: at + 32] + struct.pack("<II", width, height) + data[at + 40 :]
    at = data.index(b"strf") + 8
    return data[: at + 4] + struct.pack("<ii", width, height) + data[at + 12 :]


BOMBS = ("bomb.png", "bomb.gif", "bomb.y4m", "bomb.avi")


@pytest.fixture(scope="module")
def bombs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small files whose headers say 32,000 x 32,000 pixels."""
    folder = tmp_path_factory.mktemp("bombs")
    (folder / "bomb.png").write_bytes(png_bomb(32_000, 32_000))
    (folder / "bomb.gif").write_bytes(gif_bomb(32_000, 32_000))
    (folder / "bomb.y4m").write_bytes(b"YUV4MPEG2 W32000 H32000 F25:1 C420\nFRAME\n" + bytes(1000))
    clean = folder / "clean.avi"
    import av

    with av.open(str(clean), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
        container.mux([*stream.encode(frame), *stream.encode(None)])
    (folder / "bomb.avi").write_bytes(avi_with(clean.read_bytes(), 32_000, 32_000))
    return folder


MEASURED = """
import sys
from pathlib import Path
from restill.errors import RestillError
from restill.video import probe, read_frames
for act in (probe, lambda path: next(read_frames(path))):
    try:
        act(Path(sys.argv[1]))
        print("taken")
    except RestillError as error:
        print(error)
lines = Path("/proc/self/status").read_text().splitlines()  # the peak of this program alone; getrusage includes others
print(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the most memory that a process took")
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_takes_little_memory(bombs, name):
    done = subprocess.run([sys.executable, "-c", MEASURED, bombs / name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *said, most = done.stdout.splitlines()
    assert len(said) == 2
    assert all(str(bombs / name) in line for line in said)
    assert int(most) < 400e6


@pytest.mark.parametrize("name", [name for name in BOMBS if name != "bomb.y4m"])  # FFmpeg itself refuses that file
def test_a_bomb_is_refused_for_what_it_is(bombs, name):
    with pytest.raises(RestillError, match=r"above the limit|more than the limit of 100,000,000 pixels"):
        probe(bombs / name)


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        (Limits(pixels=6143), "frames of 96x64, more than the limit of 6,143 pixels"),
        (Limits(frames=29), "has more frames than the limit of 29"),
        (Limits(seconds=1.0), "is longer than the limit of 1 seconds"),
        (Limits(bytes=1000), "more than the limit of 1,000"),
    ],
)
def test_limits(clip, tmp_path, limits, sentence):
    with pytest.raises(RestillError, match=sentence):
        transcode(clip, tmp_path / "out.mkv", lambda frames: frames, limits=limits)
    assert list(tmp_path.iterdir()) == []
    wide = Limits(pixels=6144, frames=30, seconds=2.0, bytes=clip.stat().st_size)
    assert transcode(clip, tmp_path / "out.mkv", lambda frames: frames, limits=wide).frames == 30


def test_a_header_that_lies_about_its_length_is_caught_at_the_frame(clip):
    """Matroska's header may not say how many frames there are. The limit is checked while reading."""
    assert probe(clip).frames is None
    with pytest.raises(RestillError, match="more frames than the limit of 10"):
        list(read_frames(clip, Limits(frames=10)))


def test_pictures_of_a_folder_have_limits_too(tmp_path):
    for number in range(3):
        write_picture(tmp_path / f"{number}.png", np.zeros((8, 8 + 8 * (number == 2), 3), np.uint8))
    with pytest.raises(RestillError, match="more frames than the limit of 2"):
        probe(tmp_path, Limits(frames=2))
    with pytest.raises(RestillError, match=r"2\.png' has frames of 16x8, more than the limit of 64"):
        read_picture(tmp_path / "2.png", Limits(pixels=64))


def test_limits_from_the_shell(clip, tmp_path):
    out = tmp_path / "out.mkv"
    done = ended(["derain", str(clip), "-o", str(out), *SETTINGS, "--max-seconds", "1"])
    assert (done.returncode, done.stderr) == (
        1,
        f"error: '{clip}' is longer than the limit of 1 seconds (--max-seconds)\n",
    )
    assert ended(["derain", str(clip), "-o", str(out), *SETTINGS, "--max-pixels", "0"]).returncode == 0


@pytest.mark.parametrize("suffix", [".mpg", ".flv", ".ts", ".avi", ".mov", ".nut", ".gif", ".mjpeg", ".h264", ".y4m"])
def test_containers_are_read_within_limits(tmp_path, suffix):
    import av

    codec = {".mpg": "mpeg2video", ".gif": "gif", ".mjpeg": "mjpeg", ".y4m": "rawvideo", ".avi": "mpeg4"}
    path = tmp_path / f"in{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec.get(suffix, "libx264"), rate=25)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = {".gif": "rgb8", ".mjpeg": "yuvj420p"}.get(suffix, "yuv420p")
        for number in range(5):
            picture = np.full((48, 64, 3), 40 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    assert len(list(read_frames(path))) == 5
    with pytest.raises(RestillError, match="limit of 3,000 pixels"):
        probe(path, Limits(pixels=3000))


def test_sound_that_nobody_knows_is_left_out_and_named(clip, tmp_path):
    data = clip.read_bytes()
    assert data.count(b"A_AAC") == 1
    (tmp_path / "in.mkv").write_bytes(data.replace(b"A_AAC", b"A_XYZ"))
    for out in ("out.mp4", "out.mkv"):
        with pytest.warns(UserWarning, match=r"audio stream 1 \(unknown\) is left out"):
            transcode(tmp_path / "in.mkv", tmp_path / out, lambda frames: frames)
        assert content(tmp_path / out).times == content(clip).times


def test_playlists_and_lists_of_files_are_refused(clip, tmp_path):
    """Playlists would make Restill open or download other files."""
    lists = {
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{clip}\n#EXT-X-ENDLIST\n",
        "list.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://localhost:9/a.ts\n#EXT-X-ENDLIST\n",
        "list.ffconcat": f"ffconcat version 1.0\nfile '{clip}'\n",
        "list.mkv": f"ffconcat version 1.0\nfile '{clip}'\n",
        "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
        "list.mpd": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'></MPD>",
    }
    for name, text in lists.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(RestillError, match=name):
            probe(tmp_path / name)


NAMES = (
    "with space.mkv",
    "-leading dash.mkv",
    "--output.mkv",
    'it\'s "quoted".mkv',
    "new\nline.mkv",
    "$(touch trap);`touch trap`|&.mkv",
    "concat:in.mkv|in.mkv",
    "http:x.mkv",
    "%d %03d *.mkv",
    "dæn 雨 🌧.mkv",
    "ä" * 125 + "x.mkv",
)


@pytest.mark.parametrize("name", NAMES)
def test_names_that_are_traps(clip, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    Path("out").mkdir()
    (Path("in") / name).write_bytes(clip.read_bytes())
    done = transcode(Path("in") / name, Path("out") / name, lambda frames: frames)
    assert done.frames == 30
    assert [path.name for path in Path("out").iterdir()] == [name]
    assert content(Path("out") / name).times == content(clip).times
    Path(name).write_bytes(clip.read_bytes())  # a bare name without a folder may look like an option or a protocol
    assert probe(name).width == 96
    assert not (tmp_path / "trap").exists()


def test_a_name_that_looks_like_an_option_from_the_shell(clip, tmp_path):
    (tmp_path / "-rainy.mkv").write_bytes(clip.read_bytes())
    done = ended(["derain", *SETTINGS, "-o", "clean.mkv", "--", "-rainy.mkv"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert content(tmp_path / "clean.mkv").times == content(clip).times


def test_some_of_the_files_that_make_faults_tries(tmp_path):
    from harness import restore_mutants

    found = restore_mutants(tmp_path, 60, every=19)
    assert found.tried == 10
    assert found.refused >= 3
    assert found.refused + found.restored == found.tried
    assert found.wrong == 0


def lying_model(path: Path, inputs: list, about: dict[str, object]) -> Path:
    """An ONNX file whose description does not match its network."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Identity", ["window"], ["clean"])],
        "lying",
        [helper.make_tensor_value_info("window", kind, inputs)],
        [helper.make_tensor_value_info("clean", kind, inputs)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    usual = {"format": 1, "name": "x", "task": "derain", "network": "x", "frames_before": 1, "frames_after": 1}
    usual |= {"scale": 1, "size_multiple": 1, "align": "none", "parameters": 0, "macs_per_pixel": 0.0}
    helper.set_model_props(model, {"restill": json.dumps(usual | about)})
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("inputs", "about", "says"),
    [
        ([1, 5, 3, "h", "w"], {}, r"which is not what its description says \(3 frames, floats\)"),
        ([1, 3, 3, "h", "w"], {"feed": "bytes"}, "which is not what its description says"),
        ([3, "h", "w"], {}, r"takes window \[3, 'h', 'w'\]"),
        ([1, 3, 3, "h", "w"], {"frames_before": 10**9}, "'frames_before': Input should be less than or equal to 100"),
        ([1, 3, 3, "h", "w"], {"scale": 10**6}, "'scale'"),
        ([1, 3, 3, "h", "w"], {"size_multiple": 10**6}, "'size_multiple'"),
    ],
)
def test_a_model_that_is_not_what_it_says(tmp_path, inputs, about, says):
    with pytest.raises(RestillError, match=says):
        load_model(lying_model(tmp_path / "x.onnx", inputs, about))


def test_a_checkpoint_that_is_not_what_it_says(tmp_path, monkeypatch):
    from restill.networks import create, saved

    path = tmp_path / "x.safetensors"
    info = {"network": "rill-s", "options": {"channels": 8, "pairs": 1}, "align": "dis", "name": "x"}
    saved.save_network(path, create("rill-s", **info["options"]), info)
    assert saved.load_network(path)[1] == info
    saved.save_network(path, create("rill-s", **info["options"]), info | {"options": {"channels": 10**6, "pairs": 1}})
    with pytest.raises(RestillError, match="its weights do not fit network 'rill-s'"):
        saved.load_network(path)  # 10^13 weights would take 36 TB
    monkeypatch.setattr(saved, "MOST_BYTES", 100)
    with pytest.raises(RestillError, match="a checkpoint has at most 100"):
        saved.load_network(path)


def test_a_model_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr("restill.runtime.onnx_file.MAX_BYTES", 100)
    with pytest.raises(RestillError, match="a model has at most 100"):
        load_model(lying_model(tmp_path / "x.onnx", [1, 3, 3, "h", "w"], {}))
