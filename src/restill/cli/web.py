"""The command that serves the page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from restill.cli.options import FILES, LIMITS


def web(
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="The port; 0 takes any free one.")] = 8800,
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where uploads and results are kept; by default ~/restill-web.", rich_help_panel=FILES
        ),
    ] = None,
    runs: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A folder of training runs to follow in the page.", rich_help_panel=FILES),
    ] = None,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    max_upload: Annotated[
        float, typer.Option(metavar="GB", help="Refuse a larger file.", rich_help_panel=LIMITS)
    ] = 100,
    max_items: Annotated[
        int, typer.Option(metavar="N", help="Refuse more files at a time.", rich_help_panel=LIMITS)
    ] = 500,
    keep_free: Annotated[
        float, typer.Option(metavar="GB", help="Space on the disk that uploads leave free.", rich_help_panel=LIMITS)
    ] = 1,
) -> None:
    """Remove rain in the browser: a page on this machine, for this machine.

    Nothing leaves the machine, and only the address that is printed opens the page.
    """
    from restill.errors import need_extra

    try:
        from restill.web.app import Options
        from restill.web.server import serve
        from restill.web.uploads import WebLimits
    except ModuleNotFoundError as error:
        raise need_extra(str(error.name).partition(".")[0], "web", "restill web") from error
    limits = WebLimits(bytes=round(max_upload * 1e9), items=max_items, free=round(keep_free * 1e9))
    where = folder or Path.home() / "restill-web"
    serve(Options(where, port, runs, limits), open_page=open_page)
