"""Every command of ``restill``: a thin function that calls one function of the package."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from restill.cli import data, ending, files, judging, restoring, training
from restill.errors import OutputClosed, RestillError, boundary
from restill.version import __version__

EXITS = "Exit status: 0 done; 1 an input or the environment is wrong; 2 the command line is wrong; 130 interrupted."
app = typer.Typer(
    name="restill",
    help="Rain out of a video, on a plain CPU; and the distillation that makes the small networks that do it.",
    no_args_is_help=True,
    epilog=EXITS,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"restill {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", metavar="", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", "-V", metavar="", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    # --debug is read by main() from the arguments; it stands here so that --help shows it.
    pass


_EPILOGS = {
    restoring.derain: f"{restoring.DERAIN_EXAMPLES}\n\n{EXITS}",
    restoring.restore: f"{restoring.RESTORE_EXAMPLES}\n\n{EXITS}",
}
# In the order of --help.
for _command in (
    restoring.derain,
    restoring.restore,
    restoring.jobs,
    restoring.models,
    restoring.bench,
    data.rain,
    data.degrade,
    training.networks,
    training.methods,
    training.train,
    judging.evaluate,
    judging.score,
    judging.inspect,
    files.export,
    files.quantize,
    files.convert,
    training.reproduce,
):
    app.command(epilog=_EPILOGS.get(_command))(_command)
app.add_typer(data.data_app, name="data")


def main() -> None:
    """Run the command line; whatever goes wrong becomes one sentence and exit status 1."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: PTH123, SIM115 - it was closed before the start
    ending.debug = "--debug" in sys.argv
    # --debug may stand anywhere on the line
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
        status = 1
    ending.leave(status)
