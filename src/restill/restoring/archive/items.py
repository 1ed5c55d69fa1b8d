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
from restill.progress import say
from restill.restoring.archive import store
from restill.restoring.outputs import WORDS, default_output, result_name, skipped
from restill.video.journal import SUFFIX as JOURNAL

MAGIC = "*?["
COLUMNS = ("id", "source", "output")
RECORD = "restill-results.sqlite"


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


def named_items(names: Sequence[str], output: str | None, word: str = WORDS[0]) -> Iterator[Item]:
    """The items for paths, URLs and patterns such as ``"clips/**/*.mp4"``, in order. The path is the id.

    Args:
        names: What the command got. A name that exists is no pattern. A pattern leaves out results of earlier runs.
        output: The folder or URL of the results; for one name that is no pattern also a file; None for results beside
            the inputs.
        word: The word in the names of results beside the inputs (:func:`restill.restoring.outputs.default_output`).

    Raises:
        RestillError: A pattern fits nothing, or the output does not suit the inputs.
    """
    found = [match for name in names for match in _matches(name, output)]
    if output is None:
        passed = skipped([Path(_local(match)) for match in found], None)
        for path, why in passed.items():
            say(f"skipped '{path}': {why}; to restore it, give it as the only input")
        left = (match for match in found if Path(match) not in passed)
        yield from (Item(match, match, str(default_output(match, word))) for match in left)
    elif not is_file(output):
        yield from (Item(match, match, _under(output, result_name(_shape(match)))) for match in found)
    elif len(names) == 1 and not _is_pattern(names[0]):
        yield Item(names[0], names[0], output)
    else:
        raise RestillError(
            f"several inputs need a folder, but '{output}' looks like a file; give a folder, or add a slash to the name"
        )


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


def _is_pattern(name: str) -> bool:
    return bool(set(MAGIC) & set(name)) and (store.is_url(name) or not Path(name).exists())


def is_file(output: str) -> bool:
    """Whether an output has the name of a file."""
    path = Path(output)
    return bool(path.suffix) and not output.endswith("/") and (store.is_url(output) or not path.is_dir())


def _local(name: str) -> str:
    """A name that is no URL.

    Raises:
        RestillError: It is one.
    """
    if store.is_url(name):
        raise RestillError(f"where to put the result of '{name}' is not known; add -o FOLDER")
    return name


def _matches(name: str, output: str | None) -> list[str]:
    """The inputs that a name stands for."""
    if not _is_pattern(name):
        return [name]
    if store.is_url(name):
        found = store.matches(name)
    else:
        results = None if output is None or store.is_url(output) else Path(output).absolute()
        paths = sorted(glob.glob(name, recursive=True))  # noqa: PTH207
        found = [path for path in paths if results is None or results not in Path(path).absolute().parents]
        found = [path for path in found if not path.endswith(JOURNAL) and Path(path).name != RECORD]
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
