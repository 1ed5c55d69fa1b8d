"""The journal of a job, from which the same command continues after an interruption.

The journal is the folder ``OUT.restill/`` beside the output:

    journal.json   the input, the model, the settings and what the job chose, such as the backend
    000000.part    the first finished segment: a file, or a folder if the output is a folder of frames
    000001.part    the next segment

One process at a time uses a journal, or several that have shares of the job (:mod:`restill.restoring.shares`). The
journal is removed when the output is complete.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from restill.errors import RestillError, TryAgain
from restill.video.disk import beside, remove, write_whole
from restill.video.seeking import KeyFrame
from restill.video.segment_folder import SEGMENT_SUFFIX, SegmentFolder

try:
    import fcntl
except ImportError:  # Windows, where two jobs for one output are not detected
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".restill"
FILE, LOCK = "journal.json", "lock"
VERSION = 1


class Journal(SegmentFolder):
    """The journal of one output. Get it from :func:`open_journal`.

    Args:
        output: The output.
        inputs: What determines the output's frames, by name.

    Attributes:
        output: The output.
        path: ``OUT.restill``.
        chosen: What the job chose when it began, such as the backend; by name.
        restart_reason: Why the unfinished job in the folder cannot be continued; empty if there is none or it can.
        is_shared: Whether to keep the folder even if it has no segments yet, since others will write them.
    """

    def __init__(self, output: Path, inputs: dict[str, Any]) -> None:
        super().__init__(journal_folder(output))
        self.output, self._inputs = output, inputs
        self.chosen: dict[str, Any] = {}
        self.restart_reason = ""
        self.is_shared = False
        found = read_journal(self.path)
        if found is None:
            _clear(self.path)
        elif differing := [key for key in inputs if found.get("what", {}).get(key) != inputs[key]]:
            self.restart_reason = f"{', '.join(differing)} changed since"
            _clear(self.path)
        else:
            self.chosen = found["chosen"]
            _clear(self.path, keep_segments=True)

    def choose(self, chosen: dict[str, Any]) -> None:
        """Record what a continued job must use again."""
        self.chosen = chosen
        text = json.dumps({"version": VERSION, "output": self.output.name, "what": self._inputs, "chosen": chosen})
        write_whole(self.path / FILE, text.encode())


@dataclass(frozen=True)
class ResumableJob:
    """A job that can be interrupted and continued.

    Attributes:
        folder: The folder of the segments: the journal of the output, or a share of it.
        frames_done: How many frames of the source come before the first that is to be restored.
        context: How many earlier frames the restoration of a frame depends on.
        key: A key frame of the source from which decoding may begin.
        last: The mark of the source's last frame that is done; None if unknown.
        end: How many frames of the source there are up to the end of the share; None for all.
        after: How many later frames the restoration of a frame depends on.
    """

    folder: SegmentFolder
    frames_done: int
    context: int
    key: KeyFrame | None = None
    last: int | None = None
    end: int | None = None
    after: int = 0


def journal_folder(output: Path) -> Path:
    """The folder of an output's journal."""
    return beside(output, SUFFIX)


@contextmanager
def open_journal(output: Path, inputs: dict[str, Any]) -> Iterator[Journal]:
    """Create or open the journal of an output and lock it for this process.

    Args:
        output: The output. Its folder must exist.
        inputs: What determines the output's frames, by name: input, model, settings. If an existing journal has other
            values, the job starts over.

    Raises:
        RestillError: The folder cannot be made, or it holds other files.
        TryAgain: Another process uses the journal.
    """
    folder = journal_folder(output)
    foreign = folder.exists() and not (folder.is_dir() and (read_journal(folder) is not None or _only_ours(folder)))
    if foreign:
        raise RestillError(f"'{folder}' is in the way: the unfinished job would be kept there; move it elsewhere first")
    try:
        folder.mkdir(exist_ok=True)
        locked = (folder / LOCK).open("a+")
    except OSError as error:
        raise RestillError(f"'{folder}', which keeps the unfinished job, cannot be made: {error.strerror}") from error
    with locked:
        if not lock(locked):
            raise TryAgain(f"'{output}' is being made by another restill; wait for it, or name another output")
        journal = Journal(output, inputs)
        try:
            yield journal
        finally:
            if folder.exists() and not journal.segments and not journal.is_shared:
                journal.remove()


@contextmanager
def open_share(output: Path, inputs: dict[str, Any], numbers: range) -> Iterator[tuple[SegmentFolder, dict[str, Any]]]:
    """Open a share of a job whose journal was begun, together with other processes that have other shares.

    Args:
        output: The output.
        inputs: As for :func:`open_journal`.
        numbers: The numbers of the segments.

    Returns:
        The folder for the share, and what the job chose when it began.

    Raises:
        TryAgain: There is no such job any more, or another process has the share or the whole job.
    """
    folder = journal_folder(output)
    found = read_journal(folder)
    if found is None or found["what"] != inputs:
        raise TryAgain(f"'{folder}' does not hold the job any more, or the input changed since it was begun")
    with (folder / LOCK).open("a+") as all_locked, (folder / f"{numbers.start:06d}.lock").open("a+") as locked:
        if not (lock(all_locked, shared=True) and lock(locked)):
            raise TryAgain(f"'{output}' is being made by another restill; wait for it")
        yield SegmentFolder(folder, numbers), found["chosen"]


def read_journal(folder: Path) -> dict[str, Any] | None:
    """The content of ``journal.json``; None if there is none or it is not valid."""
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    valid = isinstance(found, dict) and found.get("version") == VERSION and isinstance(found.get("chosen"), dict)
    return found if valid and isinstance(found.get("what"), dict) else None


def is_running(folder: Path) -> bool:
    """Whether a process has locked the journal in a folder."""
    try:
        with (folder / LOCK).open("a+") as locked:
            return not lock(locked)
    except OSError:
        return False


def lock(file: IO[str], *, shared: bool = False) -> bool:
    """Lock a file, for this process or together with others; False if another process has locked it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _only_ours(folder: Path) -> bool:
    """Whether a folder without a valid journal holds only files of a job that was interrupted as it began."""
    return all(path.name in (FILE, LOCK, f"{FILE}.unfinished") for path in folder.iterdir())


def _clear(folder: Path, *, keep_segments: bool = False) -> None:
    """Remove everything but the lock and, if asked, the finished segments with ``journal.json``."""
    for path in folder.iterdir():
        is_kept = keep_segments and (path.suffix == SEGMENT_SUFFIX or path.name == FILE)
        if path.name != LOCK and not is_kept:
            remove(path)
