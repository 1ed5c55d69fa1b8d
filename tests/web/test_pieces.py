"""A finished segment of an interrupted job, whatever its codec and however the camera was held."""

from __future__ import annotations

import av
import numpy as np
import pytest

from restill.bench.clip import rainy_clip
from restill.restoring.api import restore
from restill.video import EncodeSettings, read_frames
from restill.video.journal import journal_folder
from restill.video.segment_folder import SegmentFolder
from restill.web.jobs import STACKED
from restill.web.pieces import Piece, piece

TURNED = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)  # a quarter turn


@pytest.mark.filterwarnings("ignore:the picture is stored")
@pytest.mark.parametrize(
    ("name", "codec", "pixels", "matrix"),
    [
        ("a.mov", "libx264", "yuv420p", TURNED),
        ("a.mkv", "libx265", "yuv420p10le", None),
        ("a.webm", "libvpx-vp9", "yuv420p", None),
        ("a.ts", "libx264", "yuv420p", None),
    ],
)
def test_a_segment_is_shown(tmp_path, name, codec, pixels, matrix):
    clip, result = tmp_path / name, tmp_path / f"out{'.mkv' if name.endswith('.ts') else name[1:]}"
    with av.open(str(clip), "w") as container:
        options = {"x265-params": "log-level=error", "cpu-used": "8", "preset": "ultrafast"}
        video = container.add_stream(codec, rate=25, options=options)
        video.width, video.height, video.pix_fmt = 64, 48, pixels
        if matrix:
            video.set_display_matrix(matrix)
        for frame in rainy_clip(48, 64, 60):
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format=pixels)))
        container.mux(video.encode(None))
    done = 0

    def stop() -> None:
        nonlocal done
        done += 1
        if done == 58:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(clip, result, "min-median", on_frame=stop, quiet=True)
    (part,) = SegmentFolder(journal_folder(result)).segments
    stacked = tmp_path / "stacked.mp4"
    piece(Piece(clip, stacked, result, part, None, EncodeSettings(), STACKED), lambda: None)
    restore(clip, tmp_path / f"whole{result.suffix}", "min-median", quiet=True)
    before, after = list(read_frames(clip))[:48], list(read_frames(tmp_path / f"whole{result.suffix}"))[:48]
    for frame, *halves in zip(read_frames(stacked), before, after, strict=True):
        for half, expected in zip(np.split(frame, 2), halves, strict=True):
            level = expected / (257 if expected.dtype == np.uint16 else 1)
            assert np.abs(half - level).mean() < 5
