"""The commands that restore videos, and list jobs and models."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from restill.cli import ending
from restill.cli.options import (
    FILES,
    QUALITY,
    SPEED,
    RestoringOptions,
    takes,
)
from restill.errors import RestillError, TryAgain, is_machine_fault
from restill.progress import count
from restill.restoring.archive import store

_Inputs = Annotated[
    list[str] | None,
    typer.Argument(metavar="IN", help="One or more videos, folders of frames or pictures; - reads standard input."),
]
_Output = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="OUT",
        help="A video, a picture, or a folder for frames. With several IN, or with a slash at the end: the folder for "
        "the results. - writes frames (y4m) to standard output. By default the result is written beside IN.",
        rich_help_panel=FILES,
    ),
]


@takes(RestoringOptions)
def derain(
    sources: _Inputs = None,
    *,
    output: _Output = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Another model: a name of 'restill models', 'permissive' for commercial use, or a .onnx file. By "
            "default rill-m for clips and rill-p for pictures.",
            rich_help_panel=QUALITY,
        ),
    ] = None,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="Use the faster model for clips. It removes less of the rain.",
            rich_help_panel=SPEED,
        ),
    ] = False,
    options: RestoringOptions,
) -> None:
    """Remove rain from videos, folders of frames or pictures.

    If a job is interrupted, run the same command again to resume it.
    """
    _restore("derained", sources or [], output, model, options, fast=fast)


@takes(RestoringOptions)
def restore(
    sources: _Inputs = None,
    *,
    output: _Output = None,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="A name of 'restill models', or a .onnx file that 'restill export' wrote.",
            rich_help_panel=QUALITY,
        ),
    ],
    options: RestoringOptions,
) -> None:
    """Restore videos, folders of frames or pictures with a model that you name.

    If a job is interrupted, run the same command again to resume it.
    """
    _restore("restored", sources or [], output, model, options)


def _restore(
    word: str,
    given: list[str],
    output: str | None,
    model: str | None,
    options: RestoringOptions,
    *,
    fast: bool = False,
) -> None:
    warnings.showwarning = lambda message, *_, **__: typer.echo(f"note: {message}", err=True)
    if options.is_archive or store.is_url(output or "") or any(store.is_url(name) for name in given):
        from restill.cli.archive import restore_archive

        restore_archive(word, given, output, model, options, fast=fast)
        return
    if not given:
        raise RestillError("an input is missing: name a video, a folder of frames or a picture")

    from restill import zoo
    from restill.progress import say
    from restill.restoring.api import restore as run
    from restill.restoring.outputs import outputs, skipped
    from restill.video.picture_names import holds_picture
    from restill.video.pipe_names import STDIN, STDOUT
    from restill.zoo.show import licence_note

    settings, limits = options.settings(), options.limits()
    sources = [STDIN if name == "-" else Path(name) for name in given]
    passed = skipped(sources, output)
    for source, why in passed.items():
        say(f"skipped '{source}': {why}; to restore it, give it as the only input")
    sources = [source for source in sources if source not in passed]
    failed: dict[Path, RestillError] = {}
    running = options.running()
    for source, target in outputs(sources, output, word if options.preview is None else "preview"):
        if options.fps is not None and not source.is_dir() and not holds_picture(source):
            say(f"note: --fps applies to folders of frames; '{source}' keeps its own frame times")
        try:
            done = run(source, target, model, settings=settings, limits=limits, fast=fast, **running)
        except RestillError as error:
            if len(sources) == 1:
                raise
            ending.report(error)
            failed[source] = error
        else:
            frames = count(done.frames, "frame")
            line = f"{frames} in {done.seconds:.1f} s, {done.fps:.1f} fps: {done.output}"
            ending.tell(line, err=target == STDOUT)
    clips = "derain-fast" if fast else "derain"
    note = licence_note([model] if model else [zoo.default(clips), zoo.default("derain-picture")])
    if note and len(failed) < len(sources):
        say(note, quiet=options.quiet)
    if failed:
        names = ", ".join(f"'{source}'" for source in failed)
        kind = TryAgain if any(map(is_machine_fault, failed.values())) else RestillError
        raise kind(f"{len(failed)} of {len(sources)} inputs failed, for the reasons above: {names}")


def jobs(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FOLDER", help="The folders to search, with all below; by default this one."),
    ] = None,
    clear: Annotated[
        bool, typer.Option("--clear", help="Delete the jobs that are not running; they start from the beginning then.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List unfinished jobs, or delete them. To resume a job, run its command again."""
    from restill.video.unfinished import remove_job, unfinished_jobs

    for folder in folders or ():
        if not folder.is_dir():
            raise RestillError(f"'{folder}' is not a folder; give the folders of the outputs")
    found = unfinished_jobs(folders or [Path()])
    if as_json:
        kept = [{**vars(job), "output": str(job.output), "changed": job.changed.isoformat()} for job in found]
        typer.echo(json.dumps(kept, indent=2))
    for job in found if not as_json else ():
        state = "running now" if job.running else f"{job.bytes / 1e6:.1f} MB, last changed {job.changed:%Y-%m-%d %H:%M}"
        typer.echo(f"{job.output}: from '{job.source}', {count(job.parts, 'part')} done, {state}")
    if not found and not as_json:
        typer.echo("no unfinished jobs here")
    if clear:
        idle = [job for job in found if not job.running]
        for job in idle:
            remove_job(job)
        typer.echo(f"cleared {len(idle)} of {len(found)}", err=as_json)


def models(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Show all details of this model.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the cards as JSON.")] = False,
) -> None:
    """List the models that come with Restill."""
    from restill import zoo
    from restill.zoo.show import as_data, details, overview

    cards = [zoo.card(name)] if name else zoo.cards()
    if as_json:
        typer.echo(json.dumps([as_data(card) for card in cards], indent=2))
    else:
        Console(soft_wrap=not cards).print(details(cards[0]) if name else overview(cards))
