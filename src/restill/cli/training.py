"""Journey 2, a student is born: networks, methods, a training, and the tables of the papers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from restill.cli.options import JsonFile, Quiet
from restill.cli.reports import check_folders, json_path, show

_AsJson = Annotated[bool, typer.Option("--json", help="Print a list of objects for machines.")]


def networks(
    size: Annotated[str, typer.Option(help="Input frame to count at, WIDTHxHEIGHT in pixels.")] = "128x128",
    convention: Annotated[
        str, typer.Option(help="What counts: all (MACs alone), or as a paper does: cstd, std, slkd, ssid.")
    ] = "all",
    task: Annotated[str | None, typer.Option(help="Only networks for this task, such as derain.")] = None,
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
        bool, typer.Option("--measure", help="Measure what a step costs on this machine; takes a minute or two.")
    ] = False,
    as_json: _AsJson = False,
) -> None:
    """List every distillation method: its paper, what it needs, what a step costs beside plain training."""
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
    recipe: Annotated[Path, typer.Argument(help="YAML file: what to train, on what, how long. See docs/training.md.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Change a field: --set optimizer.lr=1e-4.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint of this recipe.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew; an earlier run is lost.")] = False,
    allow_test_images: Annotated[
        bool, typer.Option("--allow-test-images", help="Train even on known test pictures. See docs/datasets.md.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Pre-train a network, or (where the recipe has a method) distil a student from a teacher."""
    from restill.training.experiment import train as run

    result = run(
        recipe, overrides, resume=resume, overwrite=overwrite, allow_test_images=allow_test_images, quiet=quiet
    )
    if result.interrupted:
        again = " ".join(["restill train", str(recipe), *(f"--set {item}" for item in overrides or []), "--resume"])
        again += " --allow-test-images" if allow_test_images else ""
        typer.echo(
            f"stopped after {result.steps} steps; all is saved in {result.folder}; go on with: {again}", err=True
        )
        raise typer.Exit(130)
    if os.environ.get("RANK", "0") != "0":  # torchrun: the first process speaks for all
        return
    crops = "" if result.validation is None else f", {result.validation:.2f} dB RGB on the held-out crops"
    typer.echo(
        f"trained {result.steps} steps: loss {result.losses.get('total', float('nan')):.4g}{crops}; {result.folder}"
    )


def reproduce(
    name: Annotated[
        str | None, typer.Argument(metavar="[TABLE]", help="A table's name; all are listed if left out.")
    ] = None,
    rows: Annotated[str | None, typer.Option(help="Only these rows: their labels, with commas between.")] = None,
    data: Annotated[
        list[str] | None, typer.Option("--data", metavar="NAME=DIR", help="Where a data set is: --data nturain=DIR.")
    ] = None,
    scale: Annotated[
        str | None, typer.Option(help="smoke (only that all is wired), small (hours on two cores) or paper.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Train each row with each of these: 1,2,3.")] = None,
    output: Annotated[Path, typer.Option(help="Folder for runs and measurements.")] = Path("runs/tables"),
    evaluate_only: Annotated[bool, typer.Option("--evaluate-only", help="Train nothing.")] = False,
    allow_test_images: Annotated[
        bool,
        typer.Option("--allow-test-images", help="Train on test pictures too, as SSID-KD does. A footnote says where."),
    ] = False,
    niqe_model: Annotated[Path | None, typer.Option(metavar="FILE", help="NIQE's model, for tables of NIQE.")] = None,
    json_file: JsonFile = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table as Markdown.")] = None,
    picture: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw the table as SVG.")] = None,
    curves: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the students' validation over steps as SVG.")
    ] = None,
    all_tables: Annotated[bool, typer.Option("--list", help="Show all tables.")] = False,
    quiet: Quiet = False,
) -> None:
    """Run a results table of the papers: train what is missing, our numbers beside the paper's."""
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
