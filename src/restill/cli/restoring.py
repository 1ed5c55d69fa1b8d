"""The commands that restore videos, list jobs and models, and measure speed."""

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
    MEASURED,
    OUTPUT,
    QUALITY,
    ROUNDS,
    SPEED,
    JsonFile,
    Quiet,
    RestoringOptions,
    Threads,
    takes,
)
from restill.cli.reports import check_folders, json_path, show
from restill.errors import RestillError
from restill.progress import count

_Inputs = Annotated[
    list[str],
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
    sources: _Inputs,
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
            help="A name of 'restill models', or a .onnx file that 'restill export' wrote.",
            rich_help_panel=QUALITY,
        ),
    ],
    options: RestoringOptions,
) -> None:
    """Restore videos, folders of frames or pictures with a model that you name.

    If a job is interrupted, run the same command again to resume it.
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
        say(f"skipped '{source}': {why}; to restore it, give it as the only input")
    sources = [source for source in sources if source not in passed]
    failed = []
    for source, target in outputs(sources, output, word):
        if options.fps is not None and not source.is_dir() and not holds_picture(source):
            say(f"note: --fps applies to folders of frames; '{source}' keeps its own frame times")
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
        raise RestillError(f"{len(failed)} of {len(sources)} inputs failed, for the reasons above: {names}")


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


def bench(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            help="Names of 'restill models', .onnx files, or networks (with random weights). By default one model of "
            "each network.",
        ),
    ] = None,
    sizes: Annotated[
        list[str] | None,
        typer.Option(
            "--size",
            metavar="WIDTHxHEIGHT",
            help="The size of a frame; repeat it for more. By default 640x480 and 1280x720.",
            rich_help_panel=MEASURED,
        ),
    ] = None,
    backends: Annotated[
        list[str] | None,
        typer.Option(
            "--backend", help="onnxruntime or openvino; repeat it for more. By default all.", rich_help_panel=MEASURED
        ),
    ] = None,
    precisions: Annotated[
        list[str] | None,
        typer.Option(
            "--precision", help="f32, bf16 or int8; repeat it for more. By default all.", rich_help_panel=MEASURED
        ),
    ] = None,
    sources: Annotated[
        list[str] | None,
        typer.Option(
            "--source",
            metavar="NAME",
            help="How the clip is encoded: camera (no B-frames, the default) or x264 (its defaults); repeat it for "
            "more.",
            rich_help_panel=MEASURED,
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="Compare speeds with this model; by default the first.", rich_help_panel=MEASURED
        ),
    ] = None,
    file: Annotated[
        bool,
        typer.Option(
            "--file/--no-file", help="Also measure reading, writing and file to file.", rich_help_panel=MEASURED
        ),
    ] = True,
    transcode: Annotated[
        bool,
        typer.Option(
            "--transcode",
            help="Also measure a plain transcode of each file, and the ratio to it.",
            rich_help_panel=MEASURED,
        ),
    ] = False,
    aligner: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="How motion is found: auto, source, search, or dis.", rich_help_panel=MEASURED
        ),
    ] = "auto",
    threads: Threads = None,
    frames: Annotated[int, typer.Option(metavar="N", help="Frames of the clip.", rich_help_panel=ROUNDS)] = 30,
    rounds: Annotated[
        int, typer.Option(metavar="N", help="Measure each case N times; the median counts.", rich_help_panel=ROUNDS)
    ] = 3,
    seconds: Annotated[
        float,
        typer.Option(
            metavar="N", help="Start no case after N seconds; at least one is measured.", rich_help_panel=ROUNDS
        ),
    ] = 300,
    json_file: JsonFile = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the tables as Markdown.", rich_help_panel=OUTPUT)
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Measure the speed of models on this machine, in total and by stage. See docs/performance.md."""
    from restill.bench import measure, plan
    from restill.bench.report import BY_A_SIGNAL, write

    check_folders(json_file, markdown)
    chosen = plan(
        models or (),
        sizes or (),
        backends or (),
        precisions or (),
        sources or (),
        against=against,
        threads=threads,
        frames=frames,
        rounds=rounds,
        seconds=seconds,
        file=file,
        transcode=transcode,
        aligner=aligner,
    )
    report = measure(chosen, quiet=quiet)
    show(report, report.text, json_file, wide=True)
    write(report, json_path(json_file), markdown)
    if report.stopped == BY_A_SIGNAL:
        raise typer.Exit(130)
