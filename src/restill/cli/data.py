"""What a student learns from and is measured on: clips made worse, and data sets looked over."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from restill.cli.options import Codec, Crf, DatasetOptions, Quiet

data_app = typer.Typer(help="Look at a data set: its layout, and whether a download is whole.", no_args_is_help=True)

_Clean = Annotated[Path, typer.Argument(help="A video file, a folder of frames or a picture.")]
_Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")]


def rain(
    clean: _Clean,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the rainy one goes; its suffix says as what.")],
    strength: Annotated[
        str, typer.Option(help="drizzle, light, moderate, heavy, storm, curtain, random.")
    ] = "moderate",
    wind: Annotated[float | None, typer.Option(help="Wind, m/s; negative blows to the left.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same rain.")] = 0,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a setting: --set exposure=0.02.")
    ] = None,
    overwrite: _Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Let it rain on a clean video: drops in three dimensions, wind, mist; sound and times are kept."""
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
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the result goes; its suffix says as what.")],
    kind: Annotated[str, typer.Option(help="noise, blur or downsample; 'restill rain' is for rain.")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change a setting: --set sigma=25, or '--set sigma=[5,50]'."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same noise.")] = 0,
    crf: Crf = None,
    codec: Codec = None,
    overwrite: _Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Make a clean video noisy, blurred or small; sound and times are kept. See docs/degradations.md."""
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


@data_app.command("layout")
def data_layout(name: Annotated[str, typer.Argument(help="A data set of docs/datasets.md, such as gopro.")]) -> None:
    """Print how the files of a data set should lie, its splits and its options."""
    from restill.datasets.check import described

    typer.echo(described(name))


@data_app.command("check")
def data_check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The data set's folder.")],
    dataset: Annotated[str, typer.Option(help="A data set of docs/datasets.md, such as gopro.")],
    split: Annotated[str | None, typer.Option(help="Which parts, with commas between; all by default.")] = None,
    changes: DatasetOptions = None,
    quiet: Quiet = False,
) -> None:
    """Read every picture of a data set once: what is missing, broken or of the wrong size ends it with status 1."""
    from restill.datasets import parse_options
    from restill.datasets.check import check

    splits = None if split is None else split.split(",")
    checked = check(dataset, folder, splits, parse_options(changes or []), quiet=quiet)
    for each in checked:
        typer.echo(str(each))
    if any(each.problems for each in checked):
        raise typer.Exit(1)
