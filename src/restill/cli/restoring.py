"""Journey 1, a clip is restored: by which student, and how fast."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from restill.cli import ending
from restill.cli.options import FILES, QUALITY, SPEED, JsonFile, Quiet, RestoringOptions, Threads, takes
from restill.cli.reports import check_folders, json_path, show
from restill.errors import RestillError
from restill.progress import count

_Inputs = Annotated[
    list[str],
    typer.Argument(metavar="IN...", help="Videos, folders of frames, or pictures; one or more. - reads a pipe."),
]
_Output = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="OUT",
        help="A video, a picture, or a folder for frames. For several IN, or with a slash at the end: the folder that "
        "the results go into. - writes frames (y4m) to a pipe. If left out, the result goes beside IN.",
        rich_help_panel=FILES,
    ),
]
DERAIN_EXAMPLES = """Examples:

  restill derain rainy.mp4              (writes rainy.derained.mp4)
  restill derain *.mp4 -o clean/        (several videos, into a folder)
  restill derain rainy.mp4 -o look.mp4 --compare split
  ffmpeg -i IN -f yuv4mpegpipe - | restill derain - -o - | ffmpeg -i - OUT"""
RESTORE_EXAMPLES = """Examples:

  restill restore clip.mp4 -o out.mp4 --model mine.onnx
  restill restore frames/ -o out.mkv --fps 30 --model rill-s"""


@takes(RestoringOptions)
def derain(
    sources: _Inputs,
    *,
    output: _Output = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Another student: a name of 'restill models', 'permissive' for use at work, or a .onnx file. By "
            "default rill-m for clips and rill-p for pictures.",
            rich_help_panel=QUALITY,
        ),
    ] = None,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            metavar="",
            help="Take the quick student for clips. It removes less of the rain.",
            rich_help_panel=SPEED,
        ),
    ] = False,
    options: RestoringOptions,
) -> None:
    """Remove rain from videos, folders of frames or pictures.

    If a job is interrupted, run the same command again to go on where it stopped.
    """
    _restore("derained", sources, output, model, options, fast=fast)


@takes(RestoringOptions)
def restore(
    sources: _Inputs,
    *,
    output: _Output = None,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="A name of 'restill models', or a .onnx file of 'restill export'.",
            rich_help_panel=QUALITY,
        ),
    ],
    options: RestoringOptions,
) -> None:
    """Restore videos, folders of frames or pictures with the student that you name.

    If a job is interrupted, run the same command again to go on where it stopped.
    """
    _restore("restored", sources, output, model, options)


def _restore(
    word: str,
    given: list[str],
    output: str | None,
    model: str | None,
    options: RestoringOptions,
    *,
    fast: bool = False,
) -> None:
    from restill import zoo
    from restill.progress import say
    from restill.restoring.api import restore as run
    from restill.restoring.outputs import outputs, skipped
    from restill.video.picture_names import holds_picture
    from restill.video.pipe_names import STDIN, STDOUT
    from restill.zoo.show import licence_note

    warnings.showwarning = lambda message, *_, **__: typer.echo(f"note: {message}", err=True)
    settings, limits = options.settings(), options.limits()
    sources = [STDIN if name == "-" else Path(name) for name in given]
    passed = skipped(sources, output)
    for source, why in passed.items():
        say(f"skipped '{source}': {why}; name it alone to restore it")
    sources = [source for source in sources if source not in passed]
    failed = []
    for source, target in outputs(sources, output, word):
        if options.fps is not None and not source.is_dir() and not holds_picture(source):
            say(f"note: --fps is for folders of frames; '{source}' keeps its own times")
        try:
            done = run(source, target, model, settings=settings, limits=limits, fast=fast, **options.running())
        except RestillError as error:
            if len(sources) == 1:
                raise
            ending.report(error)
            failed.append(source)
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
        raise RestillError(f"{len(failed)} of {len(sources)} could not be restored, for the reasons above: {names}")


def jobs(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="[FOLDER...]", help="Where outputs are, and below; here if left out.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove what they keep; they begin anew then.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects for machines.")] = False,
) -> None:
    """List what is left of jobs that were cut off, or clear it. The command that began a job goes on with it."""
    from restill.video import journal

    for folder in folders or ():
        if not folder.is_dir():
            raise RestillError(f"'{folder}' is no folder; give the folders in which outputs were to be made")
    found = journal.left(folders or [Path()])
    if as_json:
        kept = [{**vars(job), "output": str(job.output), "changed": job.changed.isoformat()} for job in found]
        typer.echo(json.dumps(kept, indent=2))
    for job in found if not as_json else ():
        state = "running now" if job.running else f"{job.bytes / 1e6:.1f} MB, last at {job.changed:%Y-%m-%d %H:%M}"
        typer.echo(f"{job.output}: of '{job.source}', {job.parts} parts done, {state}")
    if not found and not as_json:
        typer.echo("no unfinished jobs here")
    if clear:
        idle = [job for job in found if not job.running]
        for job in idle:
            journal.clear(job)
        typer.echo(f"cleared {len(idle)} of {len(found)}", err=as_json)


def models(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="All that is known about one student.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the cards as a list of objects for machines.")] = False,
) -> None:
    """List the students that come with Restill."""
    from restill import zoo
    from restill.zoo.show import as_data, details, overview

    cards = [zoo.card(name)] if name else zoo.cards()
    if as_json:
        typer.echo(json.dumps([as_data(card) for card in cards], indent=2))
    else:
        Console(soft_wrap=not cards).print(details(cards[0]) if name else overview(cards))


def bench(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL", help="Students, .onnx files, networks (random weights); all students if left out."
        ),
    ] = None,
    sizes: Annotated[
        list[str] | None,
        typer.Option("--size", metavar="WIDTHxHEIGHT", help="Again for more; 640x480 and 1280x720 if left out."),
    ] = None,
    backends: Annotated[
        list[str] | None, typer.Option("--backend", help="onnxruntime or openvino, again for more; by default all.")
    ] = None,
    precisions: Annotated[
        list[str] | None,
        typer.Option("--precision", help="f32, bf16, int8; again for more; all by default."),
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Whose speed is 1; by default the first.")
    ] = None,
    threads: Threads = None,
    frames: Annotated[int, typer.Option(help="Frames of a pass, kept in memory.")] = 30,
    rounds: Annotated[int, typer.Option(help="How often each case has its turn; the median counts.")] = 3,
    seconds: Annotated[float, typer.Option(help="No case begins after so many; one is always measured.")] = 300,
    file: Annotated[bool, typer.Option(help="Measure reading, writing and file to file too.")] = True,
    json_file: JsonFile = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the tables as Markdown.")] = None,
    quiet: Quiet = False,
) -> None:
    """Measure how fast students are on this machine, whole and stage by stage. See docs/performance.md."""
    from restill.bench import measure, plan
    from restill.bench.report import BY_A_SIGNAL, write

    check_folders(json_file, markdown)
    chosen = plan(
        models or (),
        sizes or (),
        backends or (),
        precisions or (),
        against=against,
        threads=threads,
        frames=frames,
        rounds=rounds,
        seconds=seconds,
        file=file,
    )
    report = measure(chosen, quiet=quiet)
    show(report, report.text, json_file, wide=True)
    write(report, json_path(json_file), markdown)
    if report.stopped == BY_A_SIGNAL:
        raise typer.Exit(130)
