"""Weights from one kind of file into another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from restill.cli.options import Overwrite, Quiet


def export(
    checkpoint: Annotated[
        Path, typer.Argument(help="A student.safetensors, or the folder of the run that holds it; or min-median.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="The .onnx file to write.")],
    name: Annotated[str | None, typer.Option(help="The student's name; by default the one its recipe gave it.")] = None,
) -> None:
    """Write a trained student as one ONNX file, which runs without PyTorch.

    For a network of your own: restill.export(module, "mine.onnx") in Python. See docs/own-network.md.
    """
    from restill.training.export import export as run

    typer.echo(f"written: {run(checkpoint, output, name=name)}")


def quantize(
    model: Annotated[str, typer.Argument(help="A student in float32: a .onnx file, or a name of 'restill models'.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT", help="The .onnx file; MODEL.int8.onnx beside MODEL if left out."),
    ] = None,
    clips: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Clean clips to render rain on; made-up textures if left out.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Windows to calibrate on.")] = 64,
    seed: Annotated[int, typer.Option(help="Same seed, same windows, same file.")] = 0,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="Keep the float file's inputs and outputs, so that plain ONNX Runtime runs it."),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Write a student with 8-bit weights and activations, and say what that costs. See docs/quantizing.md."""
    from restill.training.quantize import quantize as run

    typer.echo(run(model, output, clips=clips, samples=samples, seed=seed, plain=plain, quiet=quiet))


def convert(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="Weights: .pth, .pt, .ckpt or .safetensors.")],
    network: Annotated[str, typer.Option(help="Whose weights they are: a name of 'restill networks'.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT", help="The .safetensors file; NETWORK.safetensors beside FILE."),
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="The network's own: --set channels=24.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Where in FILE the weights are, if it holds several.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Read weights that others published (docs/converting.md lists whose), for evaluate, export and recipes.

    No code is run from FILE, and nothing is written unless every weight of the network is in it and none is left over.
    """
    from restill.training.convert import convert as run
    from restill.training.recipe import set_field

    options: dict[str, Any] = {}
    for change in changes or []:
        set_field(options, change)
    typer.echo(run(source, network, output, options=options, key=key, overwrite=overwrite))
