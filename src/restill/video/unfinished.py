"""Find and remove unfinished jobs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from restill.errors import RestillError
from restill.video.journal import SUFFIX, is_running, journal_folder, read_journal
from restill.video.segment_folder import SEGMENT_SUFFIX


@dataclass(frozen=True)
class UnfinishedJob:
    """A job that was stopped before its output was complete.

    Attributes:
        output: The output of the job.
        source: The input, as it was given.
        parts: The number of finished segments.
        bytes: The size of the job's folder.
        changed: When the job last wrote something.
        running: Whether a process is working on it now.
    """

    output: Path
    source: str
    parts: int
    bytes: int
    changed: datetime
    running: bool


def unfinished_jobs(folders: Sequence[Path]) -> list[UnfinishedJob]:
    """The unfinished jobs whose outputs are in these folders or their subfolders."""
    found = []
    for folder in dict.fromkeys(folder for base in folders for folder in sorted(base.rglob(f"*{SUFFIX}"))):
        content = read_journal(folder) if folder.is_dir() else None
        if content is None:
            continue
        files = [path for path in folder.rglob("*") if path.is_file()]
        found.append(
            UnfinishedJob(
                output=folder.with_name(str(content.get("output"))),
                source=str(content["what"].get("source")),
                parts=sum(path.suffix == SEGMENT_SUFFIX for path in folder.iterdir()),
                bytes=sum(path.stat().st_size for path in files),
                changed=datetime.fromtimestamp(max(path.stat().st_mtime for path in files)),
                running=is_running(folder),
            )
        )
    return found


def remove_job(job: UnfinishedJob) -> None:
    """Remove the folder of an unfinished job. An output that exists stays.

    Raises:
        RestillError: A process is working on the job.
    """
    folder = journal_folder(job.output)
    if is_running(folder):
        raise RestillError(f"'{job.output}' is being made now; stop that process first")
    shutil.rmtree(folder)
