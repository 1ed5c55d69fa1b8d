"""The commands that convert weights: export, quantize and convert."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from restill.cli.options import Overwrite, Quiet


def export(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            help="A student.safetensors, or the folder of its run; or a .onnx file or a name of 'restill models'."
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="The .onnx file to write.")],
    name: Annotated[
        str | None, typer.Option(help="The name to store in the file; by default the name in its recipe.")
    ] = None,
    layout: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="window: for Restill. stacked: all planes on one axis, for VapourSynth. See docs/interop.md.",
        ),
    ] = "window",
) -> None:
    """Write a trained student as one ONNX file, which runs without PyTorch.

    To export a network of your own, call restill.export(module, "mine.onnx") in Python. See docs/own-network.md.
    """
    from restill.training.export import export as run

    typer.echo(f"written: {run(checkpoint, output, name=name, layout=layout)}")  # type: ignore[arg-type]


def quantize(
    model: Annotated[str, typer.Argument(help="A student in float32: a .onnx file, or a name of 'restill models'.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="OUT", help="The .onnx file to write; by default MODEL.int8.onnx beside MODEL."
        ),
    ] = None,
    clips: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Clean clips to render rain on; by default synthetic textures.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, metavar="N", help="Windows to calibrate on.")] = 64,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed gives the same windows and the same file.")] = 0,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="Keep the inputs and outputs of the float file, for use with ONNX Runtime alone."),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Write a student with 8-bit weights and activations, and print the loss of quality. See docs/quantizing.md."""
    from restill.training.quantize import quantize as run

    typer.echo(run(model, output, clips=clips, samples=samples, seed=seed, plain=plain, quiet=quiet))


def convert(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="Weights: .pth, .pt, .ckpt or .safetensors.")],
    network: Annotated[str, typer.Option(help="The network of these weights: a name of 'restill networks'.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT",
            help="The .safetensors file to write; by default NETWORK.safetensors beside FILE.",
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="Set an option of the network: --set channels=24."),
    ] = None,
    key: Annotated[str | None, typer.Option(help="The key of the weights in FILE, if it holds several.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Convert published weights for use with evaluate, export and recipes. See docs/converting.md.

    No code in FILE is run. The output is written only if FILE has every weight of the network and no others.
    """
    from restill.training.convert import convert as run
    from restill.training.recipe import set_field

    options: dict[str, Any] = {}
    for change in changes or []:
        set_field(options, change)
    typer.echo(run(source, network, output, options=options, key=key, overwrite=overwrite))
