"""Find test pictures in training sets, by content and not by name.

A digest is computed from the decoded pixels. A copy under another name or from another PNG encoder has the same digest;
a cropped, resized or recompressed picture has another one. Pictures of a single color are ignored. A database in the
cache folder records the digests of all test pictures that were evaluated, checked or named in a recipe. It also caches
the digests of training pictures, so that each file is decoded once.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from restill.datasets.files import cache_folder
from restill.errors import RestillError
from restill.progress import track

DIGEST = 16  # bytes
BLOCK = 64  # clips
FLAT = bytes(DIGEST)  # the digest of a picture of a single color
TRAINED_ON = "pictures.digests"  # in a run's folder
TABLES = """
CREATE TABLE IF NOT EXISTS seen (stamp TEXT PRIMARY KEY, digests BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tests (digest BLOB PRIMARY KEY, file TEXT) WITHOUT ROWID;
"""


class Pictures(NamedTuple):
    """The pictures of one clip.

    Attributes:
        stamp: A hash that changes when the files change.
        files: The name of each picture.
        read: Reads the pictures, (H, W, 3) RGB uint8, in the order of ``files``.
    """

    stamp: str
    files: Sequence[str]
    read: Callable[[], Iterable[np.ndarray]]


class Source(Protocol):
    """Clips whose pictures can be listed and read."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the clips."""
        ...

    def pictures(self, clip: int) -> Pictures:
        """The pictures of a clip."""
        ...


class Leak(NamedTuple):
    """A picture in both the training and the test data, by its name in each."""

    training: str
    test: str

    def __str__(self) -> str:
        return f"{self.training} is the same picture as {self.test}, which is a test picture"


def stamp(files: Iterable[Path], about: str) -> str:
    """A hash of the path, size and modification time of files."""
    states = [(str(file.resolve()), s.st_size, s.st_mtime_ns) for file in files if file.exists() and (s := file.stat())]
    return hashlib.sha256(repr((about, states)).encode()).hexdigest()[:32]


def digest(picture: np.ndarray) -> bytes:
    """The digest of a picture's content.

    >>> import numpy as np
    >>> steps = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    >>> digest(steps) == digest(steps.copy()), digest(steps) == digest(steps[::-1])
    (True, False)
    >>> digest(np.full((2, 2, 3), 7, np.uint8)) == FLAT
    True
    """
    if picture.size == 0 or (picture == picture[0, 0]).all():
        return FLAT
    content = hashlib.blake2b(repr(picture.shape).encode(), digest_size=DIGEST)
    content.update(np.ascontiguousarray(picture).data)
    return content.digest()


def remember_tests(pictures: Iterable[tuple[str, bytes]]) -> None:
    """Record test pictures, each a file's name and a digest. Without a writable cache, only warn."""
    rows = [(code, file) for file, code in pictures if code != FLAT]
    try:
        with _database() as database:
            database.executemany("INSERT OR IGNORE INTO tests VALUES (?, ?)", rows)
    except RestillError as error:
        warnings.warn(f"cannot record these test pictures: {error}", stacklevel=2)


def find_leaks(train: Sequence[Source], test: Sequence[Source] = (), *, quiet: bool = False) -> list[Leak]:
    """Find training pictures that are recorded as test pictures, at most one for each clip.

    Args:
        train: The training data.
        test: Test sets to record first, besides those recorded before.
        quiet: Show no progress.

    Raises:
        RestillError: If a picture cannot be read, or the cache folder cannot be written.
    """
    for source in test:
        for clip, codes in enumerate(digests(source, quiet=quiet)):
            remember_tests(zip(source.pictures(clip).files, _split(codes), strict=True))
    leaks = []
    every = [(source, digests(source, quiet=quiet)) for source in train]
    with _database() as database:
        for source, clips in every:
            for clip, codes in enumerate(clips):
                for index, code in enumerate(_split(codes)):
                    hit = database.execute("SELECT file FROM tests WHERE digest = ?", (code,)).fetchone()
                    if hit:
                        leaks.append(Leak(source.pictures(clip).files[index], hit[0]))
                        break
    return leaks


def refuse_test_pictures(train: Sequence[Source], test: Sequence[Source] = (), *, quiet: bool = False) -> None:
    """Raise an error if :func:`find_leaks` finds something.

    Raises:
        RestillError: If a picture is in both; the message names the two files.
    """
    leaks = find_leaks(train, test, quiet=quiet)
    if leaks:
        more = "" if len(leaks) == 1 else f", and {len(leaks) - 1} more clips contain test pictures"
        raise RestillError(f"{leaks[0]}{more}; leave it out (data.clips), or pass --allow-test-images")


def write_trained_on(folder: Path, codes: bytes) -> None:
    """Record the training pictures in a run's folder, in addition to those of earlier starts."""
    earlier = _split((folder / TRAINED_ON).read_bytes()) if (folder / TRAINED_ON).is_file() else []
    every = sorted({*earlier, *_split(codes)} - {FLAT})
    partial = folder / f"{TRAINED_ON}.partial"
    partial.write_bytes(b"".join(every))
    partial.replace(folder / TRAINED_ON)


def trained_on(checkpoint: Path) -> frozenset[bytes]:
    """Read the digests of a run's training pictures from its folder; empty if they were not recorded.

    Args:
        checkpoint: The run's folder, one inside it, or a file in either.
    """
    folders = [checkpoint, checkpoint.parent, checkpoint.parent.parent]
    file = next((folder / TRAINED_ON for folder in folders if (folder / TRAINED_ON).is_file()), None)
    return frozenset(_split(file.read_bytes())) - {FLAT} if file else frozenset()


def digests(source: Source, *, quiet: bool = False) -> list[bytes]:
    """The digests of each clip's pictures, concatenated.

    Raises:
        RestillError: If a picture cannot be read, or the cache folder cannot be written.
    """
    clips = [source.pictures(clip) for clip in range(len(source.names))]
    with _database() as database:
        done = {
            clip.stamp: found[0]
            for clip in clips
            if (found := database.execute("SELECT digests FROM seen WHERE stamp = ?", (clip.stamp,)).fetchone())
        }
        todo = [clip for clip in clips if clip.stamp not in done]
        with track("digests of pictures", len(todo), "clips", quiet=quiet or not todo) as advance, pool() as threads:
            for start in range(0, len(todo), BLOCK):
                part = todo[start : start + BLOCK]
                codes = list(threads.map(lambda clip: b"".join(map(digest, clip.read())), part))
                rows = [(clip.stamp, code) for clip, code in zip(part, codes, strict=True)]
                database.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?)", rows)
                database.commit()
                done.update(rows)
                advance(len(part))
    return [done[clip.stamp] for clip in clips]


def _split(codes: bytes) -> list[bytes]:
    return [codes[at : at + DIGEST] for at in range(0, len(codes), DIGEST)]


def pool() -> ThreadPoolExecutor:
    """A thread for each core: decoding releases the interpreter lock."""
    return ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None)


@contextmanager
def _database() -> Iterator[sqlite3.Connection]:
    """Open the database for one transaction."""
    path = cache_folder() / "pictures.sqlite"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=60)) as database, database:
            database.executescript(TABLES)
            yield database
    except (OSError, sqlite3.Error) as error:
        raise RestillError(f"{path}: cannot be used ({error}); set RESTILL_CACHE to a writable folder") from error
