"""The paths of standard input and output, and a test for pipes."""

from __future__ import annotations

from pathlib import Path

STDIN, STDOUT = Path("/dev/stdin"), Path("/dev/stdout")


def is_pipe(path: Path) -> bool:
    """Whether a path is a pipe, a device or a socket, which can be opened and read only once."""
    try:
        return path.exists() and not path.is_file() and not path.is_dir()
    except OSError:  # an invalid name
        return False
