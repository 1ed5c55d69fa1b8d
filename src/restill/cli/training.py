"""The commands for training: networks, methods, train and reproduce."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from restill.cli.options import DATA, OUTPUT, TRAINING, JsonFile, Quiet
from restill.cli.reports import check_folders, json_path, show

_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def networks(
    size: Annotated[str, typer.Option(metavar="WIDTHxHEIGHT", help="Size of the input frame, pixels.")] = "128x128",
    convention: Annotated[
        str, typer.Option(help="What to count: all MACs (all), or what a paper counts (cstd, std, slkd, ssid).")
    ] = "all",
    task: Annotated[str | None, typer.Option(help="List only networks for this task, such as derain.")] = None,
    as_json: _AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List every network with its parameters and multiply-accumulates (MACs). See docs/protocols.md."""
    from restill.evaluation.report import complexity_table
    from restill.networks import complexity

    height_width = complexity.parse_size(size)
    rows = complexity.table(height_width, convention, task, quiet=quiet)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        console = Console()
        meaning = complexity.CONVENTIONS[convention].meaning
        console.print(complexity_table(rows, height_width, meaning, wide=console.width >= 100))


def methods(
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure the time of a step on this machine; this takes a minute or two.")
    ] = False,
    as_json: _AsJson = False,
) -> None:
    """List every distillation method: its paper, what it needs, and the time of a step relative to plain training."""
    from restill.distillation import METHODS, cost, method_class
    from restill.evaluation.report import methods_table
    from restill.progress import track

    if measure:
        with track("measuring", len(METHODS), "methods") as advance:
            costs = cost.measure(on_method=advance)
    else:
        costs = cost.recorded()
    rows = [
        {"name": name, "paper": cls.paper, "needs": cls.needs, "step": costs.ratios.get(name), "measured": str(costs)}
        for name in METHODS
        for cls in [method_class(name)]
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        Console().print(methods_table(rows, str(costs)))


def train(
    recipe: Annotated[
        Path, typer.Argument(help="A YAML file: the network, the data and the steps. See docs/training.md.")
    ],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Change a field: --set optimizer.lr=1e-4.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the newest checkpoint of this recipe.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start again from the beginning; an earlier run is deleted.")
    ] = False,
    allow_test_images: Annotated[
        bool, typer.Option("--allow-test-images", help="Allow known test pictures in training. See docs/datasets.md.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train a network, or distill a student from a teacher if the recipe names a method."""
    from restill.training.experiment import train as run

    result = run(
        recipe, overrides, resume=resume, overwrite=overwrite, allow_test_images=allow_test_images, quiet=quiet
    )
    if result.interrupted:
        again = " ".join(["restill train", str(recipe), *(f"--set {item}" for item in overrides or []), "--resume"])
        again += " --allow-test-images" if allow_test_images else ""
        typer.echo(
            f"stopped after {result.steps} steps and saved to {result.folder}; to continue, run: {again}", err=True
        )
        raise typer.Exit(130)
    if os.environ.get("RANK", "0") != "0":  # under torchrun only the first process prints
        return
    crops = "" if result.validation is None else f", {result.validation:.2f} dB RGB on the held-out crops"
    typer.echo(
        f"trained {result.steps} steps: loss {result.losses.get('total', float('nan')):.4g}{crops}; {result.folder}"
    )


def reproduce(
    name: Annotated[
        str | None, typer.Argument(metavar="TABLE", help="The name of a table; without it all tables are listed.")
    ] = None,
    rows: Annotated[
        str | None,
        typer.Option(metavar="LABELS", help="Only these rows, separated by commas.", rich_help_panel=DATA),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            metavar="NAME=DIR",
            help="The folder of a data set: --data nturain=DIR. Repeat it for more.",
            rich_help_panel=DATA,
        ),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(
            help="smoke (a quick check that all parts work), small (hours on two cores) or paper.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Train each row with each of these seeds: 1,2,3.", rich_help_panel=TRAINING)
    ] = None,
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The folder for runs and measurements.", rich_help_panel=OUTPUT)
    ] = Path("runs/tables"),
    evaluate_only: Annotated[
        bool, typer.Option("--evaluate-only", help="Train nothing.", rich_help_panel=TRAINING)
    ] = False,
    allow_test_images: Annotated[
        bool,
        typer.Option(
            "--allow-test-images",
            help="Also train on test pictures, as SSID-KD does. A footnote marks these rows.",
            rich_help_panel=TRAINING,
        ),
    ] = False,
    niqe_model: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The model of NIQE, for tables with NIQE.", rich_help_panel=DATA),
    ] = None,
    json_file: JsonFile = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the table as Markdown.", rich_help_panel=OUTPUT)
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw the table as SVG.", rich_help_panel=OUTPUT)
    ] = None,
    curves: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw the validation scores of the students over steps as SVG.", rich_help_panel=OUTPUT
        ),
    ] = None,
    all_tables: Annotated[bool, typer.Option("--list", help="List all tables.")] = False,
    quiet: Quiet = False,
) -> None:
    """Reproduce a results table of a paper: train what is missing, and show our numbers beside those of the paper."""
    from restill.tables.show import overview, parse_data, parse_labels, parse_seeds, write

    if all_tables or name is None:
        Console().print(overview())
        return
    from restill.tables import reproduce as run  # the list needs no PyTorch

    check_folders(json_file, markdown, picture, curves)
    result = run(
        name,
        parse_labels(rows),
        parse_data(data or []),
        scale=scale,
        seeds=parse_seeds(seeds),
        output=output,
        evaluate_only=evaluate_only,
        allow_test_images=allow_test_images,
        niqe_model=niqe_model,
        quiet=quiet,
    )
    show(result, result.text, json_file, wide=True)
    write(result, json_path(json_file), markdown, picture, curves)
    if result.stopped:
        raise typer.Exit(130)
