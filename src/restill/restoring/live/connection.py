"""Open a camera: the only place where Restill reads from a network."""

from __future__ import annotations

import io
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import ExitError, FFmpegError, ProtocolNotFoundError
from av.video.stream import VideoStream

from restill.alignment.search import export_vectors
from restill.errors import RestillError
from restill.restoring.live.addresses import DEVICE, SOURCES, scheme, shown
from restill.restoring.live.frames import Picture
from restill.video.limits import USUAL
from restill.video.opening import CONTAINERS, check_header, first_stream, open_video, reason, restrain
from restill.video.probe import color_tags, rate_of

SILENCE = 10.0  # seconds without data after which a camera counts as away
# A playlist or a redirection may name these, and no file of this machine.
_PROTOCOLS = (*SOURCES, "udplite", "srtp", "tls", "dtls", "httpproxy", "crypto", "ffrtmphttp", "ffrtmpcrypt")
_FORMATS = f"{CONTAINERS.removesuffix(',tty')},rtsp,rtp,sdp,hls,dash,mpjpeg,live_flv"
_OPTIONS = {
    "protocol_whitelist": ",".join(_PROTOCOLS),
    "format_whitelist": _FORMATS,
    "analyzeduration": "3000000",  # microseconds to look for all streams
    "max_pixels": str(USUAL.pixels or 0),
    "rtsp_flags": "prefer_tcp",  # UDP loses packets, and each loss damages pictures up to the next key frame
    "overrun_nonfatal": "1",  # UDP: packets that came too fast are lost, and the connection stays
}
_UNTIMED = ("mpjpeg", "mjpeg", "h264", "hevc", "m4v", "jpeg_pipe", "yuv4mpegpipe")  # FFmpeg invents their times
_PACED = ("hls", "dash")  # several seconds come at a time


class Connection:
    """A camera that is being read.

    Args:
        address: Its address.
        real_time: It is a recording, which is played at its own speed.

    Attributes:
        container: The open source.
        stream: Its stream of pictures.
        sound: Its first stream of sound, or None.
        paced: Frames are to be taken when they are due; they come earlier.
        timed: The source has times.

    Raises:
        RestillError: The source cannot be opened, or has no pictures.
    """

    def __init__(self, address: str, *, real_time: bool) -> None:
        name = Path(shown(address)) if not scheme(address) else shown(address)
        self.container = _open(address, name)
        try:
            self.stream: VideoStream = first_stream(name, self.container)
            if not self.stream.codec_context.width:
                raise RestillError(f"'{name}' sent no whole picture in {SILENCE:.0f} seconds")
            check_header(name, self.container, self.stream, USUAL)
            restrain(self.stream, USUAL)
            export_vectors(self.stream.codec_context)
            self.stream.thread_type = "SLICE"  # threads by frame would delay the picture
            self.sound: AudioStream | None = next(
                (sound for sound in self.container.streams.audio if sound.codec_context is not None), None
            )
        except BaseException:
            self.container.close()
            raise
        format_name = self.container.format.name.partition(",")[0]
        self.paced = real_time or format_name in _PACED
        self.timed = real_time or format_name not in _UNTIMED

    def picture(self, frame: av.VideoFrame) -> Picture:
        """A description, from the first frame."""
        return Picture(
            frame.width,
            frame.height,
            rate_of(self.stream) if self.timed else None,
            self.stream.codec_context.name,
            color_tags(frame),
            self.stream.sample_aspect_ratio or None,
        )

    def close(self) -> None:
        """Close the source."""
        self.container.close()


def _open(address: str, name: str | Path) -> InputContainer:
    if isinstance(name, Path) and not address.startswith(DEVICE):
        return open_video(name)
    device = "v4l2" if isinstance(name, Path) else None
    options = {} if device else _OPTIONS
    try:
        return av.open(address, format=device, options=options, timeout=(SILENCE, SILENCE), metadata_errors="replace")
    except (FFmpegError, OSError, ValueError) as error:
        raise RestillError(f"'{name}' cannot be opened: {reason_of(error)}") from error


def reason_of(error: BaseException) -> str:
    """Why a camera cannot be read, without passwords."""
    if isinstance(error, ExitError):
        return f"nothing came in {SILENCE:.0f} seconds"
    if isinstance(error, ProtocolNotFoundError):
        return "this FFmpeg does not know the protocol; use another one, such as rtsp or rtmp"
    return shown(reason(error))


class Template:
    """A copy of the description of a stream of sound, which stays valid when the camera is gone.

    Attributes:
        stream: The stream; it belongs to a file in memory that is never written.
        name: FFmpeg's name of the codec.
        rate: Samples per second.
        header: The header of the codec; None if its packets carry it.
    """

    def __init__(self, sound: AudioStream) -> None:
        self._holder = av.open(io.BytesIO(), "w", format="nut")
        self.stream = self._holder.add_stream_from_template(sound, opaque=True)
        self.name, self.rate = sound.codec_context.name, sound.codec_context.sample_rate
        self.header = sound.codec_context.extradata

    def fits(self, sound: AudioStream | None) -> bool:
        """Whether another stream has the same codec and rate."""
        context = None if sound is None else sound.codec_context
        return context is not None and (context.name, context.sample_rate) == (self.name, self.rate)
