"""What keeps a long job when it is cut off: ``OUT.restill/`` beside the output, and how the same command goes on.

    journal.json   what the job is: input, model, settings; and what was chosen for it
    000000.part    the first frames that are done, in a file (or, of a folder of frames, a folder) of their own
    000001.part    the next ones; each has this name only once it is whole and on the disk

A journal belongs to one process at a time. It goes away when the output is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from restill.errors import RestillError
from restill.video.picture_names import list_pictures

try:
    import fcntl
except ImportError:  # not on Windows, where two jobs for one output are not told from each other
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".restill"
FILE, LOCK, PART = "journal.json", "lock", ".part"
VERSION = 1
_LONGEST_NAME = 255  # bytes, on the file systems that there are
_SAMPLES, _SAMPLE = 16, 1 << 16  # of a file: so many places of so many bytes tell it from another


class Parts:
    """A folder of parts, each of which has its name only once it is whole and on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def parts(self) -> list[Path]:
        """The parts that are done, in order, up to the first that is missing."""
        found: list[Path] = []
        while (part := self.part(len(found))).exists():
            found.append(part)
        return found

    def part(self, number: int) -> Path:
        """Where a part is, once it is whole."""
        return self.folder / f"{number:06d}{PART}"

    def unfinished(self, number: int) -> Path:
        """Where a part is while it is made."""
        return self.folder / f"{number:06d}.unfinished"

    def keep(self, number: int) -> None:
        """An unfinished part that is on the disk is whole."""
        self.unfinished(number).replace(self.part(number))
        sync(self.folder)

    def drop(self, number: int) -> None:
        """Remove this part and all after it."""
        for path in self.folder.iterdir():
            if path.suffix in (PART, ".unfinished") and path.stem.isdigit() and int(path.stem) >= number:
                _remove(path)

    def whole(self, suffix: str) -> Path:
        """Where the output is while its parts are put together."""
        return self.folder / f"output{suffix}"

    def finish(self) -> None:
        """The output is there: remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Journal(Parts):
    """The journal of one output; from :func:`opened`.

    Attributes:
        output: The output.
        folder: ``OUT.restill``.
        chosen: What the job chose when it began, such as the backend; by name.
        anew: Why what was there could not be gone on with; empty where nothing was, or where it can.
    """

    def __init__(self, output: Path, what: dict[str, Any]) -> None:
        super().__init__(folder_of(output))
        self.output, self._what = output, what
        self.chosen: dict[str, Any] = {}
        self.anew = ""
        found = _read(self.folder)
        if found is None:
            _clear(self.folder)
        elif differing := [key for key in what if found.get("what", {}).get(key) != what[key]]:
            self.anew = f"{', '.join(differing)} changed since"
            _clear(self.folder)
        else:
            self.chosen = found["chosen"]
            _clear(self.folder, but=PART)

    def choose(self, chosen: dict[str, Any]) -> None:
        """Remember what a job that goes on must not choose again."""
        self.chosen = chosen
        text = json.dumps({"version": VERSION, "output": self.output.name, "what": self._what, "chosen": chosen})
        write_whole(self.folder / FILE, text.encode())


def folder_of(output: Path) -> Path:
    """The journal's folder of an output."""
    return beside(output, SUFFIX)


def beside(output: Path, ending: str) -> Path:
    """A path beside an output that is named after it; by a digest where its name is as long as names can be."""
    output = Path(os.path.abspath(output))  # noqa: PTH100 - a link stays a link
    name = output.name + ending
    if len(os.fsencode(name)) >= _LONGEST_NAME:  # a dot may come before it
        name = hashlib.sha256(os.fsencode(output.name)).hexdigest()[:16] + ending
    return output.with_name(name)


@contextmanager
def opened(output: Path, what: dict[str, Any]) -> Iterator[Journal]:
    """The journal of an output, made or found, for this process alone.

    Args:
        output: The output; its folder must exist.
        what: What decides the output's frames, by name: input, model, settings. Where a journal is there that says
            otherwise, the job begins anew.

    Raises:
        RestillError: Another process is at it, or the folder cannot be made, or is something else.
    """
    folder = folder_of(output)
    foreign = folder.exists() and not (folder.is_dir() and (_read(folder) is not None or _only_ours(folder)))
    if foreign:
        raise RestillError(f"'{folder}' is in the way, where an unfinished job is kept; move it elsewhere first")
    try:
        folder.mkdir(exist_ok=True)
        lock = (folder / LOCK).open("a+")
    except OSError as error:
        raise RestillError(f"'{folder}' cannot be made, where an unfinished job is kept: {error.strerror}") from error
    with lock:
        if not _locked(lock):
            raise RestillError(f"'{output}' is being made by another restill; wait for it, or name another output")
        journal = Journal(output, what)
        try:
            yield journal
        finally:
            if folder.exists() and not journal.parts:
                journal.finish()


def _locked(lock: IO[str]) -> bool:
    """Whether this process got it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    right = isinstance(found, dict) and found.get("version") == VERSION and isinstance(found.get("chosen"), dict)
    return found if right and isinstance(found.get("what"), dict) else None


def _only_ours(folder: Path) -> bool:
    """Whether nothing lies in a folder without a journal but what a job left that was cut off as it began."""
    return all(path.name in (FILE, LOCK, f"{FILE}.unfinished") for path in folder.iterdir())


def _clear(folder: Path, but: str | None = None) -> None:
    """Remove all but the lock; with ``but``, what is no part and not the journal."""
    for path in folder.iterdir():
        if path.name != LOCK and (but is None or (path.suffix != but and path.name != FILE)):
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


# --- what a job is --------------------------------------------------------------------------------------------------


def mark(path: Path) -> str:
    """Tell a file, or the pictures of a folder, from what they were before: by size, time and samples of a file."""
    digest = hashlib.sha256()
    if path.is_dir():
        for entry in list_pictures(path):
            state = "missing"  # a link that leads nowhere
            with suppress(OSError):
                status = entry.stat()
                state = f"{status.st_size}\0{status.st_mtime_ns}"
            digest.update(f"{entry.relative_to(path)}\0{state}\0".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()
    status = path.stat()
    digest.update(f"{status.st_size}\0{status.st_mtime_ns}".encode())
    with path.open("rb") as file:
        for number in range(_SAMPLES):
            file.seek(max(0, status.st_size - _SAMPLE) * number // (_SAMPLES - 1))
            digest.update(file.read(_SAMPLE))
    return digest.hexdigest()


# --- on the disk ----------------------------------------------------------------------------------------------------


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file so that after a power cut it is the old one or the new one."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    with unfinished.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, onto the disk."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- what is left over ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Left:
    """A job that is not done.

    Attributes:
        output: What it was to make.
        source: Of what, as it was given.
        parts: How many parts are done.
        bytes: What they take on the disk.
        changed: When the last was done.
        running: A process is at it now.
    """

    output: Path
    source: str
    parts: int
    bytes: int
    changed: datetime
    running: bool


def left(folders: Sequence[Path]) -> list[Left]:
    """The jobs that are not done, of outputs in these folders and below."""
    found = []
    for folder in dict.fromkeys(folder for base in folders for folder in sorted(base.rglob(f"*{SUFFIX}"))):
        content = _read(folder) if folder.is_dir() else None
        if content is None:
            continue
        files = [path for path in folder.rglob("*") if path.is_file()]
        found.append(
            Left(
                output=folder.with_name(str(content.get("output"))),
                source=str(content["what"].get("source")),
                parts=sum(path.suffix == PART for path in folder.iterdir()),
                bytes=sum(path.stat().st_size for path in files),
                changed=datetime.fromtimestamp(max(path.stat().st_mtime for path in files)),
                running=_is_running(folder),
            )
        )
    return found


def clear(job: Left) -> None:
    """Remove what a job left; the output, if there is one, stays.

    Raises:
        RestillError: A process is at it.
    """
    folder = folder_of(job.output)
    if _is_running(folder):
        raise RestillError(f"'{job.output}' is being made now; stop that first")
    shutil.rmtree(folder)


def _is_running(folder: Path) -> bool:
    try:
        with (folder / LOCK).open("a+") as lock:
            return not _locked(lock)
    except OSError:
        return False
