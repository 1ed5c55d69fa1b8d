"""Every command of ``restill``: a thin function that calls one function of the package."""

from __future__ import annotations

import json
import sys
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
    try:
        from restill.evaluation import complexity
    except ModuleNotFoundError as error:
        raise need_extra(error.name or "torch", "train", "restill networks") from error
    from restill.evaluation.report import complexity_table

    height_width = complexity.parse_size(size)
    rows = complexity.table(height_width)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        Console().print(complexity_table(rows, height_width))


def main() -> None:
    """Run the command line; a RestillError becomes one sentence and exit status 1."""
    debug = "--debug" in sys.argv
    # --debug may stand anywhere on the line
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(arguments, prog_name="restill")
    except RestillError as error:
        if debug:
            raise
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
