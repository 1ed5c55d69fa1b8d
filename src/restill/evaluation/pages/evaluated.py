"""The page of ``restill evaluate --report``: the scores, PSNR per frame, and pictures where the errors are largest."""

from __future__ import annotations

import math

import cv2
import numpy as np
from rich.table import Table

from restill.evaluation.pages.sections import before_after, how_it_was_made, largest_differences, over_frames, profiles
from restill.evaluation.pages.watch import CLEAN, INPUT, Crop, Watch, strongest
from restill.evaluation.protocols import Protocol
from restill.evaluation.report import Report
from restill.html.page import page, section
from restill.html.parts import side_by_side, table, text
from restill.progress import count

CHARTS = 12  # most clips with a chart


class Album:
    """Keeps what the page shows of a data set. Its pictures do not grow with the number of clips.

    Args:
        model: The name of the model.

    Attributes:
        crops: The crops of all clips with the largest errors.
        worst: The clip of the lowest mean PSNR.
        psnr: By clip and by name ("input", the model's), the PSNR of each frame.
    """

    def __init__(self, model: str) -> None:
        self.model = model
        self.crops: list[Crop] = []
        self.worst: Watch | None = None
        self.psnr: dict[str, dict[str, list[float]]] = {}

    def watch(self, clip: str, total: int) -> Watch:
        """Begin a clip."""
        return Watch(clip, (self.model, CLEAN), total)

    def keep(self, watch: Watch) -> None:
        """End a clip."""
        self.psnr[watch.clip] = watch.numbers["psnr"]
        self.crops = strongest([*self.crops, *watch.crops])
        if self.worst is None or self._mean(watch.clip) < self._mean(self.worst.clip):
            self.worst = watch

    def lowest(self) -> list[str]:
        """The :data:`CHARTS` clips of the lowest mean PSNR, in the order of the data set."""
        chosen = sorted(self.psnr, key=self._mean)[:CHARTS]
        return [clip for clip in self.psnr if clip in chosen]

    def _mean(self, clip: str) -> float:
        values = self.psnr[clip][self.model]
        return sum(values) / len(values)


def show(
    watch: Watch, frame: int, rule: Protocol, degraded: np.ndarray, picture: np.ndarray, truth: np.ndarray
) -> None:
    """Let a watch see a scored frame.

    Args:
        watch: Of the frame's clip.
        frame: The number of the frame.
        rule: The protocol.
        degraded: (H, W, 3) uint8, as it was read.
        picture: The model's, (h, w, 3) uint8, cropped by the protocol.
        truth: The clean one, the same.
    """
    model = watch.compared[0]
    height, width = (side + 2 * rule.crop for side in truth.shape[:2])
    enlarged = degraded.shape[:2] != (height, width)
    if enlarged:
        degraded = cv2.resize(degraded, (width, height), interpolation=cv2.INTER_CUBIC)
    before = rule.cropped(degraded)
    watch.add(frame, {INPUT: before, model: picture, CLEAN: truth})
    scores = {} if enlarged else {INPUT: rule.psnr(before, truth)}
    watch.note("psnr", {**scores, model: rule.psnr(picture, truth)})


def evaluation_page(report: Report, album: Album) -> str:
    """The page as HTML. Its tables are those of :meth:`Report.table`."""
    assert album.worst is not None  # noqa: S101 - a data set has a clip
    heading, *rest = report.table().renderables
    scores = [table(part) if isinstance(part, Table) else text(part) for part in rest]
    return page(
        f"{report.model} on {report.dataset}",
        text(heading, "lead"),
        [
            before_after(album.worst),
            section("Scores", *scores),
            _psnr(report, album),
            largest_differences(
                "Where the errors are largest",
                f"Parts of frames in which {report.model} is farthest from the clean frame: the root of the mean "
                "square of the difference in luma, of 255 levels.",
                album.crops,
            ),
            *profiles(album.worst),
            how_it_was_made(text(f"Protocol: {report.protocol}.")),
        ],
    )


def _psnr(report: Report, album: Album) -> str:
    rule, model = report.protocol, album.model
    words = f"PSNR {rule.color.split(' and ')[0]}, protocol {rule.name}. "
    if all(len(numbers[model]) == 1 for numbers in album.psnr.values()):
        names = next(iter(album.psnr.values()))
        every = {name: [numbers[name][0] for numbers in album.psnr.values()] for name in names}
        charts = [over_frames("All pictures, in the order of the scores", every, "dB", across="picture")]
    else:
        shown = album.lowest()
        charts = [over_frames(clip, album.psnr[clip], "dB", start=rule.drop_first) for clip in shown]
        words += f"The {len(shown)} clips with the lowest mean. " if len(shown) < len(album.psnr) else ""
    equal = sum(math.isinf(value) for numbers in album.psnr.values() for value in numbers[model])
    words += f"{count(equal, 'frame')} without any error: no finite PSNR." if equal else ""
    return section("PSNR per frame", text(words), side_by_side(charts))
