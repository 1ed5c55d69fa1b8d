"""What the sandbox is asked to do for an item: its job, and a preview of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restill.restoring.outputs import result_name
from restill.restoring.request import Request
from restill.restoring.run import run
from restill.video import EncodeSettings, Summary
from restill.video.limits import USUAL, Limits
from restill.video.moment import Moment
from restill.web.items import Item, Items, Settings, Task
from restill.web.raining import RainJob, rain

QUALITY = {"small": 25, "good": None, "best": 14}  # crf of H.264 and HEVC
QUALITY_WEBM = {"small": 34, "good": None, "best": 18}  # of VP9 and AV1
WORDS: dict[Task, str] = {"derain": "derained", "rain": "rain"}  # in the names of results
# for a page: every browser plays it, and shows any frame of it at once
STACKED = EncodeSettings(codec="h264", crf=16, pixel_format="yuv420p", all_keys=True)


@dataclass(frozen=True)
class Job:
    """A function of the sandbox, and what it is asked."""

    work: Callable[..., Summary]
    request: Request | RainJob

    @property
    def dst(self) -> Path:
        """The output."""
        return self.request.dst


def job(items: Items, item: Item, limits: Limits = USUAL) -> Job:
    """The job of an item by its settings; the folder of its result is made."""
    source = items.source(item)
    folder = items.home(item.id) / "result"
    folder.mkdir(exist_ok=True)
    target = folder / "frames"
    if item.kind != "frames":
        name = Path(result_name(source))
        target = folder / (f"{name.stem}.{WORDS[item.task]}{name.suffix}" if name.suffix else "frames")
    crf = (QUALITY_WEBM if target.suffix == ".webm" else QUALITY)[item.settings.quality]
    return _asked(source, target, item.settings, item.task, EncodeSettings(crf=crf), limits)


def preview(source: Path, target: Path, settings: Settings, task: Task, moment: Moment | None, limits: Limits) -> Job:
    """A moment of an item, or a whole picture, before above after."""
    return _asked(source, target, settings, task, STACKED, limits, stacked=True, moment=moment)


def _asked(
    source: Path,
    target: Path,
    settings: Settings,
    task: Task,
    encoding: EncodeSettings,
    limits: Limits,
    *,
    stacked: bool = False,
    moment: Moment | None = None,
) -> Job:
    if task == "rain":
        falling = settings.rain
        asked = RainJob(source, target, falling.strength, falling.wind, falling.seed, encoding, stacked, moment, limits)
        return Job(rain, asked)
    how: dict[str, Any] = {"compare": "stack" if stacked else None, "preview": moment, "settings": encoding}
    how |= {"strength": settings.strength, "overwrite": True, "limits": limits, "quiet": True}
    return Job(run, Request(source, target, settings.student, **how))
