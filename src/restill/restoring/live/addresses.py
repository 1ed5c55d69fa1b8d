"""What may be a source or a target of ``restill live``, and how its name is shown."""

from __future__ import annotations

import re

from restill.errors import RestillError

# Protocols that a user may name, with the format of a target. FFmpeg finds the format of a source itself.
TARGETS = {
    "rtsp": "rtsp",
    "rtsps": "rtsp",
    "rtmp": "flv",
    "rtmps": "flv",
    "udp": "mpegts",
    "tcp": "mpegts",
    "srt": "mpegts",
    "rtp": "rtp_mpegts",
    "http": "mpegts",
    "https": "mpegts",
}
SOURCES = (*TARGETS, "rtmpt", "rtmpts", "mmsh", "mmst")
DEVICE = "/dev/video"  # Linux: the names of cameras begin with it
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")
_SECRET = re.compile(r"(?<=://)[^/@\s]*@|(?<=[?&])(?:token|key|password|pass|pwd|user|auth)=[^&\s]*", re.I)


def scheme(address: str) -> str:
    """The protocol that an address names, in lower case; "" if it names none.

    >>> scheme("RTSP://camera/stream"), scheme("/dev/video0")
    ('rtsp', '')
    """
    found = _SCHEME.match(address)
    return found[1].lower() if found else ""


def shown(text: str) -> str:
    """An address, or a text with addresses, without passwords.

    >>> shown("rtsp://me:secret@camera/stream?key=1&q=2")
    'rtsp://***@camera/stream?***&q=2'
    """
    return _SECRET.sub(lambda found: "***@" if found[0].endswith("@") else "***", text)


def check_source(address: str, *, real_time: bool) -> None:
    """Refuse an address that is not a camera's.

    Args:
        address: The source.
        real_time: A file may be played in place of a camera.

    Raises:
        RestillError: It names no network protocol, and is no camera of this machine.
    """
    protocol = scheme(address)
    if protocol and protocol not in SOURCES:
        raise RestillError(
            f"'{shown(address)}': '{protocol}' is not a network protocol of a camera; use one of {', '.join(SOURCES)}"
        )
    if not (protocol or real_time or address.startswith(DEVICE)):
        raise RestillError(
            f"'{address}' names no protocol; give an address such as rtsp://camera/stream, or a camera such as "
            f"{DEVICE}0 (to play a file as if it were a camera, add --real-time)"
        )
