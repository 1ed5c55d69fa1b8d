"""A plain transcode: the frames of a file decoded and encoded again, with nothing in between.

It does what ``ffmpeg -i IN -c:v libx264 -preset superfast -crf 18 OUT`` does. A job that restores the file does this
and more. The ratio of the two times changes less from machine to machine than frames per second do.
"""

from __future__ import annotations

import time
from pathlib import Path

import av
from av.video.frame import PictureType
from av.video.stream import VideoStream

from restill.video import CODECS, EncodeSettings


def plain_transcode(source: Path, target: Path, settings: EncodeSettings) -> float:
    """Decode and encode every frame of a video as H.264. The decoder and the encoder have the same threads as in a job.

    Returns:
        Seconds per frame, with opening and closing the files.
    """
    began, frames = time.perf_counter(), 0
    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        picture = given.streams.video[0]
        picture.thread_type = "AUTO"
        options = settings.encoder_options("h264")
        stream = made.add_stream(CODECS["h264"].encoder, rate=picture.average_rate, options=options)
        assert isinstance(stream, VideoStream)  # noqa: S101
        stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, picture.pix_fmt
        assert picture.time_base is not None  # noqa: S101
        stream.codec_context.time_base = picture.time_base
        stream.thread_count = 0
        for frame in given.decode(picture):
            frame.pict_type = PictureType.NONE  # the encoder chooses the type of each picture itself
            made.mux(stream.encode(frame))
            frames += 1
        made.mux(stream.encode(None))
    return (time.perf_counter() - began) / frames
