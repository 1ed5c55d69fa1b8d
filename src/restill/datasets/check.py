"""Check a download: read every picture of a data set and list what is missing."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from restill.datasets import open_paired, options_of, paired_class
from restill.datasets.leaks import BLOCK, digest, pool, remember_tests
from restill.datasets.paired import PairedClip, PairedSet
from restill.datasets.picture_sets import SideBySide
from restill.errors import RestillError
from restill.progress import track

SHOWN = 20


@dataclass
class Checked:
    """The result for one split.

    Attributes:
        split: The split's name.
        found: The number of clips or pictures found.
        frames: The number of their frames.
        expected: The number in a complete download; None if unknown.
        problems: A sentence for each problem.
        notes: Warnings.
    """

    split: str
    expected: int | None
    found: int = 0
    frames: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        count = f"{self.found:,}" if self.expected is None else f"{self.found:,} of {self.expected:,}"
        things = "pictures" if self.frames == self.found else f"clips, {self.frames:,} frames"
        head = f"{self.split}: {count} {things}; {'incomplete' if self.problems else 'all can be read'}"
        more = len(self.problems) - SHOWN
        rest = [f"and {more:,} problems more"] if more > 0 else []
        return "\n  ".join([head, *self.problems[:SHOWN], *rest, *(f"note: {note}" for note in self.notes)])


def described(name: str) -> str:
    """Describe a data set: layouts, splits and options.

    Raises:
        RestillError: If there is no such data set, or it is only for training.
    """
    cls = paired_class(name)
    counts = [f"{split} ({cls.expected[split]:,})" if split in cls.expected else split for split in cls.splits]
    given = [f"{option}={json.dumps(default)}" for option, default in options_of(name).items()]
    lines = [cls.title, "", "layout below its folder, one of:", *(f"  {line}" for line in cls.layout.splitlines()), ""]
    return "\n".join([*lines, f"splits: {', '.join(counts)}", *([f"options: {', '.join(given)}"] if given else [])])


def check(
    name: str,
    root: str | Path,
    splits: Sequence[str] | None = None,
    options: dict[str, Any] | None = None,
    *,
    quiet: bool = False,
) -> list[Checked]:
    """Read every picture of a data set once. Pictures of test splits are recorded as test pictures.

    Args:
        name: The name of a paired data set.
        root: Its folder.
        splits: The splits to check; None for all.
        options: Options of the data set.
        quiet: Show no progress.

    Raises:
        RestillError: If there is no such data set, split, option or folder.
    """
    cls = paired_class(name)
    for split in splits or ():
        if split not in cls.splits:
            raise RestillError(f"{cls.title} has no split '{split}'; its splits are: {', '.join(cls.splits)}")
    if not Path(root).is_dir():
        raise RestillError(f"{root}: no such folder; {cls.wanted()}")
    return [_check(name, Path(root), split, options, quiet) for split in splits or cls.splits]


def _check(name: str, root: Path, split: str, options: dict[str, Any] | None, quiet: bool) -> Checked:
    cls = paired_class(name)
    result = Checked(split, cls.expected.get(split))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # skipped files are listed below
            data = open_paired(name, root, split, options=options)
    except RestillError as error:
        result.problems.append(str(error))
        return result
    result.found, result.frames = len(data.clips), sum(map(len, data.clips))
    result.problems += _missing(data, result)
    darker = 0
    with track(f"{name}, {split}", len(data.clips), "clips", quiet=quiet) as advance, pool() as threads:
        for start in range(0, len(data.clips), BLOCK):
            for clip, (problems, seen, odd) in zip(
                data.clips[start : start + BLOCK], threads.map(_read, data.clips[start : start + BLOCK]), strict=True
            ):
                result.problems += problems
                darker += odd and isinstance(clip, SideBySide)
                if split != cls.trains:
                    remember_tests(seen)
                advance()
    if darker > len(data.clips) / 2:
        result.notes.append(
            f"the half taken as rainy is the darker one in {darker:,} of {len(data.clips):,} pictures, but rain "
            "brightens a picture: the other order may be right (--set order=...)"
        )
    return result


def _missing(data: PairedSet, result: Checked) -> list[str]:
    """List what is missing: by name if possible, else as a count."""
    problems = list(data.problems)
    absent = [name for name in data.members.get(data.split, ()) if name not in data.names]
    if absent:
        problems.append(f"{data.root}: clips {', '.join(absent)} are missing")
    elif result.expected is not None and result.found < result.expected:
        problems.append(
            f"{data.root}: {result.expected - result.found:,} of {result.expected:,} {result.split} pictures or clips "
            "are missing"
        )
    for clip in data.clips:
        whole = data.frames.get(clip.name, 0)
        if len(clip) < whole:
            problems.append(f"clip '{clip.name}': has {len(clip)} of {whole} frames")
    return problems


def _read(clip: PairedClip) -> tuple[list[str], list[tuple[str, bytes]], bool]:
    """A clip's problems, the digests of its pictures, and whether its degraded side is darker than the clean one."""
    problems, seen, darker = [], [], 0
    for index in range(len(clip)):
        try:
            degraded, clean = clip.read(index)
        except RestillError as error:
            problems.append(str(error))
            continue
        seen.append((f"{clip.degraded[index]}", digest(degraded)))
        if clean is not None and clip.clean is not None:
            seen.append((f"{clip.clean[index]}", digest(clean)))
            darker += bool(degraded.mean() < clean.mean())
    return problems, seen, darker > len(clip) / 2
