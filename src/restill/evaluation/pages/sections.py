"""The sections that the pages of ``restill compare`` and ``restill evaluate --report`` share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from restill.evaluation.pages.watch import INPUT, Crop, Watch
from restill.html.chart import chart
from restill.html.page import command_line, section
from restill.html.parts import code, pictures, slider, text

SHORTEST = 8  # frames of a temporal profile


def before_after(watch: Watch) -> str:
    """The whole frame with the largest difference."""
    where = f"frame {watch.frame} of {watch.clip}"
    after = {name: picture for name, picture in watch.whole.items() if name != INPUT}
    words = text(f"F{where[1:]} (the first is 0): the frame with the largest difference in one place.")
    return section("Before and after", words, slider((INPUT, watch.whole[INPUT]), after, where))


def largest_differences(title: str, words: str, crops: Sequence[Crop]) -> str:
    """The crops, each pixel as it is."""
    parts = []
    for crop in crops:
        x, y, w, h = crop.region
        where = f"frame {crop.frame} of {crop.clip}, {w}x{h} pixels at {x},{y}"
        parts += [f"<h3>F{where[1:]}: {crop.difference:.1f} levels</h3>", pictures(crop.pictures, where)]
    return section(title, text(words), *parts)


def profiles(watch: Watch) -> list[str]:
    """The temporal profiles, if there are enough frames."""
    shown = watch.profiles
    rows = len(next(iter(shown.values()), ()))
    if rows < SHORTEST:
        return []
    row = len(watch.whole[INPUT]) // 2
    where = f"row {row} of frames {watch.first_row} to {watch.first_row + rows - 1} of {watch.clip}"
    words = f"R{where[1:]}, the first frame on top. Still things are vertical lines; rain and flicker are dots."
    return [section("One row over time", text(words), pictures(shown, where, "strips", exact=False))]


def over_frames(
    title: str,
    numbers: Mapping[str, Sequence[float]],
    unit: str,
    form: str = ".2f",
    *,
    start: int = 0,
    across: str = "frame",
) -> str:
    """A chart of numbers that each picture has in every frame, from frame ``start`` on."""
    return chart(title, {name: list(enumerate(values, start)) for name, values in numbers.items()}, across, unit, form)


def how_it_was_made(*parts: str) -> str:
    """What else is needed to make these numbers again, and the command."""
    command = command_line()
    return section(
        "How this was made",
        *parts,
        text("The command:") if command else text("From Python."),
        code(command, "command") if command else "",
    )
