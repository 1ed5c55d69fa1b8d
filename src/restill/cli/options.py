"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from restill.video import EncodeSettings, Limits

# The panels of --help: those of derain and restore, and those of other commands.
FILES, QUALITY, SPEED, LIMITS, MANY = "Input and output", "Quality", "Speed", "Limits", "Many inputs"
DATA, OUTPUT, PICTURE, MEASURED, ROUNDS, TRAINING = (
    "Data",
    "Output",
    "Pictures",
    "What to measure",
    "Length",
    "Training",
)

Crf = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Quality: a lower number looks better and makes a larger file; 18 (h264) is close to IN."
    ),
]
Codec = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="h264, hevc, vp9, av1, prores or ffv1; by default the one that suits OUT."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
DatasetOptions = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="OPTION=VALUE", help="Set an option of the data set: --set order=rainy-first."),
]
JsonFile = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE", help="Write the numbers as JSON; - prints them.", rich_help_panel=OUTPUT),
]
Threads = Annotated[
    int | None,
    typer.Option(metavar="N", help="Threads of the network; by default all cores, at most 8.", rich_help_panel=SPEED),
]


@dataclass(frozen=True)
class ModelOptions:
    """The options about the model that ``derain``, ``restore`` and ``live`` share."""

    rotate: Annotated[
        int,
        typer.Option(
            metavar="DEGREES",
            help="Turn the frames clockwise by 90, 180 or 270, if the camera was mounted sideways: rain must fall down "
            "in them. The result is turned as well.",
            rich_help_panel=QUALITY,
        ),
    ] = 0
    aligner: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="How motion is found: source (the motion vectors of the input), search (by the x264 encoder), dis "
            "(optical flow), or auto: source where its vectors are right, else dis.",
            rich_help_panel=QUALITY,
        ),
    ] = "auto"
    strength: Annotated[
        float,
        typer.Option(
            metavar="N",
            help="How much is taken away: less with 0 (nothing) to 1, more up to 2 (all that is brighter than both "
            "neighbors; details too).",
            rich_help_panel=QUALITY,
        ),
    ] = 1.0
    guard: Annotated[
        bool,
        typer.Option(
            "--guard/--no-guard",
            help="Keep burnt-in text, such as a time stamp, unchanged.",
            rich_help_panel=QUALITY,
        ),
    ] = True
    backend: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="The library that runs the network: onnxruntime, openvino or auto. auto measures which is faster on "
            "this machine; for short clips it takes the one that usually is.",
            rich_help_panel=SPEED,
        ),
    ] = "auto"
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="f32, bf16, int8 or auto. auto takes the fastest that keeps the quality of the model.",
            rich_help_panel=SPEED,
        ),
    ] = None
    threads: Threads = None
    tile: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="Cut frames into tiles of this side to use less memory; 0 never cuts. By default only large frames "
            "are cut.",
            rich_help_panel=SPEED,
        ),
    ] = None

    def of_model(self) -> dict[str, Any]:
        """The values of these options by name."""
        return {field.name: getattr(self, field.name) for field in fields(ModelOptions)}


@dataclass(frozen=True)
class RestoringOptions(ModelOptions):
    """The options that ``derain`` and ``restore`` share."""

    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.", rich_help_panel=FILES)] = (
        False
    )
    fps: Annotated[
        str | None,
        typer.Option(
            metavar="RATE",
            help="Frames per second, if IN is a folder and OUT a video: 25 (the default) or 30000/1001, for example.",
            rich_help_panel=FILES,
        ),
    ] = None
    alone: Annotated[
        bool | None,
        typer.Option(
            "--pictures/--clip",
            help="Whether a folder holds photographs, which are restored one by one, or the frames of a clip. By "
            "default Restill looks at them: photographs differ in size or have nothing in common.",
            rich_help_panel=FILES,
        ),
    ] = None
    compare: Annotated[
        str | None,
        typer.Option(
            metavar="HOW",
            help="Show before and after in one video: side (side by side), split (left and right half) or stack "
            "(before above after).",
            rich_help_panel=FILES,
        ),
    ] = None
    preview: Annotated[
        str | None,
        typer.Option(
            metavar="MOMENT",
            help="Restore only a moment, to see what to expect: 3s@1:23 is 3 seconds from 1:23 on. It has no sound.",
            rich_help_panel=FILES,
        ),
    ] = None
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            "-q",
            help="Show no progress and no notes, only warnings, errors and the last line.",
            rich_help_panel=FILES,
        ),
    ] = False
    crf: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Quality of the encoder: a lower number looks better and makes a larger file; 18 (h264) is close "
            "to IN.",
            rich_help_panel=QUALITY,
        ),
    ] = None
    codec: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="h264, hevc, vp9, av1, prores or ffv1; by default the one that suits OUT.",
            rich_help_panel=QUALITY,
        ),
    ] = None
    pixel_format: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Color and bit depth of OUT: yuv420p plays everywhere; yuv422p, yuv444p and yuv420p10le keep more, "
            "but many players do not play them. By default a format that players decode; in a .mkv that of IN.",
            rich_help_panel=QUALITY,
        ),
    ] = None
    preset: Annotated[
        str,
        typer.Option(
            metavar="WORD",
            help="Speed of the encoder, from ultrafast to veryslow: a slower one makes smaller files.",
            rich_help_panel=SPEED,
        ),
    ] = "superfast"
    max_pixels: Annotated[
        int,
        typer.Option(metavar="N", help="Refuse frames with more pixels; 0 is no limit.", rich_help_panel=LIMITS),
    ] = 100_000_000
    max_frames: Annotated[
        int, typer.Option(metavar="N", help="Refuse an IN with more frames; 0 is no limit.", rich_help_panel=LIMITS)
    ] = 0
    max_seconds: Annotated[
        float, typer.Option(metavar="SECONDS", help="Refuse a longer IN; 0 is no limit.", rich_help_panel=LIMITS)
    ] = 0
    max_bytes: Annotated[
        int, typer.Option(metavar="N", help="Refuse a larger file; 0 is no limit.", rich_help_panel=LIMITS)
    ] = 0
    untrusted: Annotated[
        bool,
        typer.Option(
            "--untrusted",
            help="Read IN, which you do not trust, in a separate process with limited memory.",
            rich_help_panel=LIMITS,
        ),
    ] = False

    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Restore N inputs, or parts of long ones, at a time, each in its own process. See docs/archive.md.",
            rich_help_panel=MANY,
        ),
    ] = None
    manifest: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A CSV or Parquet file with the columns id and source, in place of IN; output is a third one, if you "
            "like.",
            rich_help_panel=MANY,
        ),
    ] = None
    results: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a row for each input to this .csv or .parquet file.",
            rich_help_panel=MANY,
        ),
    ] = None
    part: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Restore only part I of N, counted from 0, for one of N machines.",
            rich_help_panel=MANY,
        ),
    ] = None
    retries: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="More attempts at an input after a fault of the machine, such as a full disk.",
            rich_help_panel=MANY,
        ),
    ] = 2
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Use the Ray cluster at this address; local starts one on this machine.",
            rich_help_panel=MANY,
        ),
    ] = None

    @property
    def is_archive(self) -> bool:
        """Whether several processes or a record of the results are wanted."""
        return any(value is not None for value in (self.jobs, self.manifest, self.results, self.part, self.cluster))

    def settings(self) -> EncodeSettings:
        """How the output is encoded."""
        from restill.video import EncodeSettings

        rate = EncodeSettings.fps if self.fps is None else self.fps
        return EncodeSettings(
            codec=self.codec, crf=self.crf, preset=self.preset, fps=rate, pixel_format=self.pixel_format
        )

    def limits(self) -> Limits:
        """The limits on the input."""
        from restill.video import Limits

        return Limits(
            self.max_pixels or None, self.max_frames or None, self.max_seconds or None, self.max_bytes or None
        )

    def running(self) -> dict[str, Any]:
        """The other arguments of :func:`restill.restore`, by name."""
        from restill.video.moment import parse_moment

        names = ("alone", "compare", "overwrite", "untrusted", "quiet")
        moment = None if self.preview is None else parse_moment(self.preview)
        return {"preview": moment, **{name: getattr(self, name) for name in names}, **self.of_model()}


def takes(group: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command every field of a dataclass as an option; the command gets them as one argument, ``options``.

    Args:
        group: A dataclass whose fields are annotated with :class:`typer.Option`.
    """
    hints = get_type_hints(group, include_extras=True)
    shared = [
        Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name])
        for field in fields(group)
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        whole = signature(command, eval_str=True)
        own = [parameter for parameter in whole.parameters.values() if parameter.name != "options"]

        @wraps(command)
        def called(**given: Any) -> None:
            options = group(**{parameter.name: given.pop(parameter.name) for parameter in shared})
            command(**given, options=options)

        parameters = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in own] + shared
        called.__signature__ = whole.replace(parameters=parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return called

    return decorate
