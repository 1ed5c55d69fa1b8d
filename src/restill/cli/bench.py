"""The command that measures speed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from restill.cli.options import MEASURED, OUTPUT, ROUNDS, JsonFile, Quiet, Threads
from restill.cli.reports import check_folders, json_path, show


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
