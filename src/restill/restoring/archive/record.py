"""The record of an archive: an SQLite file with its items, their results, and what happened to them.

The record lets the same command go on after any process or the machine has died. Each step is on the disk before the
next one begins. Items are read from it a few at a time, so memory does not grow with their number.
"""

from __future__ import annotations

import csv
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

from restill.errors import RestillError, TryAgain, need_extra
from restill.restoring.archive.items import Item, Part
from restill.video.disk import beside

BEGUN, DONE, FAILED = "begun", "done", "failed"
BATCH = 100  # rows that are in memory at a time
ALL = Part()


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


NAMES = [field.name for field in fields(Result)]
_COLUMNS = ", ".join(f"results.{name}" for name in NAMES)

_TABLES = f"""
CREATE TABLE IF NOT EXISTS items (position INTEGER PRIMARY KEY, id TEXT UNIQUE, source TEXT, output TEXT UNIQUE);
CREATE TABLE IF NOT EXISTS results ({", ".join(NAMES)}, settings TEXT, PRIMARY KEY (id, settings));
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY, id TEXT, status TEXT, settings TEXT, moment TEXT DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX IF NOT EXISTS of_item ON events (id);
"""


@dataclass(frozen=True)
class Totals:
    """What became of the items of a run.

    Attributes:
        items: Their number.
        done: How many are done.
        frames: The frames of the outputs.
        again: How many failed for a fault of the machine.
        failed: The ids of the first items that failed.
    """

    items: int
    done: int
    frames: int
    again: int
    failed: tuple[str, ...]


class Record:
    """What happened to each item with the settings of this run. Get it from :func:`open_record`."""

    def __init__(self, data: sqlite3.Connection, settings: str) -> None:
        self._data, self._settings = data, settings

    def put_items(self, items: Iterable[Item], *, twice: bool = False) -> None:
        """Set the items of this run.

        Args:
            items: The items.
            twice: Leave out an item that was there. By default that is an error.

        Raises:
            RestillError: Two items have the same id, or the same output.
        """
        with self._data as data:
            data.execute("DELETE FROM items")
            for item in items:
                try:
                    data.execute("INSERT INTO items (id, source, output) VALUES (?, ?, ?)", astuple(item))
                except sqlite3.IntegrityError:
                    self._check(item, twice=twice)

    def _check(self, item: Item, *, twice: bool) -> None:
        """Say what is wrong with an item that does not fit in."""
        (same,) = self._data.execute("SELECT count(*) FROM items WHERE id = ?", [item.id]).fetchone()
        if same and twice:
            return
        if same:
            raise RestillError(f"the id '{item.id}' is there twice; each item needs its own")
        (other,) = self._data.execute("SELECT id FROM items WHERE output = ?", [item.output]).fetchone()
        raise RestillError(
            f"the results of '{other}' and '{item.id}' would both be '{item.output}'; list them in a manifest with a "
            "column 'output'"
        )

    def items(self, part: Part = ALL) -> Iterator[Item]:
        """The items of a part, in order."""
        last = 0
        query = (
            "SELECT position, id, source, output FROM items WHERE position > ? AND (position - 1) % ? = ? "
            "ORDER BY position LIMIT ?"
        )
        while rows := self._data.execute(query, [last, part.count, part.index, BATCH]).fetchall():
            yield from (Item(*values) for _, *values in rows)
            last = rows[-1][0]

    def result(self, name: str) -> Result | None:
        """The newest result of an item."""
        query = f"SELECT {_COLUMNS} FROM results WHERE id = ? AND settings = ?"  # noqa: S608
        row = self._data.execute(query, [name, self._settings]).fetchone()
        return None if row is None else _result(row)

    def is_done_otherwise(self, name: str) -> bool:
        """Whether an item was done with other settings."""
        query = "SELECT 1 FROM results WHERE id = ? AND settings != ? AND status = ?"
        return self._data.execute(query, [name, self._settings, DONE]).fetchone() is not None

    def forget(self) -> None:
        """Forget what happened to the items of this run, with any settings."""
        with self._data as data:
            for table in ("results", "events"):
                data.execute(f"DELETE FROM {table} WHERE id IN (SELECT id FROM items)")  # noqa: S608

    def is_begun(self, name: str) -> bool:
        """Whether an item was begun, and has no result since."""
        query = "SELECT status FROM events WHERE id = ? AND settings = ? ORDER BY number DESC LIMIT 1"
        row = self._data.execute(query, [name, self._settings]).fetchone()
        return row is not None and row[0] == BEGUN

    def begin(self, name: str) -> None:
        """Note that an item is begun, whose output does not exist yet."""
        if not self.is_begun(name):
            with self._data:
                self._happened(name, BEGUN)

    def add(self, result: Result) -> None:
        """Note the result of an item."""
        marks = ", ".join("?" * (len(NAMES) + 1))
        with self._data as data:
            self._happened(result.id, result.status)
            data.execute(f"INSERT OR REPLACE INTO results VALUES ({marks})", [*astuple(result), self._settings])  # noqa: S608

    def _happened(self, name: str, status: str) -> None:
        self._data.execute("INSERT INTO events (id, status, settings) VALUES (?, ?, ?)", [name, status, self._settings])

    def _of_part(self, columns: str, part: Part, more: str = "") -> sqlite3.Cursor:
        """Columns of the items of a part with their results, in order; NULL where there is none."""
        query = (
            f"SELECT {columns} FROM items LEFT JOIN results ON items.id = results.id AND settings = ? "  # noqa: S608
            f"WHERE (position - 1) % ? = ? {more}"
        )
        return self._data.execute(query, [self._settings, part.count, part.index])

    def results(self, part: Part = ALL) -> Iterator[Result]:
        """The results of the items of a part, in order."""
        return map(_result, self._of_part(_COLUMNS, part, "AND status IS NOT NULL ORDER BY position"))

    def totals(self, part: Part = ALL) -> Totals:
        """What became of the items of a part."""
        sums = "count(*), total(status = 'done'), total(frames), total(again)"
        items, done, frames, again = map(int, self._of_part(sums, part).fetchone())
        failed = self._of_part("items.id", part, f"AND status = 'failed' ORDER BY position LIMIT {BATCH}")
        return Totals(items, done, frames, again, tuple(name for (name,) in failed))

    def write_table(self, path: Path, part: Part = ALL) -> None:
        """Write the results of a part as CSV or, by the extension, Parquet.

        Raises:
            RestillError: It cannot be written.
        """
        unfinished = beside(path, ".unfinished")
        rows = (tuple(getattr(result, name) for name in NAMES) for result in self.results(part))
        try:
            if path.suffix.lower() == ".parquet":
                _write_parquet(unfinished, rows)
            else:
                with unfinished.open("w", encoding="utf-8", newline="") as file:
                    writer = csv.writer(file)
                    writer.writerow(NAMES)
                    writer.writerows(rows)
            unfinished.replace(path)
        except OSError as error:
            raise RestillError(f"the results '{path}' cannot be written: {error.strerror}") from error


@contextmanager
def open_record(path: Path, settings: str) -> Iterator[Record]:
    """Create or open a record, for this process alone.

    Args:
        path: The file.
        settings: What determines the results.

    Raises:
        RestillError: It cannot be opened, or it is no record.
        TryAgain: Another process uses it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RestillError(f"the record '{path}' cannot be made: {error.strerror}") from error
    is_new = not path.exists()
    with _errors(path), closing(sqlite3.connect(path, timeout=1)) as data:
        data.execute("PRAGMA locking_mode = EXCLUSIVE")
        data.execute("PRAGMA synchronous = FULL")
        data.executescript(f"BEGIN EXCLUSIVE; {_TABLES} COMMIT;")
        try:
            yield Record(data, settings)
        except RestillError:
            if is_new and data.execute("SELECT * FROM events").fetchone() is None:
                path.unlink()
            raise


def checksum(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of the files in a folder, in hexadecimal."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for file in sorted(found for found in path.rglob("*") if found.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()}\0{checksum(file)}\n".encode())
    return digest.hexdigest()


def _result(row: tuple[Any, ...]) -> Result:
    return Result(*row[:-1], again=bool(row[-1]))


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    """Turn the errors of SQLite into errors that name the record."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise TryAgain(f"'{path}' is in use by another restill; wait for it, or name another folder") from error
        raise TryAgain(f"the record '{path}' cannot be written: {error}") from error
    except sqlite3.DatabaseError as error:
        raise RestillError(f"'{path}' is not a record of restill ({error}); move it elsewhere first") from error


def _write_parquet(path: Path, rows: Iterator[tuple[Any, ...]]) -> None:
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
    schema = pyarrow.schema([(name, types.get(name, pyarrow.string())) for name in NAMES])
    with parquet.ParquetWriter(path, schema) as writer:
        while batch := list(islice(rows, BATCH)):
            columns = [list(column) for column in zip(*batch, strict=True)]
            writer.write_table(pyarrow.table(dict(zip(NAMES, columns, strict=True)), schema=schema))
