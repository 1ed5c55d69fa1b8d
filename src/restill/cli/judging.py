"""How good models are: scores with and without a clean side, and pictures of what they do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restill.cli.options import DatasetOptions, JsonFile, Quiet
from restill.cli.reports import check_folders, json_path, show

if TYPE_CHECKING:
    from restill.evaluation import Report, Scores

_Limit = Annotated[int | None, typer.Option(min=1, help="Only the first so many frames of each clip.")]


def evaluate(
    model: Annotated[
        str, typer.Argument(help="A name of the zoo, an .onnx file, a checkpoint, or none: the degraded input itself.")
    ],
    data: Annotated[Path, typer.Option(help="The data set's folder.")],
    dataset: Annotated[
        str, typer.Option(help="nturain, rain200h, gopro, vid4 ... docs/datasets.md lists them.")
    ] = "nturain",
    split: Annotated[str, typer.Option(help="Which part of it: test or train.")] = "test",
    clips: Annotated[
        str | None, typer.Option(help="Names with commas between, or a text file with one per line; all by default.")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="A name of docs/protocols.md, such as cstd; by default the data set's own.")
    ] = None,
    backend: Annotated[str, typer.Option(help="onnxruntime or openvino.")] = "onnxruntime",
    precision: Annotated[str | None, typer.Option(help="f32, bf16 or int8; by default that of the file.")] = None,
    limit: _Limit = None,
    temporal: Annotated[
        bool, typer.Option("--temporal", help="Measure flicker too: warping error, tOF, profile. See docs/temporal.md.")
    ] = False,
    profiles: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write each clip's temporal profile there, as DIR/CLIP.png.")
    ] = None,
    changes: DatasetOptions = None,
    allow_test_images: Annotated[
        bool, typer.Option("--allow-test-images", help="Score a run even on pictures that it was trained on.")
    ] = False,
    json_file: JsonFile = None,
    quiet: Quiet = False,
) -> None:
    """Score a model on clips whose clean frames are known: PSNR and SSIM under a named protocol."""
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
        options=parse_options(changes or []),
        allow_test_images=allow_test_images,
        quiet=quiet,
    )
    _show(report, json_file)


def score(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Videos, folders of pictures, pictures.")],
    metric: Annotated[str, typer.Option(help="piqe, brisque, niqe, or several with commas between.")] = "piqe",
    brisque_model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="BRISQUE's model. See docs/no-reference.md.")
    ] = None,
    niqe_model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="NIQE's model. See docs/no-reference.md.")
    ] = None,
    limit: _Limit = None,
    json_file: JsonFile = None,
    quiet: Quiet = False,
) -> None:
    """Score pictures and videos without a clean side: PIQE, BRISQUE and NIQE, lower is better."""
    from restill.evaluation import score as run

    check_folders(json_file)
    scores = run(paths, metric.split(","), brisque_model=brisque_model, niqe_model=niqe_model, limit=limit, quiet=quiet)
    _show(scores, json_file)


def inspect(
    clip: Annotated[Path, typer.Argument(help="What is restored: a video, a folder of frames or a picture.")],
    models: Annotated[
        list[str], typer.Option("--model", help="A name of the zoo, an .onnx file or a checkpoint; again for more.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="The folder to write.")],
    clean: Annotated[Path | None, typer.Option(help="The same clip without rain, for error maps.")] = None,
    frame: Annotated[int | None, typer.Option(metavar="N", help="Which frame, from 0; the middle one.")] = None,
    region: Annotated[str | None, typer.Option(metavar="X,Y,W,H", help="What is enlarged; the middle.")] = None,
    row: Annotated[int | None, typer.Option(help="Which row is shown over time; the middle of the region.")] = None,
    features: Annotated[
        list[str] | None,
        typer.Option("--feature", metavar="PATH", help="Where to look in the checkpoints, or one for each: body.1."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many frames.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what was written to FOLDER before.")] = False,
    quiet: Quiet = False,
) -> None:
    """Write what papers show: crops, error maps, temporal profiles; features and attention of checkpoints."""
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
