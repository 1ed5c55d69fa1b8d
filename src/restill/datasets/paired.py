"""The base of paired data sets, which have degraded and clean frames.

A set of pictures is a set of clips of one frame. A loader declares its layouts and the size of a complete download, and
finds the clips of one split. Everything else is here.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from restill.datasets.files import names_in, natural, picture_size, read_picture
from restill.datasets.leaks import Pictures, stamp
from restill.errors import RestillError

if TYPE_CHECKING:
    from restill.datasets.clips import Box


@dataclass(frozen=True)
class PairedClip:
    """One degraded clip.

    Attributes:
        name: "a1", "norain-1x2", "GOPR0384_11_00/000001".
        degraded: Paths of its frames, in order.
        clean: Paths of the clean frames, one for each degraded one; None if none exist.
    """

    name: str
    degraded: tuple[Path, ...]
    clean: tuple[Path, ...] | None

    def __len__(self) -> int:
        return len(self.degraded)

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Degraded and clean frame, each (H, W, 3) RGB uint8.

        Raises:
            RestillError: If a file is not a picture, or the two differ in size.
        """
        degraded = read_picture(self.degraded[index])
        if self.clean is None:
            return degraded, None
        clean = read_picture(self.clean[index])
        if clean.shape != degraded.shape:
            sizes = " and ".join(f"{side.shape[1]}x{side.shape[0]}" for side in (clean, degraded))
            raise RestillError(
                f"{self.clean[index]}: its size differs from that of {self.degraded[index]}: they are {sizes} pixels"
            )
        return degraded, clean

    def size(self) -> tuple[int, int]:
        """(height, width) of the clean side, from the first frame."""
        return picture_size(self.degraded[0])

    def files(self) -> list[str]:
        """The name of each of :meth:`pictures`."""
        return [str(path) for path in dict.fromkeys([*self.degraded, *(self.clean or ())])]

    def pictures(self) -> Iterator[np.ndarray]:
        """Every picture stored in the files, (H, W, 3) RGB uint8; not those rendered while reading."""
        return (read_picture(Path(file)) for file in self.files())


class PairedSet:
    """The clips of one split of a data set.

    Args:
        root: The folder, in one of the layouts of ``layout``.
        split: One of ``splits``.
        clips: Names to take, in this order, or the path of a text file with one name per line; None for all.

    Attributes:
        clips: The clips, in natural order of their names unless names were given.
        names: Their names.
        problems: A sentence for each file that has no partner and was skipped.
        title: The data set's name and authors.
        splits: The splits; the first is for evaluation.
        layout: The accepted layouts of files, one per line.
        expected: By split, the number of clips (or pictures) in a complete download, if known.
        members: By split, the names of its clips, if they are few and known.
        frames: By clip, the number of its frames, if known.
        scale, shift, reach: See :class:`restill.datasets.clips.ClipSource`.
        trains: The split to train on, if there is one.

    Raises:
        RestillError: If the folder, a clip or its clean side is missing; the message shows the layout.
    """

    title: ClassVar[str]
    splits: ClassVar[tuple[str, ...]] = ("test", "train")
    layout: ClassVar[str]
    expected: ClassVar[dict[str, int]] = {}
    members: ClassVar[dict[str, tuple[str, ...]]] = {}
    frames: ClassVar[dict[str, int]] = {}
    trains: ClassVar[str | None] = "train"
    scale: int = 1
    shift: int = 0
    reach: int = 0

    def __init__(self, root: str | Path, split: str = "test", clips: Sequence[str] | Path | None = None) -> None:
        self.root, self.split = Path(root), split
        if split not in self.splits:
            raise RestillError(f"{self.title} has no split '{split}'; its splits are: {', '.join(self.splits)}")
        if not self.root.is_dir():
            raise RestillError(f"{self.root}: no such folder; {self.wanted()}")
        self.problems: list[str] = []
        self._sizes: dict[int, tuple[int, int]] = {}
        found = self.find(all_of_it=not clips)
        if isinstance(clips, Path):
            clips = names_in(clips)
        wanted = [self.plain_name(name) for name in clips or ()]
        missing = [name for name in wanted if name not in found]
        if missing:
            there = ", ".join(sorted(found, key=natural)[:20]) or "none"
            raise RestillError(
                f"{self.root}: has no clip {', '.join(missing[:20])} in the {split} split; it has {there}"
                f"{' ...' if len(found) > 20 else ''}; {self.wanted()}"
            )
        if not found:
            why = f"; {self.problems[0]}" if self.problems else ""
            raise RestillError(f"{self.root}: has no clip of the {split} split{why}; {self.wanted()}")
        if self.problems:
            warnings.warn(
                f"{self.root}: {len(self.problems)} files without a partner are skipped, the first: "
                f"{self.problems[0]}; `restill data check` lists them",
                stacklevel=2,
            )
        self.clips: list[PairedClip] = [self.clip(name, found[name]) for name in wanted or sorted(found, key=natural)]
        self.names = [clip.name for clip in self.clips]

    def find(self, *, all_of_it: bool) -> Mapping[str, Any]:
        """Find the clips of the split by name; files without a partner become ``problems``.

        Args:
            all_of_it: Whether all clips are wanted.
        """
        raise NotImplementedError

    def clip(self, name: str, found: Any) -> PairedClip:
        """Build the clip from what :meth:`find` returned for it."""
        return found

    def plain_name(self, name: str) -> str:
        """The canonical form of a clip's name."""
        return name

    def kind_of(self, name: str) -> str | None:
        """The kind of degradation of a clip, where a set has several kinds to report apart."""
        return None

    @classmethod
    def training_source(
        cls,
        root: str | Path,
        clips: Sequence[str] | Path | None = None,
        rain: object = None,
        *,
        split: str | None = None,
        unpaired: bool = False,
        **options: Any,
    ) -> Self:
        """Open the clips to train on; see :func:`restill.datasets.open_source`.

        Args:
            root: The folder.
            clips: Names of the clips to take; None for all.
            rain: Must be None: paired sets have their own degradation.
            split: The split; None for the one to train on.
            unpaired: The clean side is not needed, so a test set is accepted.
            **options: Options of the data set.
        """
        if rain is not None:
            raise RestillError(f"data.rain is for clean clips only; {cls.title} has its own rain or other degradation")
        split = split or cls.trains or (cls.splits[0] if unpaired else None)
        if split is None:
            raise RestillError(f"{cls.title} is for testing and has no training split")
        source = cls(root, split, clips, **options)
        if not unpaired and any(clip.clean is None for clip in source.clips):
            raise RestillError(f"{root}: the {split} split of {cls.title} has no clean side to train on")
        return source

    def shape(self, clip: int) -> tuple[int, int, int]:
        """(frames, height, width) of a clip's clean side, the size from its first frame."""
        if clip not in self._sizes:
            self._sizes[clip] = self.clips[clip].size()
        return len(self.clips[clip]), *self._sizes[clip]

    def read(
        self, clip: int, frames: Sequence[int], box: Box, size: tuple[int, int], rng: np.random.Generator
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """A region of some frames, degraded and clean; see :class:`restill.datasets.clips.ClipSource`.

        If there is no clean side, the degraded one is returned in its place.
        """
        from restill.datasets.clips import resample  # needs torch, which evaluation does without

        window = (slice(box.top, box.top + box.height), slice(box.left, box.left + box.width))
        pairs = [self.clips[clip].read(frame) for frame in frames]
        degraded = [resample(dirty[window], size) for dirty, _ in pairs]
        clean = [resample((dirty if truth is None else truth)[window], size) for dirty, truth in pairs]
        return degraded, clean

    def pictures(self, clip: int) -> Pictures:
        """Every picture of a clip, for :mod:`restill.datasets.leaks`."""
        chosen = self.clips[clip]
        about = f"{type(chosen).__name__} {chosen.name}"
        return Pictures(stamp([*chosen.degraded, *(chosen.clean or ())], about), chosen.files(), chosen.pictures)

    @classmethod
    def wanted(cls) -> str:
        """The expected layout, for the end of an error message."""
        return f"{cls.title} is expected as {' or '.join(cls.layout.splitlines())}"
