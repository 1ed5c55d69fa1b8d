"""Options that commands of several files share."""

from __future__ import annotations

from typing import Annotated

import typer

Crf = Annotated[int | None, typer.Option(help="Quality: lower is better and larger; 18 (h264) is close to IN.")]
Codec = Annotated[str | None, typer.Option(help="h264, hevc, vp9, av1, prores or ffv1; by default what suits OUT.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.")]
MaxPixels = Annotated[int, typer.Option(help="Refuse IN with larger frames; 0 for no limit.")]
MaxFrames = Annotated[int, typer.Option(help="Refuse IN with more frames; 0 for no limit.")]
MaxSeconds = Annotated[float, typer.Option(help="Refuse a longer IN; 0 for no limit.")]
MaxBytes = Annotated[int, typer.Option(help="Refuse a larger file; 0 for no limit.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]
DatasetOptions = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="OPTION=VALUE", help="An option of the data set: --set order=rainy-first."),
]
JsonFile = Annotated[
    str | None, typer.Option("--json", metavar="FILE", help="Write the numbers for machines; - for the screen.")
]
