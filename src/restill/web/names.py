"""Names that a browser sends, made safe for the disk; and random ids."""

from __future__ import annotations

import re
import secrets
import unicodedata
from pathlib import Path

LONGEST = 150  # bytes of a name
_OPTION = re.compile(r" \(--[a-z-]+\)|; (?:use |remove )?--[^;]*")  # a hint for the command line


def new_id() -> str:
    """A random id that nobody can guess: 128 bits, safe in an address and as a name on the disk."""
    return secrets.token_hex(16)


def safe_name(name: str) -> str:
    """The last part of a path as a plain file name.

    Letters, digits and ``._-()`` stay; runs of other characters become one underscore. The extension is kept.

    >>> safe_name("../../etc/pass wd.mp4"), safe_name("C:\\\\x\\\\a.mp4"), safe_name(".."), safe_name(".png")
    ('pass_wd.mp4', 'a.mp4', 'file', 'file.png')
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    stem, dot, suffix = re.sub(r"[^\w.()-]+", "_", last).rpartition(".")
    if not re.fullmatch(r"\w{1,8}", suffix):
        stem, dot, suffix = f"{stem}{dot}{suffix}", "", ""
    elif not dot:
        stem, suffix = suffix, ""
    stem = stem.encode()[:LONGEST].decode(errors="ignore").strip("._- ")
    return f"{stem or 'file'}{dot}{suffix}"


def for_the_page(message: str, *folders: Path) -> str:
    """A message without the names of our folders and without hints for the command line.

    >>> for_the_page("'/x/items/1/a.mp4' has more pixels than the limit (--max-pixels)", Path("/x/items/1"))
    "'a.mp4' has more pixels than the limit"
    """
    for folder in folders:
        message = message.replace(f"{folder}/", "")
    return _OPTION.sub("", message)
