"""The command line: each command is a thin function that calls one function of the package."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from restill.cli import bench, data, ending, files, judging, live, restoring, training
from restill.cli.help import PlainCommand, PlainGroup, epilog
from restill.cli.web import web
from restill.errors import OutputClosed, RestillError, boundary, is_machine_fault
from restill.version import __version__

app = typer.Typer(
    name="restill",
    help="Remove rain from video on an ordinary CPU, and train small networks for it by knowledge distillation.",
    cls=PlainGroup,
    no_args_is_help=True,
    epilog=epilog(""),
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"restill {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    # main() reads --debug from the arguments. It is declared here so that --help shows it.
    pass


# In the order of --help.
for _command in (
    restoring.derain,
    restoring.restore,
    live.live,
    restoring.jobs,
    restoring.models,
    web,
    bench.bench,
    data.rain,
    data.degrade,
    training.networks,
    training.methods,
    training.train,
    judging.evaluate,
    judging.score,
    judging.compare,
    judging.inspect,
    files.export,
    files.quantize,
    files.convert,
    training.reproduce,
):
    app.command(cls=PlainCommand, epilog=epilog(_command.__name__))(_command)
app.add_typer(data.data_app, name="data")


def main() -> None:
    """Run the command line. Every error is printed as one sentence, and gives exit status 1 or 75."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: PTH123, SIM115 - the caller closed it
    ending.debug = "--debug" in sys.argv
    # --debug is accepted anywhere on the line.
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    status: int | str | None = 0
    try:
        with boundary(" ".join(["restill", *arguments[:1]])):
            try:
                app(arguments, prog_name="restill")
            except SystemExit as end:
                status = end.code
            ending.finish()
    except KeyboardInterrupt:
        status = 130
    except OutputClosed:
        status = ending.CLOSED_PIPE
    except RestillError as error:
        ending.report(error)
        status = ending.MACHINE_FAULT if is_machine_fault(error) else ending.INPUT_FAULT
    ending.leave(status)
