"""What stands for standard input and output, and which files can be read only once."""

from __future__ import annotations

from pathlib import Path

STDIN, STDOUT = Path("/dev/stdin"), Path("/dev/stdout")


def is_pipe(path: Path) -> bool:
    """Whether a path is a pipe, a device or a socket: it is opened once, read once, and cannot be searched."""
    try:
        return path.exists() and not path.is_file() and not path.is_dir()
    except OSError:  # a name that no file can have
        return False
