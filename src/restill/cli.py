"""Every command of ``restill``: a thin function that calls one function of the package."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from restill import __version__
from restill.errors import RestillError, need_extra

app = typer.Typer(
    name="restill",
    help="Rain out of a video, on a plain CPU; and the distillation that makes the small networks that do it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"restill {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    # --debug is read by main() from the arguments; it stands here so that --help shows it.
    pass


# --- journey 1: a clip is restored -------------------------------------------------------------------------------


# --- journey 2: a student is born --------------------------------------------------------------------------------

@app.command()
def networks(
    size: Annotated[str, typer.Option(help="Frame to count at, WIDTHxHEIGHT in pixels.")] = "128x128",
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects for machines.")] = False,
) -> None:
    """List every network with its parameters and multiply-accumulates."""
    from restill.evaluation import complexity
    from restill.evaluation.report import complexity_table

    height_width = complexity.parse_size(size)
    rows = complexity.table(height_width)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        Console().print(complexity_table(rows, height_width))


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="YAML file: what to train, on what, how long. See docs/training.md.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Change a field: --set optimizer.lr=1e-4.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint of this recipe.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew; an earlier run is lost.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Pre-train a network, or (where the recipe has a method) distil a student from a teacher."""
    from restill.training.loop import train as run

    result = run(recipe, overrides, resume=resume, overwrite=overwrite, quiet=quiet)
    if result.interrupted:
        again = " ".join(["restill train", str(recipe), *(f"--set {item}" for item in overrides or []), "--resume"])
        typer.echo(f"stopped after {result.steps} steps; all is saved in {result.folder}; go on with: {again}", err=True)
        raise typer.Exit(130)
    crops = "" if result.validation is None else f", {result.validation:.2f} dB RGB on the held-out crops"
    typer.echo(f"trained {result.steps} steps: loss {result.losses.get('total', float('nan')):.4g}{crops}; {result.folder}")


# Which extra brings a library that a command turned out to need.
_EXTRAS = {
    **dict.fromkeys(("torch", "accelerate", "safetensors", "yaml", "skimage", "onnx", "onnxscript", "tensorboard"), "train"),
    "openvino": "openvino",
}


def main() -> None:
    """Run the command line; a RestillError becomes one sentence and exit status 1."""
    debug = "--debug" in sys.argv
    # --debug may stand anywhere on the line
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        try:
            app(arguments, prog_name="restill")
        except ModuleNotFoundError as error:
            name = (error.name or "").partition(".")[0]
            if name not in _EXTRAS:
                raise
            raise need_extra(name, _EXTRAS[name], "this command") from error
    except RestillError as error:
        if debug:
            raise
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
