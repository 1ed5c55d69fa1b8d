"""Compare models on one clip, on a page to send. Frames are streamed, so memory use does not grow with the clip."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import tee
from pathlib import Path

import cv2
import numpy as np
from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from restill.errors import RestillError
from restill.evaluation.files import read_clip
from restill.evaluation.metrics.static_camera import Background, background
from restill.evaluation.models import NONE, check_clean_size, one_scale, open_model
from restill.evaluation.pages.sections import before_after, how_it_was_made, largest_differences, over_frames, profiles
from restill.evaluation.pages.watch import CLEAN, INPUT, Shown, Watch
from restill.evaluation.protocols import PROTOCOLS
from restill.evaluation.static_clips import MEANING as STATIC
from restill.html.page import check_page, page, section, write_page
from restill.html.parts import side_by_side, table, text
from restill.progress import count, track
from restill.runtime import Model, stream
from restill.video import probe

MOST_MODELS = 6  # a page stays below 10 MB
MOVES = 0.5  # a camera stands still if more than this share of the pixels does
RULE = PROTOCOLS["all-frames"]
RUN = "Each model ran at strength 1 and without the guard for burnt-in text, as restill evaluate runs it."
# By metric: its title, its unit, and how its numbers are written.
METRICS = {
    "psnr": ("PSNR RGB", "dB", ".2f"),
    "rain_left": ("rain left", "%", ".4f"),
    "detail_lost": ("detail lost", "%", ".4f"),
}


@dataclass(frozen=True)
class Comparison:
    """The result of :func:`compare`.

    Attributes:
        page: The page.
        models: By the name that was given, what the model is.
        numbers: By metric ("psnr", "rain_left", "detail_lost") and by name, the mean over all frames. A metric that the
            clip does not allow is missing.
    """

    page: Path
    models: dict[str, str]
    numbers: dict[str, dict[str, float]]

    def table(self) -> Table:
        """A row for the input and for each model."""
        result = Table(box=SIMPLE, pad_edge=False)
        result.add_column("clip", overflow="fold")
        for title, unit, _ in map(METRICS.__getitem__, self.numbers):
            result.add_column(f"{title} ({unit})", justify="right")
        result.add_column("what it is")
        for name, what in {INPUT: "", **self.models}.items():
            values = [format(by_name[name], METRICS[metric][2]) for metric, by_name in self.numbers.items()]
            result.add_row(Text(name), *values, Text(what))
        return result


def compare(
    clip: str | os.PathLike[str],
    models: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str] | None = None,
    *,
    clean: str | os.PathLike[str] | None = None,
    limit: int | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> Comparison:
    """Run models on a clip, and write a page of what they do to it: one HTML file.

    Args:
        clip: A degraded video, folder of frames or picture.
        models: Zoo names, ``.onnx`` files, checkpoints (a run's folder or a ``.safetensors`` file). "none" is the
            input: it is always shown, and with this name it is also one of those whose differences are looked for. With
            one model they are the differences from the input.
        output: The page to write; by default CLIP.compare.html beside the clip.
        clean: The clean clip with the same frames at the size of the models' output, for PSNR.
        limit: Read only this many frames from the start.
        overwrite: Replace the page if it exists.
        quiet: Show no progress.

    Returns:
        The page, and the numbers on it.

    Raises:
        RestillError: If a name, path, size or number is wrong; then nothing is written.
    """
    clip, clean = Path(clip), None if clean is None else Path(clean)
    output = clip.with_name(f"{clip.stem}.compare.html") if output is None else Path(output)
    check_page(output, overwrite)
    if limit is not None and limit < 1:
        raise RestillError(f"limit must be 1 frame or more, not {limit}")
    info = probe(clip)
    opened, compared = _open(models)
    scale = one_scale(opened.values())
    if clean is not None:
        check_clean_size(clean, scale * info.height, scale * info.width)
    total = info.expected_frames if limit is None else min(limit, info.expected_frames or limit)
    ground = _still(clip, total, limit, quiet) if scale == 1 else "the models enlarge the picture"
    watch = Watch(clip.name, compared, total)
    frames = 0
    with track(clip.name, total, "frames", quiet=quiet) as advance:
        for shown in _restored(clip, opened, clean, scale, limit):
            watch.add(frames, shown)
            _measure(watch, shown, ground)
            frames += 1
            advance()
    numbers = {
        metric: {name: float(np.mean(values)) for name, values in by_name.items()}
        for metric, by_name in watch.numbers.items()
    }
    done = Comparison(output, {name: _what(model) for name, model in opened.items()}, numbers)
    about = f"{info.width}x{info.height} pixels, {count(frames, 'frame')}{'' if limit is None else ' from the start'}."
    write_page(output, _page(done, watch, about, ground))
    return done


def _open(models: Sequence[str | os.PathLike[str]]) -> tuple[dict[str, Model], list[str]]:
    """The models by the names that were given, and the names of the pictures to compare."""
    names = list(dict.fromkeys(os.fspath(given) for given in models))
    if (number := len({*names} - {NONE})) > MOST_MODELS:
        raise RestillError(f"{number} models are named; a page shows {MOST_MODELS} at most")
    if clash := {INPUT, CLEAN} & {*names}:
        raise RestillError(f"a model named '{min(clash)}' cannot be told from the clip; give its path")
    opened = {name: model for name in names if (model := open_model(name)) is not None}
    if not opened:
        raise RestillError("no model is named; give a name of 'restill models', an .onnx file or a checkpoint")
    with_input = NONE in names or len(opened) == 1
    return opened, [*([INPUT] if with_input else []), *opened]


def _still(clip: Path, total: int | None, limit: int | None, quiet: bool) -> Background | str:
    """What stands still in the clip; or why rain left over cannot be measured."""
    with warnings.catch_warnings(), track(f"{clip.name}: what stands still", total, "frames", quiet=quiet) as advance:
        warnings.simplefilter("ignore")  # the page says it

        def frames() -> Iterator[np.ndarray]:
            for frame in read_clip(clip, limit):
                yield frame
                advance()

        try:
            ground = background(frames())
        except RestillError as error:
            return f"the clip {error}"
    share = ground.still.mean()
    return ground if share > MOVES else f"the camera moves: only {share:.0%} of the pixels stand still"


def _restored(
    clip: Path, models: dict[str, Model], clean: Path | None, scale: int, limit: int | None
) -> Iterator[Shown]:
    """The pictures of each frame: the input, each model's, the clean one. The clip is decoded once."""
    inputs, *sources = tee(read_clip(clip, limit), 1 + len(models))
    outputs = {
        name: stream(model, source, guard=False) for (name, model), source in zip(models.items(), sources, strict=True)
    }
    truths = iter(()) if clean is None else read_clip(clean, limit)
    wrong = RestillError(f"'{clean}' and '{clip}' differ in their number of frames; a clean clip must have the same")
    for frame in inputs:
        if scale > 1:
            frame = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        shown = {INPUT: frame, **{name: next(output) for name, output in outputs.items()}}
        if clean is not None:
            if (truth := next(truths, None)) is None:
                raise wrong
            shown[CLEAN] = truth
        yield shown
    if next(truths, None) is not None:
        raise wrong


def _measure(watch: Watch, shown: Shown, ground: Background | str) -> None:
    restored = {name: picture for name, picture in shown.items() if name != CLEAN}
    if CLEAN in shown:
        watch.note("psnr", {name: RULE.psnr(picture, shown[CLEAN]) for name, picture in restored.items()})
    if isinstance(ground, Background):
        watch.note("rain_left", {name: ground.rain_left(picture) for name, picture in restored.items()})
        watch.note("detail_lost", {name: ground.detail_lost(picture) for name, picture in restored.items()})


def _what(model: Model) -> str:
    info = model.info
    return f"{info.network}, {info.parameters:,} weights, {model.backend}, {model.precision}"


def _page(done: Comparison, watch: Watch, about: str, ground: Background | str) -> str:
    compared = ", ".join(watch.compared)
    return page(
        f"{watch.clip}: {', '.join(done.models)}",
        text(about, "lead"),
        [
            before_after(watch),
            section("Numbers", table(done.table()), *_numbers(watch, ground)),
            largest_differences(
                f"Where {compared} differ most",
                "The difference of a pixel is the largest luma of these minus the smallest, of 255 levels. The number "
                "is the root of its mean square over the part.",
                watch.crops,
            ),
            *profiles(watch),
            how_it_was_made(text(RUN)),
        ],
    )


def _numbers(watch: Watch, ground: Background | str) -> list[str]:
    """What the numbers mean, and a chart of each over the frames."""
    lines = [f"PSNR: protocol {RULE}."] if "psnr" in watch.numbers else []
    if isinstance(ground, str):
        lines.append(f"Rain left over and detail lost were not measured, because {ground}.")
    else:
        lines.append(
            f"Rain left and detail lost: {STATIC.partition(': ')[2]}; mean over frames. "
            f"{ground.still.mean():.0%} of the pixels stand still."
        )
    charts = [
        over_frames(title, by_name, unit, form)
        for metric, by_name in watch.numbers.items()
        for title, unit, form in [METRICS[metric]]
        if len(by_name[INPUT]) > 1
    ]
    return [*(text(line, "note") for line in lines), side_by_side(charts)]
