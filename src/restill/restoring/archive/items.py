"""The items of an archive: what to restore, and where the results go."""

from __future__ import annotations

import csv
import glob
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from restill.errors import RestillError, need_extra
from restill.restoring.archive import store
from restill.restoring.outputs import result_name

MAGIC = "*?["
COLUMNS = ("id", "source", "output")


@dataclass(frozen=True)
class Item:
    """One input of an archive.

    Attributes:
        id: Its name in the results, unlike all others.
        source: A path or a URL.
        output: A path or a URL.
    """

    id: str
    source: str
    output: str


def named_items(names: Sequence[str], folder: str) -> Iterator[Item]:
    """The items for paths, URLs and patterns such as ``"clips/**/*.mp4"``, in order. The path is the id.

    Args:
        names: What the command got. A name that exists is no pattern.
        folder: The folder or URL of the results.

    Raises:
        RestillError: A pattern fits nothing.
    """
    for name in names:
        for match in _matches(name):
            yield Item(match, match, _under(folder, result_name(_shape(match))))


def manifest_items(manifest: str, folder: str | None) -> Iterator[Item]:
    """The items of a manifest, in order: a CSV or Parquet file with the columns id, source and, if you like, output.

    Args:
        manifest: A path or a URL. A relative source is relative to its folder.
        folder: The folder or URL of the results. A relative output is relative to it. Without an output, a result is
            named after its id.

    Raises:
        RestillError: The file cannot be read, lacks a column, or a row has no id or source.
    """
    for number, row in enumerate(_rows(manifest), start=1):
        where = f"'{manifest}', row {number}"
        name, source, output = (str(row.get(column) or "").strip() for column in COLUMNS)
        for column, value in (("id", name), ("source", source)):
            if not value:
                raise RestillError(f"{where}: the column '{column}' is empty")
        source = _under(manifest.rpartition("/")[0], source)
        if not output:
            if {"/", "\\", "\0"} & set(name) or name in (".", ".."):
                raise RestillError(f"{where}: the id '{name}' cannot name a file; add a column 'output'")
            shape = _shape(source)
            output = name if shape.is_dir() else name + Path(result_name(shape)).suffix
        if folder is None and not (store.is_url(output) or Path(output).is_absolute()):
            raise RestillError(f"{where}: give the folder of the results with -o, or a whole path as the output")
        yield Item(name, source, _under(folder or "", output))


@dataclass(frozen=True)
class Part:
    """Part ``index`` of ``count``, counted from 0: every count-th item."""

    index: int = 0
    count: int = 1

    @classmethod
    def of(cls, text: str) -> Part:
        """Read "0/16".

        Raises:
            RestillError: It is no such part.
        """
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal() and int(index) < int(count)):
            raise RestillError(f"part '{text}' is not possible; use I/N with I from 0 to N - 1, such as 0/16")
        return cls(int(index), int(count))

    def name(self, whole: str) -> str:
        """The name of a file of this part: ``results-1-of-3.csv`` for ``results.csv``."""
        path = PurePosixPath(whole)
        return whole if self.count == 1 else f"{path.stem}-{self.index}-of-{self.count}{path.suffix}"


def _matches(name: str) -> list[str]:
    """The inputs that a name stands for."""
    if not set(MAGIC) & set(name) or (not store.is_url(name) and Path(name).exists()):
        return [name]
    found = store.matches(name) if store.is_url(name) else sorted(glob.glob(name, recursive=True))  # noqa: PTH207
    if not found:
        raise RestillError(f"nothing fits '{name}'")
    return found


def _under(folder: str, name: str) -> str:
    """A name in a folder, unless it is whole by itself."""
    if not folder or store.is_url(name) or Path(name).is_absolute():
        return name
    return str(PurePosixPath(name)) if folder == "." else f"{folder.rstrip('/')}/{name}"


def _shape(name: str) -> Path:
    """A path with the extension of an input."""
    return Path(name.rpartition("/")[2]) if store.is_url(name) else Path(name)


def _rows(manifest: str) -> Iterator[dict[str, Any]]:
    with store.opened(manifest) as file:
        if manifest.lower().endswith(".parquet"):
            yield from _parquet_rows(manifest, file)
            return
        try:
            text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
            reader = csv.DictReader(text, strict=True)
            _check_columns(manifest, reader.fieldnames or ())
            yield from reader
        except (csv.Error, UnicodeDecodeError) as error:
            raise RestillError(f"'{manifest}' is not a CSV file in UTF-8: {error}") from error


def _parquet_rows(manifest: str, file: Any) -> Iterator[dict[str, Any]]:
    try:
        from pyarrow import ArrowException, parquet
    except ModuleNotFoundError as error:
        raise need_extra("pyarrow", "cluster", "a Parquet file") from error
    try:
        table = parquet.ParquetFile(file)
        _check_columns(manifest, table.schema_arrow.names)
        wanted = [name for name in COLUMNS if name in table.schema_arrow.names]
        for batch in table.iter_batches(columns=wanted):
            yield from batch.to_pylist()
    except ArrowException as error:
        raise RestillError(f"'{manifest}' is not a Parquet file: {error}") from error


def _check_columns(manifest: str, names: Sequence[str]) -> None:
    for wanted in COLUMNS[:2]:
        if wanted not in names:
            has = ", ".join(map(str, names)) or "none"
            raise RestillError(f"'{manifest}' has no column '{wanted}'; it needs id and source, and it has: {has}")
