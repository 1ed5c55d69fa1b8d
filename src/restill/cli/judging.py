"""The commands that measure quality: scores with and without clean frames, and pictures for comparison."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from restill.cli.options import DATA, OUTPUT, PICTURE, DatasetOptions, JsonFile, Overwrite, Quiet
from restill.cli.reports import check_folders, json_path, show

if TYPE_CHECKING:
    from restill.evaluation import Report, Scores

_Limit = Annotated[int | None, typer.Option(min=1, metavar="N", help="Use only the first N frames of each clip.")]


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            help="A name of 'restill models', a .onnx file, a checkpoint, or 'none' for the degraded input itself."
        ),
    ],
    data: Annotated[Path, typer.Option(metavar="DIR", help="The folder of the data set.", rich_help_panel=DATA)],
    dataset: Annotated[
        str,
        typer.Option(help="The data set: nturain, rain200h, gopro, ... See docs/datasets.md.", rich_help_panel=DATA),
    ] = "nturain",
    split: Annotated[str, typer.Option(help="The split: test or train.", rich_help_panel=DATA)] = "test",
    clips: Annotated[
        str | None,
        typer.Option(
            help="Names separated by commas, or a text file with one name per line; all by default.",
            rich_help_panel=DATA,
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="A name of docs/protocols.md, such as cstd; by default that of the data set."),
    ] = None,
    backend: Annotated[str, typer.Option(help="onnxruntime or openvino.")] = "onnxruntime",
    precision: Annotated[str | None, typer.Option(help="f32, bf16 or int8; by default that of the file.")] = None,
    limit: _Limit = None,
    temporal: Annotated[
        bool, typer.Option("--temporal", help="Also measure flicker: warping error and tOF. See docs/temporal.md.")
    ] = False,
    profiles: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write the temporal profile of each clip to DIR/CLIP.png.", rich_help_panel=OUTPUT
        ),
    ] = None,
    static: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Also measure rain left over in clips of a static camera. See docs/no-reference.md.",
            rich_help_panel=DATA,
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE",
            help="Write one HTML file to send: scores, PSNR per frame, pictures of the largest errors. See "
            "docs/reports.md.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    changes: DatasetOptions = None,
    allow_test_images: Annotated[
        bool, typer.Option("--allow-test-images", help="Score a run on pictures that it was trained on.")
    ] = False,
    json_file: JsonFile = None,
    quiet: Quiet = False,
) -> None:
    """Score a model on a data set with clean frames: PSNR and SSIM, by a named protocol."""
    from restill.datasets import parse_options
    from restill.evaluation import evaluate as run

    check_folders(json_file)
    names = None if clips is None else Path(clips) if Path(clips).is_file() else clips.split(",")
    report = run(
        model,
        dataset,
        data,
        split=split,
        clips=names,
        protocol=protocol,
        backend=backend,
        precision=precision,
        limit=limit,
        temporal=temporal,
        profiles=profiles,
        static=static,
        report=page,
        options=parse_options(changes or []),
        allow_test_images=allow_test_images,
        quiet=quiet,
    )
    _show(report, json_file)


def score(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Videos, folders of pictures, pictures.")],
    metric: Annotated[
        str, typer.Option(help="piqe, brisque, niqe, rain-left, detail-lost, or several separated by commas.")
    ] = "piqe",
    brisque_model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The model of BRISQUE. See docs/no-reference.md.")
    ] = None,
    niqe_model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The model of NIQE. See docs/no-reference.md.")
    ] = None,
    rainy: Annotated[
        Path | None,
        typer.Option(
            "--input", metavar="FILE", help="For rain-left and detail-lost: the rainy clip, of a static camera."
        ),
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(metavar="FILE", help="For the same: a picture, white where pixels count.")
    ] = None,
    limit: _Limit = None,
    json_file: JsonFile = None,
    quiet: Quiet = False,
) -> None:
    """Score pictures and videos without clean frames: PIQE, BRISQUE, NIQE and rain left over; lower is better."""
    from restill.evaluation import score as run

    check_folders(json_file)
    scores = run(
        paths,
        metric.split(","),
        brisque_model=brisque_model,
        niqe_model=niqe_model,
        rainy=rainy,
        mask=mask,
        limit=limit,
        quiet=quiet,
    )
    _show(scores, json_file)


def compare(
    clip: Annotated[Path, typer.Argument(metavar="IN", help="A video, a folder of frames or a picture to restore.")],
    models: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Names of 'restill models', .onnx files or checkpoints, separated by commas; 'none' is IN itself.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="OUT", help="The .html file to write; by default IN.compare.html beside IN."
        ),
    ] = None,
    clean: Annotated[Path | None, typer.Option(metavar="FILE", help="The same clip without rain, for PSNR.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Use only the first N frames.")] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Compare models on a clip: one HTML file to send, with pictures of where they differ most. See docs/reports.md."""
    from restill.evaluation.pages.compare import compare as run

    done = run(clip, models.split(","), output, clean=clean, limit=limit, overwrite=overwrite, quiet=quiet)
    Console().print(done.table())
    typer.echo(f"written: {done.page}")


def inspect(
    clip: Annotated[Path, typer.Argument(metavar="IN", help="A video, a folder of frames or a picture to restore.")],
    models: Annotated[
        list[str],
        typer.Option(
            "--model",
            help="A name of 'restill models', a .onnx file or a checkpoint. Repeat it for more.",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="The folder to write.")],
    clean: Annotated[
        Path | None, typer.Option(help="The same clip without rain, for error maps.", rich_help_panel=PICTURE)
    ] = None,
    frame: Annotated[
        int | None,
        typer.Option(metavar="N", help="The frame to show, from 0; by default the middle.", rich_help_panel=PICTURE),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(metavar="X,Y,W,H", help="The part to enlarge; by default the middle.", rich_help_panel=PICTURE),
    ] = None,
    row: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="The row to show over time; by default the middle of the region.",
            rich_help_panel=PICTURE,
        ),
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            "--feature",
            metavar="PATH",
            help="The layer of the checkpoints to show, such as body.1. Repeat it to give one for each.",
            rich_help_panel=PICTURE,
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Use only the first N frames.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result in FOLDER.")] = False,
    quiet: Quiet = False,
) -> None:
    """Write pictures as papers show them: crops, error maps, temporal profiles, features and attention."""
    from restill.evaluation.inspection.inspect import inspect as run

    page = run(
        clip,
        models,
        output,
        clean=clean,
        frame=frame,
        region=region,
        row=row,
        features=features or (),
        limit=limit,
        overwrite=overwrite,
        quiet=quiet,
    )
    typer.echo(f"written: {page}")


def _show(report: Report | Scores, json_file: str | None) -> None:
    from restill.evaluation.files import write_json

    show(report, report.table, json_file)
    path = json_path(json_file)
    if path is not None:
        write_json(path, report.as_dict())
