"""Take the pictures out of a ZIP archive, in the sandbox process."""

from __future__ import annotations

import shutil
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from restill.errors import RestillError
from restill.video import Summary
from restill.video.picture_names import is_picture
from restill.web.names import safe_name
from restill.web.work import Look

LARGEST, MOST = 20_000_000_000, 20_000  # bytes and pictures of an archive
FREE = 1 << 30  # bytes that stay free on the disk


def unpack(look: Look, tick: Callable[[], object]) -> Summary:
    """Extract the pictures of a ZIP archive into the folder ``dst``, without its folders.

    Raises:
        RestillError: It is no archive, holds no pictures, or too many bytes or pictures.
    """
    left = min(LARGEST, shutil.disk_usage(look.src.parent).free - FREE)
    try:
        with ZipFile(look.src) as archive:
            names = [name for name in archive.namelist() if is_picture(Path(name)) and "__MACOSX" not in name]
            if not 0 < len(names) <= MOST:
                raise RestillError(
                    f"'{look.src}' holds {len(names):,} pictures; an archive of frames has 1 to {MOST:,}"
                )
            look.dst.mkdir()
            for name, file in zip(names, _unlike(names), strict=True):
                with archive.open(name) as packed, (look.dst / file).open("wb") as plain:
                    while chunk := packed.read(1 << 20):
                        left -= len(chunk)
                        if left < 0:
                            raise RestillError(f"'{look.src}' holds more than fits: its pictures have too many bytes")
                        plain.write(chunk)
                tick()
    except (BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise RestillError(f"'{look.src}' cannot be read as a ZIP archive: {error}") from error
    return Summary(look.dst, len(names), 0.0)


def _unlike(names: list[str]) -> list[str]:
    """Plain file names, in the natural order of the names, all different."""
    plain = [safe_name(name) for name in names]
    count = Counter(name.casefold() for name in plain)
    return [name if count[name.casefold()] == 1 else f"{number:06d}_{name}" for number, name in enumerate(plain, 1)]
