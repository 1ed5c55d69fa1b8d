"""What is wrong is said in one sentence, and nothing is left behind."""

from __future__ import annotations

import av
import numpy as np
import pytest
from small_clips import picture

from restill.errors import RestillError
from restill.video import EncodeSettings, probe, read_frames, transcode
from restill.video.pictures import write_picture


def refused(src, dst, sentence, **settings):
    names = sorted(entry.name for entry in src.parent.iterdir()) if src.parent.exists() else []
    with pytest.raises(RestillError, match=sentence) as caught:
        transcode(src, dst, lambda frames: frames, EncodeSettings(**settings))
    assert "\n" not in str(caught.value)
    assert names == sorted(entry.name for entry in src.parent.iterdir())


def test_inputs(clip, tmp_path):
    out = tmp_path / "out.mp4"
    refused(tmp_path / "none.mp4", out, "'.*none.mp4' does not exist")
    (tmp_path / "text.mp4").write_text("This is no video.\n" * 50)
    refused(tmp_path / "text.mp4", out, "'.*text.mp4' cannot be read as a video")
    (tmp_path / "text.txt").write_text("This is no video.\n" * 50)
    refused(tmp_path / "text.txt", out, "'.*text.txt'")
    (tmp_path / "empty.mp4").touch()
    refused(tmp_path / "empty.mp4", out, "'.*empty.mp4' cannot be read as a video")
    (tmp_path / "empty.png").touch()
    refused(tmp_path / "empty.png", out, "'.*empty.png' cannot be read as a picture")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", out, "'.*folder' holds no pictures")


def test_a_file_of_sound_alone(tmp_path):
    with av.open(str(tmp_path / "a.m4a"), "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=48000)
        chunk = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        chunk.sample_rate = 48000
        container.mux(sound.encode(chunk))
        container.mux(sound.encode(None))
    refused(tmp_path / "a.m4a", tmp_path / "b.mp4", "has no video stream, only audio")


def test_outputs(clip, tmp_path):
    src = clip("a.mp4")
    before = src.read_bytes()
    refused(src, src, "is the input itself")
    refused(src, tmp_path / "no" / "b.mp4", "the folder '.*no' does not exist")
    refused(src, tmp_path / "b.avi", r"ends in \.avi, which Restill does not write; use \.mp4")
    refused(src, tmp_path / "b.png", "holds one picture, but '.*a.mp4' has 10; name a folder or a video")
    (tmp_path / "b.mp4").write_bytes(b"mine")
    refused(src, tmp_path / "b.mp4", "exists already; add --overwrite")
    assert (tmp_path / "b.mp4").read_bytes() == b"mine"
    assert src.read_bytes() == before
    transcode(src, tmp_path / "b.mp4", lambda frames: frames, overwrite=True)
    assert probe(tmp_path / "b.mp4").frames == 10


def test_an_output_that_fails_keeps_what_was_there(clip, tmp_path):
    src = clip("a.mp4")
    (tmp_path / "b.mp4").write_bytes(b"mine")

    def fails(frames):
        yield next(frames)
        raise RestillError("no more")

    with pytest.raises(RestillError, match="no more"):
        transcode(src, tmp_path / "b.mp4", fails, overwrite=True)
    assert (tmp_path / "b.mp4").read_bytes() == b"mine"


def test_settings(clip, tmp_path):
    src, deep = clip("a.mp4"), clip("deep.mp4", pix_fmt="yuv420p10le")
    out = tmp_path / "b.mp4"
    refused(src, out, "codec 'h266' is unknown; the codecs are h264", codec="h266")
    refused(src, out, "preset 'quick' is unknown; the presets, from fast to thorough, are ultrafast", preset="quick")
    refused(src, out, "crf -1 is below 0", crf=-1)
    refused(src, out, "crf 60 is not on the scale of h264, 0 to 51", crf=60)
    refused(src, tmp_path / "b.mkv", "ffv1 has a fixed quality", codec="ffv1", crf=10)
    refused(src, tmp_path / "b.webm", r"a \.webm file cannot hold h264; it holds vp9, av1", codec="h264")
    refused(src, out, "a .mp4 file cannot hold prores", codec="prores")
    refused(deep, out, "vp9 would cut the input's 10 bits to 8; choose --codec from h264", codec="vp9")
    refused(src, out, "fps 'many' is not a number", fps="many")
    refused(src, out, "fps 0 must be above 0", fps="0")


def test_frames_of_a_folder_must_be_alike(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    write_picture(folder / "1.png", picture(0, 32, 24))
    write_picture(folder / "2.png", picture(0, 30, 24))
    with pytest.raises(RestillError, match=r"2\.png' is 30x24 with 8 bits, but the first frame is 32x24"):
        list(read_frames(folder))
