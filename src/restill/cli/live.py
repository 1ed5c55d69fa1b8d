"""The command for running cameras."""

from __future__ import annotations

from typing import Annotated

import typer

from restill.cli import ending
from restill.cli.options import FILES, LIMITS, QUALITY, SPEED, ModelOptions, takes


@takes(ModelOptions)
def live(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="The address of a camera: rtsp://, rtmp://, http://, udp://, srt:// and others; or /dev/video0.",
        ),
    ],
    *,
    to: Annotated[
        str,
        typer.Option(
            metavar="TARGET",
            help="An address (rtsp://, rtmp://, udp://, tcp://, http://), a file (.mp4, .mkv, .ts), - for standard "
            "output, or page: a page on this machine that shows the picture.",
            rich_help_panel=FILES,
        ),
    ],
    pipe_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="What - writes: mpegts (the default), nut, or y4m: raw frames without times and sound.",
            rich_help_panel=FILES,
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(metavar="N", help="The port of the page; 0 takes a free one.", rich_help_panel=FILES)
    ] = 8801,
    real_time: Annotated[
        bool,
        typer.Option(
            "--real-time",
            help="SOURCE is a recording, such as a file: play it at its own speed, and end with it.",
            rich_help_panel=FILES,
        ),
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the camera at the start too.", rich_help_panel=FILES)
    ] = False,
    sound: Annotated[bool, typer.Option("--sound/--no-sound", help="Pass the sound on.", rich_help_panel=FILES)] = True,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace TARGET if it is a file that exists.", rich_help_panel=FILES)
    ] = False,
    every: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="Seconds between status lines; 0 for none.", rich_help_panel=FILES),
    ] = 10.0,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A name of 'restill models', 'best', 'permissive', or a .onnx file; by default the fast rill-s.",
            rich_help_panel=QUALITY,
        ),
    ] = None,
    crf: Annotated[
        int,
        typer.Option(metavar="N", help="Quality of the encoder: a lower number looks better.", rich_help_panel=QUALITY),
    ] = 23,
    preset: Annotated[
        str,
        typer.Option(metavar="WORD", help="Speed of the encoder, ultrafast to veryslow.", rich_help_panel=SPEED),
    ] = "superfast",
    size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Work in this size, and write it: 720 (lines) or 1280x720. By default that of the camera.",
            rich_help_panel=SPEED,
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(metavar="N", help="Restore at most N frames a second.", rich_help_panel=SPEED),
    ] = None,
    delay: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="The longest delay: a later frame is dropped and counted. By default 1, or more if the camera sends "
            "few frames.",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(metavar="N", help="End after N seconds.", rich_help_panel=LIMITS)
    ] = None,
    options: ModelOptions,
) -> None:
    """Remove rain from a running camera. Ctrl-C ends it. See docs/live.md."""
    from restill.restoring.live.run import live as run
    from restill.restoring.live.settings import Live

    asked = Live(
        source,
        to,
        model,
        delay=delay,
        fps=fps,
        size=size,
        pipe_format=pipe_format,
        port=port,
        real_time=real_time,
        wait=wait,
        seconds=seconds,
        sound=sound,
        overwrite=overwrite,
        crf=crf,
        preset=preset,
        every=every,
        **options.of_model(),
    )
    ending.tell(str(run(asked)), err=True)
