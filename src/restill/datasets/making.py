"""Make a validation set by name."""

from __future__ import annotations

from pathlib import Path

from restill.datasets.make_foreign import make_foreign, make_rendered
from restill.datasets.make_foreign_pictures import make_foreign_pictures
from restill.errors import RestillError

PARTS = {  # by set: the parts that it needs besides clean clips, and those that it may have
    "foreign": (("layers",), ("static",)),
    "foreign-rendered": ((), ()),
    "foreign-pictures": (("layers", "photos"), ()),
}


def make(
    name: str, clean: Path, output: Path, parts: dict[str, Path | None], seed: int = 0, *, quiet: bool = False
) -> str:
    """Make a validation set.

    Args:
        name: The set.
        clean: The folder of clean clips.
        output: The folder to write.
        parts: The folders of ``layers``, ``photos`` and ``static``, where given.
        seed: The same seed gives the same rain.
        quiet: Show no progress.

    Returns:
        What was made, in words.

    Raises:
        RestillError: If there is no such set, a part is missing or of no use, or the set cannot be made.
    """
    if name not in PARTS:
        raise RestillError(f"the set '{name}' cannot be made; the sets that can be made are: {', '.join(PARTS)}")
    needed, optional = PARTS[name]
    given = {part: folder for part, folder in parts.items() if folder is not None}
    if missing := [f"--{part}" for part in needed if part not in given]:
        raise RestillError(f"the set {name} needs {' and '.join(missing)}; see docs/datasets.md")
    if useless := [f"--{part}" for part in given if part not in (*needed, *optional)]:
        raise RestillError(f"the set {name} has no use for {' and '.join(useless)}; leave it out")
    if name == "foreign":
        return f"{make_foreign(clean, given['layers'], output, seed, given.get('static'), quiet=quiet)} clips"
    if name == "foreign-rendered":
        return f"{make_rendered(clean, output, seed, quiet=quiet)} clips"
    count = make_foreign_pictures(clean, given["photos"], given["layers"], output, seed, quiet=quiet)
    return f"{count} pictures"
