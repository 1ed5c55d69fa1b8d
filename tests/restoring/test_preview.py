"""--preview restores only a moment, as the whole job would; "stack" shows before above after."""

from __future__ import annotations

import av
import numpy as np
import pytest
from doubles import small_clip

from restill.bench.clip import rainy_clip, write_clip
from restill.errors import RestillError
from restill.restoring.api import restore
from restill.video import EncodeSettings, read_frames
from restill.video.moment import Moment


def test_the_command(restill, tmp_path):
    clip = small_clip(tmp_path / "in.mp4", frames=25)
    done = restill("derain", clip, "-o", tmp_path / "out.mp4", "--preview", "0.2s@0:00.4")
    assert done.out.startswith("5 frames in ")
    whole, part = list(read_frames(clip)), list(read_frames(tmp_path / "out.mp4"))
    assert all(np.abs(a.astype(int) - b).mean() < 2 for a, b in zip(whole[10:15], part, strict=True))
    assert restill("derain", clip, "--preview", "0.2s@0").status == 0
    assert (tmp_path / "in.preview.mp4").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "in.preview.mp4", "out.mp4"]


@pytest.mark.parametrize("moment", ["3@1", "3s@9:00"])
def test_a_wrong_moment_is_one_sentence(restill, tmp_path, moment):
    done = restill("derain", small_clip(tmp_path / "in.mp4"), "-o", tmp_path / "out.mp4", "--preview", moment)
    assert done.status == 1
    assert done.err.count("\n") == 1
    assert "moment" in done.err


@pytest.mark.parametrize("aligner", ["dis", "auto"])
def test_a_moment_looks_as_in_the_whole_job(tmp_path, aligner):
    write_clip(tmp_path / "in.mp4", rainy_clip(48, 64, 30))
    options = {"settings": EncodeSettings(codec="ffv1"), "quiet": True, "aligner": aligner}
    restore(tmp_path / "in.mp4", tmp_path / "whole.mkv", "min-median", **options)
    restore(tmp_path / "in.mp4", tmp_path / "part.mkv", "min-median", preview=Moment(0.4, 0.4), **options)
    whole, part = list(read_frames(tmp_path / "whole.mkv")), list(read_frames(tmp_path / "part.mkv"))
    assert len(part) == 10
    assert all((a == b).all() for a, b in zip(whole[10:20], part, strict=True))


@pytest.mark.parametrize(("width", "height"), [(64, 48), (63, 47)])
def test_stack_is_before_above_after(tmp_path, width, height):
    clip = tmp_path / "in.mp4"
    write_clip(clip, rainy_clip(height, width, 12))
    settings = EncodeSettings(codec="h264", crf=1, pixel_format="yuv420p", all_keys=True)
    how = {"settings": settings, "quiet": True, "compare": "stack", "preview": Moment(0.08, 0.2)}
    restore(clip, tmp_path / "out.mp4", "min-median", **how)
    restore(clip, tmp_path / "own.mkv", "min-median", settings=EncodeSettings(codec="ffv1"), quiet=True)
    before, after = list(read_frames(clip)), list(read_frames(tmp_path / "own.mkv"))
    stacked = list(read_frames(tmp_path / "out.mp4"))
    assert len(stacked) == 5
    for number, frame in enumerate(stacked):
        assert frame.shape == (2 * (height + height % 2), width + width % 2, 3)
        for half, expected in zip(np.split(frame, 2), (before[2 + number], after[2 + number]), strict=True):
            assert np.abs(half[:height, :width].astype(int) - expected).mean() < 4
    with av.open(str(tmp_path / "out.mp4")) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        assert all(packet.is_keyframe for packet in packets)
        assert all(packet.pts == packet.dts for packet in packets)
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_planes_are_stacked_as_they_are(tmp_path, planes_model):
    """The lower half is what the job writes, from the same planes."""
    write_clip(tmp_path / "in.mp4", rainy_clip(48, 64, 12))
    how = {"backend": "onnxruntime", "quiet": True, "settings": EncodeSettings(codec="ffv1")}
    restore(tmp_path / "in.mp4", tmp_path / "whole.mkv", planes_model(), **how)
    restore(
        tmp_path / "in.mp4", tmp_path / "part.mkv", planes_model(), compare="stack", preview=Moment(0.2, 0.2), **how
    )
    for name, first, last in (("in.mp4", 0, 48), ("whole.mkv", 48, 96)):
        with av.open(str(tmp_path / name)) as whole, av.open(str(tmp_path / "part.mkv")) as part:
            frames = [frame.to_ndarray() for frame in whole.decode(video=0)][5:10]
            stacked = [frame.to_ndarray()[first:last] for frame in part.decode(video=0)]
            assert len(stacked) == 5
            assert all((a[:48] == b).all() for a, b in zip(frames, stacked, strict=True))


def test_one_picture_has_no_moments(tmp_path):
    restore(small_clip(tmp_path / "in.mp4", frames=1), tmp_path / "one.png", "min-median", quiet=True)
    with pytest.raises(RestillError, match="is one picture; only clips have moments"):
        restore(tmp_path / "one.png", tmp_path / "out.png", preview=Moment(0, 1))
