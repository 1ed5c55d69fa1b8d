"""Damaged files: cut off, with changed bytes, or with wrong headers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from processes import long_clip

CONTAINERS = (".mp4", ".mkv", ".webm", ".avi", ".ts")


def originals(folder: Path, frames: int = 12) -> dict[str, bytes]:
    """A small clip with sound in each container."""
    made = {}
    for suffix in CONTAINERS:
        path = folder / f"whole{suffix}"
        made[suffix] = long_clip(path, frames=frames, width=64, height=48).read_bytes()
        path.unlink()
    return made


def mutants(whole: dict[str, bytes], flipped: int, seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """(name, content) of each damaged file: first the cut and the odd ones, then those with changed bytes.

    Args:
        whole: Complete files by suffix, from :func:`originals`.
        flipped: How many files have 1 to 64 changed bytes. In half of them, only the first kilobyte changes.
        seed: Seed of all random choices.
    """
    rng = random.Random(seed)  # noqa: S311
    for suffix, data in whole.items():
        for percent in range(0, 100, 5):
            yield f"cut{percent:02d}{suffix}", data[: len(data) * percent // 100]
        yield f"text{suffix}", b"Dear restill,\nthis is no video.\n" * 40
        yield f"zeros{suffix}", bytes(5000)
        yield f"noise{suffix}", rng.randbytes(5000)
        yield f"head{suffix}", data[:400] + rng.randbytes(5000)
        yield f"twice{suffix}", data + data
        yield (
            f"huge{suffix}",
            data[:200].replace(b"\x00\x40", b"\xff\xff").replace(b"\x00\x30", b"\xff\xff") + data[200:],
        )
    suffixes = list(whole)
    for number in range(flipped):
        suffix = suffixes[number % len(suffixes)]
        data = bytearray(whole[suffix])
        reach = len(data) if number // len(suffixes) % 2 else min(1024, len(data))
        for _ in range(rng.choice((1, 4, 16, 64))):
            data[rng.randrange(reach)] = rng.randrange(256)
        yield f"flip{number:04d}{suffix}", bytes(data)
