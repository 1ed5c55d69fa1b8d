"""Read and write video: frames keep their exact times, and the other streams of the file are copied."""

from __future__ import annotations

from restill.video.decode import read_frames
from restill.video.info import VideoInfo
from restill.video.limits import Limits
from restill.video.probe import probe
from restill.video.settings import CODECS, PRESETS, EncodeSettings
from restill.video.transcode import Summary, transcode

__all__ = ["CODECS", "PRESETS", "EncodeSettings", "Limits", "Summary", "VideoInfo", "probe", "read_frames", "transcode"]
