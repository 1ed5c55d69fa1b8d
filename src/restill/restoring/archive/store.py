"""Files at URLs, such as ``s3://bucket/clip.mp4``, by fsspec: local copies of inputs, and results put in place."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from restill.errors import RestillError, TryAgain, need_extra

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")
_CAMERAS = ("rtsp", "rtsps", "rtmp", "rtmps", "udp", "tcp", "rtp", "srt")


def is_url(name: str) -> bool:
    """Whether a name is a URL and not a path."""
    return _URL.match(name) is not None


def whole(name: str) -> str:
    """A URL, or an absolute path."""
    return name if is_url(name) else str(Path(name).absolute())


@contextmanager
def at_hand(source: str) -> Iterator[Path]:
    """An input as a local path; a copy of it while the context lasts, if it is at a URL.

    Raises:
        RestillError: There is no such file, or it may not be read.
        TryAgain: The store does not answer.
    """
    if not is_url(source):
        yield Path(source)
        return
    with tempfile.TemporaryDirectory(prefix="restill-") as folder:
        copy = Path(folder) / source.rstrip("/").rpartition("/")[2]
        with _asking(source):
            system, path = _system(source)
            system.get(path, str(copy), recursive=system.isdir(path))
        yield copy


@contextmanager
def to_place(output: str) -> Iterator[Path]:
    """A local path for a result. If it belongs at a URL, it is put there when the context ends without an error.

    Raises:
        RestillError: The store does not take it.
        TryAgain: The store does not answer.
    """
    if not is_url(output):
        path = Path(output)
        path.parent.mkdir(parents=True, exist_ok=True)
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="restill-") as folder:
        result = Path(folder) / output.rpartition("/")[2]
        yield result
        with _asking(output):
            system, path = _system(output)
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
            system.put(str(result), path, recursive=result.is_dir())


def exists(output: str) -> bool:
    """Whether there is a file or a folder of this name."""
    if not is_url(output):
        return Path(output).exists()
    with _asking(output):
        system, path = _system(output)
        return system.exists(path)


def matches(pattern: str) -> list[str]:
    """The URLs that a pattern fits, sorted."""
    with _asking(pattern):
        system, path = _system(pattern)
        return sorted(system.unstrip_protocol(found) for found in system.glob(path))


@contextmanager
def opened(name: str) -> Iterator[IO[bytes]]:
    """A file to read."""
    if is_url(name):
        with _asking(name):
            system, path = _system(name)
            file = system.open(path, "rb")
    else:
        try:
            file = Path(name).open("rb")  # noqa: SIM115 - closed below
        except OSError as error:
            raise RestillError(f"'{name}' cannot be read: {error.strerror}") from error
    with file:
        yield file


def _system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    protocol = url.partition("://")[0]
    if protocol in _CAMERAS:
        raise RestillError(f"'{url}' is a camera; use 'restill live' for it")
    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise need_extra("fsspec", "cluster", f"'{url}'") from error
    try:
        return fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise RestillError(f"'{url}' needs a library that is not installed: {error}") from error
    except ValueError as error:
        raise RestillError(f"'{url}' cannot be opened: {error}") from error


@contextmanager
def _asking(url: str) -> Iterator[None]:
    """Turn the errors of a store into an error that names the URL: of the input, or of the store."""
    try:
        yield
    except RestillError:
        raise
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise RestillError(f"'{url}' does not exist") from error
    except PermissionError as error:
        raise RestillError(f"'{url}': permission denied") from error
    except Exception as error:
        raise TryAgain(
            f"the store of '{url}' failed: {' '.join(str(error).split()) or type(error).__name__}"
        ) from error
