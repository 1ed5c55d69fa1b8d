"""No test picture in a training set: pictures are compared by what they show, not by their names.

The digest of a picture is that of its decoded pixels, so that a copy under another name, or packed by another PNG
writer, is the same picture; a crop, a resized or a newly compressed one is another. Pictures of one color are nobody's.
A small data base in the cache folder knows the digests of every test picture that was ever evaluated on, checked or
named in a recipe, and keeps those of training pictures, so that each file is decoded for this once.
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
FLAT = bytes(DIGEST)  # what shows nothing
TRAINED_ON = "pictures.digests"  # in a run's folder
TABLES = """
CREATE TABLE IF NOT EXISTS seen (stamp TEXT PRIMARY KEY, digests BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tests (digest BLOB PRIMARY KEY, file TEXT) WITHOUT ROWID;
"""


class Pictures(NamedTuple):
    """The pictures of one clip.

    Attributes:
        stamp: Changes when the files do.
        files: What to call each picture.
        read: Gives the pictures, (H, W, 3) RGB uint8, in the order of ``files``.
    """

    stamp: str
    files: Sequence[str]
    read: Callable[[], Iterable[np.ndarray]]


class Source(Protocol):
    """Clips whose pictures can be told."""

    @property
    def names(self) -> Sequence[str]:
        """Of the clips."""
        ...

    def pictures(self, clip: int) -> Pictures:
        """Those of a clip."""
        ...


class Leak(NamedTuple):
    """A picture that is trained on and tested on, by its name in each."""

    training: str
    test: str

    def __str__(self) -> str:
        return f"{self.training} shows the very picture of {self.test}, which is known as a test picture"


def stamp(files: Iterable[Path], about: str) -> str:
    """Of files, by path, size and time of change."""
    states = [(str(file.resolve()), s.st_size, s.st_mtime_ns) for file in files if file.exists() and (s := file.stat())]
    return hashlib.sha256(repr((about, states)).encode()).hexdigest()[:32]


def digest(picture: np.ndarray) -> bytes:
    """Of what a picture shows.

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
    """These, each a file's name and a digest, are test pictures from now on; without a cache, only a notice."""
    rows = [(code, file) for file, code in pictures if code != FLAT]
    try:
        with _known() as known:
            known.executemany("INSERT OR IGNORE INTO tests VALUES (?, ?)", rows)
    except RestillError as error:
        warnings.warn(f"these test pictures are not remembered: {error}", stacklevel=2)


def find_leaks(train: Sequence[Source], test: Sequence[Source] = (), *, quiet: bool = False) -> list[Leak]:
    """Training pictures that are known as test pictures, at most one for each clip.

    Args:
        train: What is trained on.
        test: Test sets, which are remembered as such; those seen before are known anyway.
        quiet: No progress.

    Raises:
        RestillError: A picture cannot be read, or the cache folder cannot be written.
    """
    for source in test:
        for clip, codes in enumerate(digests(source, quiet=quiet)):
            remember_tests(zip(source.pictures(clip).files, _split(codes), strict=True))
    leaks = []
    every = [(source, digests(source, quiet=quiet)) for source in train]
    with _known() as known:
        for source, clips in every:
            for clip, codes in enumerate(clips):
                for index, code in enumerate(_split(codes)):
                    hit = known.execute("SELECT file FROM tests WHERE digest = ?", (code,)).fetchone()
                    if hit:
                        leaks.append(Leak(source.pictures(clip).files[index], hit[0]))
                        break
    return leaks


def refuse_test_pictures(train: Sequence[Source], test: Sequence[Source] = (), *, quiet: bool = False) -> None:
    """Stop where :func:`find_leaks` finds something.

    Raises:
        RestillError: Names the two files.
    """
    leaks = find_leaks(train, test, quiet=quiet)
    if leaks:
        more = "" if len(leaks) == 1 else f", and {len(leaks) - 1} more clips hold such pictures"
        raise RestillError(f"{leaks[0]}{more}; leave it out (data.clips), or pass --allow-test-images")


def write_trained_on(folder: Path, codes: bytes) -> None:
    """Write down in a run's folder what it is trained on, besides what is written there from an earlier start."""
    earlier = _split((folder / TRAINED_ON).read_bytes()) if (folder / TRAINED_ON).is_file() else []
    every = sorted({*earlier, *_split(codes)} - {FLAT})
    partial = folder / f"{TRAINED_ON}.partial"
    partial.write_bytes(b"".join(every))
    partial.replace(folder / TRAINED_ON)


def trained_on(checkpoint: Path) -> frozenset[bytes]:
    """Digests of what a run was trained on, from its folder; empty where that was not written down.

    Args:
        checkpoint: The run's folder, one inside it, or a file in either.
    """
    folders = [checkpoint, checkpoint.parent, checkpoint.parent.parent]
    file = next((folder / TRAINED_ON for folder in folders if (folder / TRAINED_ON).is_file()), None)
    return frozenset(_split(file.read_bytes())) - {FLAT} if file else frozenset()


def digests(source: Source, *, quiet: bool = False) -> list[bytes]:
    """Of each clip the digests of its pictures, one after the other.

    Raises:
        RestillError: A picture cannot be read, or the cache folder cannot be written.
    """
    clips = [source.pictures(clip) for clip in range(len(source.names))]
    with _known() as known:
        done = {
            clip.stamp: found[0]
            for clip in clips
            if (found := known.execute("SELECT digests FROM seen WHERE stamp = ?", (clip.stamp,)).fetchone())
        }
        todo = [clip for clip in clips if clip.stamp not in done]
        with track("digests of pictures", len(todo), "clips", quiet=quiet or not todo) as advance, pool() as threads:
            for start in range(0, len(todo), BLOCK):
                part = todo[start : start + BLOCK]
                codes = list(threads.map(lambda clip: b"".join(map(digest, clip.read())), part))
                rows = [(clip.stamp, code) for clip, code in zip(part, codes, strict=True)]
                known.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?)", rows)
                known.commit()
                done.update(rows)
                advance(len(part))
    return [done[clip.stamp] for clip in clips]


def _split(codes: bytes) -> list[bytes]:
    return [codes[at : at + DIGEST] for at in range(0, len(codes), DIGEST)]


def pool() -> ThreadPoolExecutor:
    """A thread for each core: pictures are decoded outside the interpreter's lock."""
    return ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None)


@contextmanager
def _known() -> Iterator[sqlite3.Connection]:
    """The data base, for one piece of work; what it changed is there afterwards, or none of it."""
    path = cache_folder() / "pictures.sqlite"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=60)) as known, known:
            known.executescript(TABLES)
            yield known
    except (OSError, sqlite3.Error) as error:
        raise RestillError(f"{path}: cannot be used ({error}); set RESTILL_CACHE to a folder that can") from error
