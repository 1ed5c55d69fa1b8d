"""The commands that make degraded clips and check data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from restill.cli.help import PlainCommand, PlainGroup, epilog
from restill.cli.options import Codec, Crf, DatasetOptions, Overwrite, Quiet

data_app = typer.Typer(
    cls=PlainGroup,
    help="Show the layout of a data set, check a download, and make a validation set.",
    no_args_is_help=True,
)

_Clean = Annotated[Path, typer.Argument(metavar="IN", help="A video, a folder of frames or a picture.")]
_Output = Annotated[
    Path,
    typer.Option("-o", "--output", metavar="OUT", help="The file or folder to write; its extension sets the format."),
]


def rain(
    clean: _Clean,
    output: _Output,
    strength: Annotated[
        str, typer.Option(help="drizzle, light, moderate, heavy, storm, curtain or random.")
    ] = "moderate",
    wind: Annotated[
        float | None, typer.Option(metavar="SPEED", help="Wind in m/s; a negative value blows to the left.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed gives the same rain.")] = 0,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a setting: --set exposure=0.02.")
    ] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Render rain onto a clean video: drops in three dimensions, wind and mist.

    Sound and frame times are kept.
    """
    from restill.degradations import parse_values
    from restill.degradations.rain import rain_frames
    from restill.degradations.rain_settings import named_rain
    from restill.progress import track
    from restill.video import probe, transcode

    settings = named_rain(strength, parse_values(changes or []), seed, wind)
    info = probe(clean)
    fps = float(info.fps or 25)
    with track(clean.name, info.frames, "frames", quiet=quiet) as advance:
        transcode(
            clean,
            output,
            lambda frames: rain_frames(frames, settings, seed, fps),
            overwrite=overwrite,
            on_frame=advance,
        )


def degrade(
    clean: _Clean,
    output: _Output,
    kind: Annotated[str, typer.Option(help="noise, blur or downsample; use 'restill rain' for rain.")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change a setting: --set sigma=25, or '--set sigma=[5,50]'."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed gives the same noise.")] = 0,
    crf: Crf = None,
    codec: Codec = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Add noise or blur to a clean video, or make it smaller. See docs/degradations.md.

    Sound and frame times are kept.
    """
    from restill.degradations import degrade_frames, make_degradation, parse_values
    from restill.progress import track
    from restill.video import EncodeSettings, probe, transcode

    chosen = make_degradation(kind, **parse_values(changes or []))
    with track(clean.name, probe(clean).expected_frames, "frames", quiet=quiet) as advance:
        transcode(
            clean,
            output,
            lambda frames: degrade_frames(frames, chosen, seed),
            EncodeSettings(crf=crf, codec=codec),
            overwrite=overwrite,
            on_frame=advance,
        )


@data_app.command("layout", cls=PlainCommand, epilog=epilog("layout"))
def data_layout(name: Annotated[str, typer.Argument(help="A data set of docs/datasets.md, such as gopro.")]) -> None:
    """Print the folder layout, the splits and the options of a data set."""
    from restill.datasets.check import described

    typer.echo(described(name))


@data_app.command("make", cls=PlainCommand, epilog=epilog("make"))
def data_make(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The set to make: foreign, foreign-rendered or foreign-pictures.")
    ],
    clean: Annotated[Path, typer.Option(metavar="DIR", help="The folder of clean clips.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="The folder to write.")],
    layers: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder of rain layers; not for foreign-rendered.")
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(metavar="DIR", help="For foreign-pictures: the folder of clean photographs.")
    ] = None,
    static: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="For foreign: the folder of real rain before a static camera, to add it."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed gives the same rain.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Make a validation set from your copies of its parts. See docs/datasets.md."""
    from restill.datasets.making import make

    parts = {"layers": layers, "photos": photos, "static": static}
    typer.echo(f"{output}: {make(name, clean, output, parts, seed, quiet=quiet)}")


@data_app.command("check", cls=PlainCommand, epilog=epilog("check"))
def data_check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The data set's folder.")],
    dataset: Annotated[str, typer.Option(help="A data set of docs/datasets.md, such as gopro.")],
    split: Annotated[str | None, typer.Option(help="The splits to check, separated by commas; all by default.")] = None,
    changes: DatasetOptions = None,
    quiet: Quiet = False,
) -> None:
    """Read every picture of a data set once, and report what is missing, broken or of the wrong size.

    If anything is wrong, the exit status is 1.
    """
    from restill.datasets import parse_options
    from restill.datasets.check import check

    splits = None if split is None else split.split(",")
    checked = check(dataset, folder, splits, parse_options(changes or []), quiet=quiet)
    for each in checked:
        typer.echo(str(each))
    if any(each.problems for each in checked):
        raise typer.Exit(1)


@data_app.command("harvest", cls=PlainCommand, epilog=epilog("harvest"))
def data_harvest(
    videos: Annotated[
        list[Path], typer.Argument(metavar="VIDEO...", help="Videos of real rain, recorded by a static camera.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="The folder of layers.")],
) -> None:
    """Take the rain out of videos of a static camera, as layers to train with (data.weather.layers).

    Writes DIR/NAME/00001.png ... for each video: its rain on black.
    """
    from restill.datasets.rain_layers import harvest_file

    for video in videos:
        count = harvest_file(video, output)
        typer.echo(f"{output / video.stem}: {count} frames of rain on black")
