"""The record of an archive: one line of JSON for each step of each item, and a table of the results.

The record lets the same command go on after any process or the machine has died. A line is on the disk before the
next item of the same worker begins.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any

from restill.errors import RestillError, need_extra
from restill.video.disk import beside
from restill.video.journal import lock

BEGUN, DONE, FAILED = "begun", "done", "failed"


@dataclass(frozen=True)
class Result:
    """A row of the results.

    Attributes:
        id: The id of the item.
        source: Its input.
        output: Its output.
        status: "done" or "failed".
        frames: Frames of the output.
        seconds: The duration of the work.
        student: The model.
        checksum: SHA-256 of the output; of a folder, of its files by name.
        attempts: How often it was tried in the last run.
        error: Why it failed.
        again: Whether it failed for a fault of the machine, so that another attempt may succeed.
    """

    id: str
    source: str
    output: str
    status: str
    frames: int | None = None
    seconds: float | None = None
    student: str = ""
    checksum: str = ""
    attempts: int = 1
    error: str = ""
    again: bool = False


class Record:
    """What happened to each item. Get it from :func:`open_record`.

    Attributes:
        results: The newest result of each item, by its id.
        begun: The items that were begun and have no result.
    """

    def __init__(self, path: Path, file: IO[str], settings: str) -> None:
        self._path, self._file = path, file
        self.results: dict[str, Result] = {}
        self.begun: set[str] = set()
        lines = list(_lines(path))
        if not lines:
            self._append({"settings": settings})
        elif lines[0].get("settings") != settings:
            raise RestillError(
                f"'{path}' records results that were made with other settings; name another folder, or add --overwrite"
            )
        for line in lines[1:]:
            self._note(line)

    def begin(self, name: str) -> None:
        """Note that an item is begun, whose output does not exist yet."""
        if name not in self.begun:
            self._append({"id": name, "status": BEGUN})
            self.begun.add(name)

    def add(self, result: Result) -> None:
        """Note the result of an item."""
        self._append(asdict(result))
        self._note(asdict(result))

    def write_table(self, path: Path, order: Iterator[str]) -> None:
        """Write the results as CSV or, by the extension, Parquet.

        Args:
            path: The file.
            order: The ids.

        Raises:
            RestillError: It cannot be written.
        """
        rows = [asdict(self.results[name]) for name in order if name in self.results]
        names = [field.name for field in fields(Result)]
        unfinished = beside(path, ".unfinished")
        try:
            if path.suffix.lower() == ".parquet":
                _write_parquet(unfinished, rows, names)
            else:
                with unfinished.open("w", encoding="utf-8", newline="") as file:
                    writer = csv.DictWriter(file, names)
                    writer.writeheader()
                    writer.writerows(rows)
            unfinished.replace(path)
        except OSError as error:
            raise RestillError(f"the results '{path}' cannot be written: {error.strerror}") from error

    def _note(self, line: dict[str, Any]) -> None:
        if line["status"] == BEGUN:
            self.begun.add(line["id"])
        else:
            self.begun.discard(line["id"])
            self.results[line["id"]] = Result(**line)

    def _append(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())


@contextmanager
def open_record(path: Path, settings: str, *, anew: bool) -> Iterator[Record]:
    """Create or open a record, and lock it for this process.

    Args:
        path: The file.
        settings: What determines the results: a record of other settings is refused.
        anew: Forget what it holds.

    Raises:
        RestillError: It cannot be opened, another process uses it, or it is of other settings.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise RestillError(f"the record '{path}' cannot be opened: {error.strerror}") from error
    with file:
        if not lock(file):
            raise RestillError(f"'{path}' is in use by another restill; wait for it, or name another folder")
        if anew:
            file.truncate(0)
        yield Record(path, file, settings)


def checksum(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of the files in a folder, in hexadecimal."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for file in sorted(found for found in path.rglob("*") if found.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()}\0{checksum(file)}\n".encode())
    return digest.hexdigest()


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a record; the last one may be cut off."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                yield found


def _write_parquet(path: Path, rows: list[dict[str, Any]], names: list[str]) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise need_extra("pyarrow", "cluster", "a Parquet file") from error
    types = {
        "frames": pyarrow.int64(),
        "seconds": pyarrow.float64(),
        "attempts": pyarrow.int64(),
        "again": pyarrow.bool_(),
    }
    schema = pyarrow.schema([(name, types.get(name, pyarrow.string())) for name in names])
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema), path)
