"""List the readable pictures of a folder with their sizes, and the other files with the reason for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from restill.errors import RestillError
from restill.video.limits import USUAL, Limits
from restill.video.picture_names import entries, is_litter, is_picture, list_pictures, listed
from restill.video.picture_reading import Header, UnreadablePicture, read_header

Size = tuple[int, int]  # width, height


@dataclass
class Survey:
    """The pictures of a folder, or of a file.

    Attributes:
        path: The folder or file.
        kind: "folder", "picture", or "animation": several pictures in one file.
        files: The files, in order.
        sizes: (width, height) of each picture.
        timed: Whether the file says how long each picture is shown.
        left_out: The names of the files that are not read, by reason.
    """

    path: Path
    kind: str
    files: list[Path]
    sizes: list[Size]
    timed: bool = False
    left_out: dict[str, list[str]] = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """A sentence on the files that are not read, for each reason."""
        folder = self.files[0].parent
        return [f"left out of '{folder}': {listed(names)} ({reason})" for reason, names in self.left_out.items()]

    @property
    def differing(self) -> str | None:
        """A clause that names two pictures of different sizes; None if all have the same size."""
        first = self.sizes[0]
        for number, size in enumerate(self.sizes):
            if size != first:
                return f"{self._name(0)} is {first[0]}x{first[1]}, {self._name(number)} {size[0]}x{size[1]}"
        return None

    def _name(self, number: int) -> str:
        return f"'{self.files[number].name}'" if self.kind == "folder" else f"picture {number + 1}"


def survey(path: Path, limits: Limits = USUAL) -> Survey:
    """Read the headers of a folder of pictures, or of one picture file.

    Args:
        path: The folder or file.
        limits: The limits for each picture.

    Raises:
        RestillError: No picture in it can be read, or one is over a limit.
    """
    if not path.is_dir():
        header = read_header(path, limits)
        kind = "animation" if len(header.sizes) > 1 else "picture"
        return Survey(path, kind, [path], list(header.sizes), header.timed)
    found: list[tuple[Path, Header]] = []
    left_out: dict[str, list[str]] = {}
    pictures = list_pictures(path)
    for file in pictures:
        try:
            found.append((file, read_header(file, limits)))
        except UnreadablePicture as error:
            left_out.setdefault(error.why, []).append(file.name)
    if not found:
        reason, names = next(iter(left_out.items()))
        raise RestillError(f"'{path}' holds no picture that can be read: {listed(names)} ({reason})")
    taken = set(pictures)
    for entry in entries(pictures[0].parent):
        if entry not in taken and not is_litter(entry) and not entry.name.endswith(".restill"):
            reason = "a hidden file" if is_picture(entry) else "no picture that is read"
            left_out.setdefault("a folder" if entry.is_dir() else reason, []).append(entry.name)
    return Survey(
        path, "folder", [file for file, _ in found], [header.sizes[0] for _, header in found], left_out=left_out
    )
