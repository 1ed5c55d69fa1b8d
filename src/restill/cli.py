"""Every command of ``restill``: a thin function that calls one function of the package."""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from restill import __version__
from restill.errors import RestillError, need_extra

if TYPE_CHECKING:
    from restill.evaluation import Report, Scores

app = typer.Typer(
    name="restill",
    help="Rain out of a video, on a plain CPU; and the distillation that makes the small networks that do it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"restill {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    # --debug is read by main() from the arguments; it stands here so that --help shows it.
    pass


# --- journey 1: a clip is restored -------------------------------------------------------------------------------

_Input = Annotated[Path, typer.Argument(metavar="IN", help="A video, a folder of frames, or a picture.")]
_Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="OUT", help="A video, a picture or a folder; beside IN if left out."),
]
_Crf = Annotated[int | None, typer.Option(help="Quality: lower is better and larger; 18 (h264) is close to IN.")]
_Preset = Annotated[str, typer.Option(help="Speed of the encoder, ultrafast to veryslow: slower makes smaller files.")]
_Codec = Annotated[str | None, typer.Option(help="h264, hevc, vp9, av1, prores or ffv1; by default what suits OUT.")]
_Fps = Annotated[str, typer.Option(help="Frames a second, when IN is a folder and OUT a video: 25 or 30000/1001.")]
_Compare = Annotated[str | None, typer.Option(help="Show before and after: side (by side) or split (half and half).")]
_Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.")]
_Backend = Annotated[
    str, typer.Option(help="onnxruntime, openvino, or auto: for 500 frames or more the fastest here, by a short trial.")
]
_Precision = Annotated[
    str | None, typer.Option(help="f32, bf16, int8, or auto: of those that are safe for the model, the fastest.")
]
_Threads = Annotated[int | None, typer.Option(help="Threads of the network; by default those of the machine.")]
_Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]


@app.command()
def derain(
    source: _Input,
    output: _Output = None,
    model: Annotated[str | None, typer.Option(help="Another student for rain, or a .onnx file.")] = None,
    crf: _Crf = None,
    preset: _Preset = "veryfast",
    codec: _Codec = None,
    fps: _Fps = "25",
    compare: _Compare = None,
    overwrite: _Overwrite = False,
    backend: _Backend = "auto",
    precision: _Precision = None,
    threads: _Threads = None,
    quiet: _Quiet = False,
) -> None:
    """Take the rain out of a video, a folder of frames or a picture."""
    encoding = {"crf": crf, "preset": preset, "codec": codec, "fps": fps}
    running = {"compare": compare, "overwrite": overwrite, "backend": backend, "threads": threads, "quiet": quiet}
    running["precision"] = precision
    _restore("derained", source, output, model, encoding, running)


@app.command()
def restore(
    source: _Input,
    model: Annotated[str, typer.Option(help="A name of 'restill models', or a .onnx file of 'restill export'.")],
    output: _Output = None,
    crf: _Crf = None,
    preset: _Preset = "veryfast",
    codec: _Codec = None,
    fps: _Fps = "25",
    compare: _Compare = None,
    overwrite: _Overwrite = False,
    backend: _Backend = "auto",
    precision: _Precision = None,
    threads: _Threads = None,
    quiet: _Quiet = False,
) -> None:
    """Restore a video, a folder of frames or a picture with any student."""
    encoding = {"crf": crf, "preset": preset, "codec": codec, "fps": fps}
    running = {"compare": compare, "overwrite": overwrite, "backend": backend, "threads": threads, "quiet": quiet}
    running["precision"] = precision
    _restore("restored", source, output, model, encoding, running)


def _restore(
    word: str, source: Path, output: Path | None, model: str | None, encoding: dict[str, Any], running: dict[str, Any]
) -> None:
    from restill.restore import default_output
    from restill.restore import restore as run
    from restill.video import EncodeSettings

    warnings.showwarning = lambda message, *_, **__: typer.echo(f"note: {message}", err=True)
    output = output or default_output(source, word)
    done = run(source, output, model, settings=EncodeSettings(**encoding), **running)
    typer.echo(f"{done.frames} frames in {done.seconds:.1f} s, {done.fps:.1f} fps: {done.output}")


@app.command()
def models(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="All that is known about one student.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the cards as a list of objects for machines.")] = False,
) -> None:
    """List the students that come with Restill."""
    from restill import zoo
    from restill.zoo.show import details, overview

    cards = [zoo.card(name)] if name else zoo.cards()
    if as_json:
        typer.echo(json.dumps([card.model_dump() for card in cards], indent=2))
    else:
        Console(soft_wrap=not cards).print(details(cards[0]) if name else overview(cards))


@app.command()
def bench(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL", help="Names of 'restill models' and .onnx files; all students if left out."),
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
    threads: _Threads = None,
    frames: Annotated[int, typer.Option(help="Frames of a pass, kept in memory.")] = 30,
    rounds: Annotated[int, typer.Option(help="How often each case has its turn; the median counts.")] = 3,
    seconds: Annotated[float, typer.Option(help="No round begins that would end after so many; one is done.")] = 300,
    file: Annotated[bool, typer.Option(help="Measure reading, writing and file to file too.")] = True,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write the numbers for machines; - for the screen.")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the tables as Markdown.")] = None,
    quiet: _Quiet = False,
) -> None:
    """Measure how fast students are on this machine, whole and stage by stage. See docs/performance.md."""
    from restill.bench import measure, plan
    from restill.bench.report import write

    for target in (json_file, markdown):
        _check_json(None if target is None else str(target))
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
    if json_file == "-":
        typer.echo(json.dumps(report.as_dict(), indent=2))
    else:
        Console(width=max(Console().width, 150)).print(report.text())  # no number is cut off
    write(report, Path(json_file) if json_file not in (None, "-") else None, markdown)


@app.command()
def rain(
    clean: Annotated[Path, typer.Argument(help="A video file, a folder of frames or a picture.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the rainy one goes; its suffix says as what.")],
    strength: Annotated[
        str, typer.Option(help="drizzle, light, moderate, heavy, storm, curtain, random.")
    ] = "moderate",
    wind: Annotated[float | None, typer.Option(help="Wind, m/s; negative blows to the left.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same rain.")] = 0,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a setting: --set exposure=0.02.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Let it rain on a clean video: drops in three dimensions, wind, mist; sound and times are kept."""
    from restill.degradations import parse_values
    from restill.degradations.rain import rain_frames
    from restill.degradations.rain_settings import named_rain
    from restill.progress import track
    from restill.video import probe, transcode

    settings = named_rain(strength, parse_values(changes or []), seed, wind)
    info = probe(clean)
    fps = float(info.fps or 25)
    with track(clean.name, info.frames, "frames", quiet=quiet) as advance:
        transcode(
            clean,
            output,
            lambda frames: rain_frames(frames, settings, seed, fps),
            overwrite=overwrite,
            on_frame=advance,
        )


@app.command()
def degrade(
    clean: Annotated[Path, typer.Argument(help="A video file, a folder of frames or a picture.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the result goes; its suffix says as what.")],
    kind: Annotated[str, typer.Option(help="noise, blur or downsample; 'restill rain' is for rain.")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change a setting: --set sigma=25, or '--set sigma=[5,50]'."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same noise.")] = 0,
    crf: _Crf = None,
    codec: _Codec = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Make a clean video noisy, blurred or small; sound and times are kept. See docs/degradations.md."""
    from restill.degradations import degrade_frames, make_degradation, parse_values
    from restill.progress import track
    from restill.video import EncodeSettings, probe, transcode

    chosen = make_degradation(kind, **parse_values(changes or []))
    with track(clean.name, probe(clean).expected_frames, "frames", quiet=quiet) as advance:
        transcode(
            clean,
            output,
            lambda frames: degrade_frames(frames, chosen, seed),
            EncodeSettings(crf=crf, codec=codec),
            overwrite=overwrite,
            on_frame=advance,
        )


# --- journey 2: a student is born --------------------------------------------------------------------------------


@app.command()
def networks(
    size: Annotated[str, typer.Option(help="Input frame to count at, WIDTHxHEIGHT in pixels.")] = "128x128",
    convention: Annotated[
        str, typer.Option(help="What counts: all (MACs alone), or as a paper does: cstd, std, slkd, ssid.")
    ] = "all",
    task: Annotated[str | None, typer.Option(help="Only networks for this task, such as derain.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects for machines.")] = False,
    quiet: _Quiet = False,
) -> None:
    """List every network with its parameters and multiply-accumulates (MACs). See docs/protocols.md."""
    from restill.evaluation import complexity
    from restill.evaluation.report import complexity_table

    height_width = complexity.parse_size(size)
    rows = complexity.table(height_width, convention, task, quiet=quiet)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        console = Console()
        meaning = complexity.CONVENTIONS[convention].meaning
        console.print(complexity_table(rows, height_width, meaning, wide=console.width >= 100))


@app.command()
def methods(
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure what a step costs on this machine; takes a minute or two.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects for machines.")] = False,
) -> None:
    """List every distillation method: its paper, what it needs, what a step costs beside plain training."""
    from restill.distillation import METHODS, cost, method_class
    from restill.evaluation.report import methods_table
    from restill.progress import track

    if measure:
        with track("measuring", len(METHODS), "methods") as advance:
            costs = cost.measure(on_method=advance)
    else:
        costs = cost.recorded()
    rows = [
        {"name": name, "paper": cls.paper, "needs": cls.needs, "step": costs.ratios.get(name), "measured": str(costs)}
        for name in METHODS
        for cls in [method_class(name)]
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        Console().print(methods_table(rows, str(costs)))


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="YAML file: what to train, on what, how long. See docs/training.md.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Change a field: --set optimizer.lr=1e-4.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint of this recipe.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew; an earlier run is lost.")] = False,
    allow_test_images: Annotated[
        bool, typer.Option("--allow-test-images", help="Train even on known test pictures. See docs/datasets.md.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Pre-train a network, or (where the recipe has a method) distil a student from a teacher."""
    from restill.training.experiment import train as run

    result = run(
        recipe, overrides, resume=resume, overwrite=overwrite, allow_test_images=allow_test_images, quiet=quiet
    )
    if result.interrupted:
        again = " ".join(["restill train", str(recipe), *(f"--set {item}" for item in overrides or []), "--resume"])
        again += " --allow-test-images" if allow_test_images else ""
        typer.echo(
            f"stopped after {result.steps} steps; all is saved in {result.folder}; go on with: {again}", err=True
        )
        raise typer.Exit(130)
    if os.environ.get("RANK", "0") != "0":  # torchrun: the first process speaks for all
        return
    crops = "" if result.validation is None else f", {result.validation:.2f} dB RGB on the held-out crops"
    typer.echo(
        f"trained {result.steps} steps: loss {result.losses.get('total', float('nan')):.4g}{crops}; {result.folder}"
    )


data_app = typer.Typer(help="Look at a data set: its layout, and whether a download is whole.", no_args_is_help=True)
app.add_typer(data_app, name="data")
_SetOptions = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="OPTION=VALUE", help="An option of the data set: --set order=rainy-first."),
]


@data_app.command("layout")
def data_layout(name: Annotated[str, typer.Argument(help="A data set of docs/datasets.md, such as gopro.")]) -> None:
    """Print how the files of a data set should lie, its splits and its options."""
    from restill.datasets.check import described

    typer.echo(described(name))


@data_app.command("check")
def data_check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The data set's folder.")],
    dataset: Annotated[str, typer.Option(help="A data set of docs/datasets.md, such as gopro.")],
    split: Annotated[str | None, typer.Option(help="Which parts, with commas between; all by default.")] = None,
    changes: _SetOptions = None,
    quiet: _Quiet = False,
) -> None:
    """Read every picture of a data set once: what is missing, broken or of the wrong size ends it with status 1."""
    from restill.datasets import parse_options
    from restill.datasets.check import check

    splits = None if split is None else split.split(",")
    checked = check(dataset, folder, splits, parse_options(changes or []), quiet=quiet)
    for each in checked:
        typer.echo(str(each))
    if any(each.problems for each in checked):
        raise typer.Exit(1)


@app.command()
def evaluate(
    model: Annotated[
        str, typer.Argument(help="A name of the zoo, an .onnx file, a checkpoint, or none: the degraded input itself.")
    ],
    data: Annotated[Path, typer.Option(help="The data set's folder.")],
    dataset: Annotated[
        str, typer.Option(help="nturain, rain200h, gopro, vid4 ... docs/datasets.md lists them.")
    ] = "nturain",
    split: Annotated[str, typer.Option(help="Which part of it: test or train.")] = "test",
    clips: Annotated[
        str | None, typer.Option(help="Names with commas between, or a text file with one per line; all by default.")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="A name of docs/protocols.md, such as cstd; by default the data set's own.")
    ] = None,
    backend: Annotated[str, typer.Option(help="onnxruntime or openvino.")] = "onnxruntime",
    precision: Annotated[str | None, typer.Option(help="f32, bf16 or int8; by default that of the file.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many frames of each clip.")] = None,
    temporal: Annotated[
        bool, typer.Option("--temporal", help="Measure flicker too: warping error, tOF, profile. See docs/temporal.md.")
    ] = False,
    profiles: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write each clip's temporal profile there, as DIR/CLIP.png.")
    ] = None,
    changes: _SetOptions = None,
    allow_test_images: Annotated[
        bool, typer.Option("--allow-test-images", help="Score a run even on pictures that it was trained on.")
    ] = False,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write the numbers for machines; - for the screen.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Score a model on clips whose clean frames are known: PSNR and SSIM under a named protocol."""
    from restill.datasets import parse_options
    from restill.evaluation import evaluate as run

    _check_json(json_file)
    names = None if clips is None else Path(clips) if Path(clips).is_file() else clips.split(",")
    report = run(
        model,
        dataset,
        data,
        split=split,
        clips=names,
        protocol=protocol,
        backend=backend,
        precision=precision,
        limit=limit,
        temporal=temporal,
        profiles=profiles,
        options=parse_options(changes or []),
        allow_test_images=allow_test_images,
        quiet=quiet,
    )
    _show(report, json_file)


@app.command()
def score(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Videos, folders of pictures, pictures.")],
    metric: Annotated[str, typer.Option(help="piqe, brisque, niqe, or several with commas between.")] = "piqe",
    brisque_model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="BRISQUE's model. See docs/no-reference.md.")
    ] = None,
    niqe_model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="NIQE's model. See docs/no-reference.md.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many frames of each clip.")] = None,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write the numbers for machines; - for the screen.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Score pictures and videos without a clean side: PIQE, BRISQUE and NIQE, lower is better."""
    from restill.evaluation import score as run

    _check_json(json_file)
    scores = run(paths, metric.split(","), brisque_model=brisque_model, niqe_model=niqe_model, limit=limit, quiet=quiet)
    _show(scores, json_file)


@app.command()
def inspect(
    clip: Annotated[Path, typer.Argument(help="What is restored: a video, a folder of frames or a picture.")],
    models: Annotated[
        list[str], typer.Option("--model", help="A name of the zoo, an .onnx file or a checkpoint; again for more.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="The folder to write.")],
    clean: Annotated[Path | None, typer.Option(help="The same clip without rain, for error maps.")] = None,
    frame: Annotated[int | None, typer.Option(metavar="N", help="Which frame, from 0; the middle one.")] = None,
    region: Annotated[str | None, typer.Option(metavar="X,Y,W,H", help="What is enlarged; the middle.")] = None,
    row: Annotated[int | None, typer.Option(help="Which row is shown over time; the middle of the region.")] = None,
    features: Annotated[
        list[str] | None,
        typer.Option("--feature", metavar="PATH", help="Where to look in the checkpoints, or one for each: body.1."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many frames.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what was written to FOLDER before.")] = False,
    quiet: _Quiet = False,
) -> None:
    """Write what papers show: crops, error maps, temporal profiles; features and attention of checkpoints."""
    from restill.evaluation.inspect import inspect as run

    page = run(
        clip,
        models,
        output,
        clean=clean,
        frame=frame,
        region=region,
        row=row,
        features=features or (),
        limit=limit,
        overwrite=overwrite,
        quiet=quiet,
    )
    typer.echo(f"written: {page}")


def _check_json(json_file: str | None) -> None:
    if json_file is not None and not Path(json_file).parent.is_dir():  # better known before an hour of work
        raise RestillError(f"{json_file}: cannot be written, its folder is not there; make it first")


def _show(report: Report | Scores, json_file: str | None) -> None:
    from restill.evaluation.as_json import write_json

    if json_file == "-":
        typer.echo(json.dumps(report.as_dict(), indent=2))
        return
    Console().print(report.table())
    if json_file is not None:
        write_json(Path(json_file), report.as_dict())


@app.command()
def export(
    checkpoint: Annotated[
        Path, typer.Argument(help="A student.safetensors, or the folder of the run that holds it; or min-median.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="The .onnx file to write.")],
    name: Annotated[str | None, typer.Option(help="The student's name; by default the one its recipe gave it.")] = None,
) -> None:
    """Write a trained student as one ONNX file, which runs without PyTorch."""
    from restill.training.export import export as run

    typer.echo(f"written: {run(checkpoint, output, name=name)}")


@app.command()
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
    quiet: _Quiet = False,
) -> None:
    """Write a student with 8-bit weights and activations, and say what that costs. See docs/quantizing.md."""
    from restill.training.quantize import quantize as run

    typer.echo(run(model, output, clips=clips, samples=samples, seed=seed, quiet=quiet))


@app.command()
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
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.")] = False,
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


@app.command()
def reproduce(
    name: Annotated[
        str | None, typer.Argument(metavar="[TABLE]", help="A table's name; all are listed if left out.")
    ] = None,
    rows: Annotated[str | None, typer.Option(help="Only these rows: their labels, with commas between.")] = None,
    data: Annotated[
        list[str] | None, typer.Option("--data", metavar="NAME=DIR", help="Where a data set is: --data nturain=DIR.")
    ] = None,
    scale: Annotated[
        str | None, typer.Option(help="smoke (only that all is wired), small (hours on two cores) or paper.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Train each row with each of these: 1,2,3.")] = None,
    output: Annotated[Path, typer.Option(help="Folder for runs and measurements.")] = Path("runs/tables"),
    evaluate_only: Annotated[bool, typer.Option("--evaluate-only", help="Train nothing.")] = False,
    niqe_model: Annotated[Path | None, typer.Option(metavar="FILE", help="NIQE's model, for tables of NIQE.")] = None,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write the numbers for machines; - for the screen.")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table as Markdown.")] = None,
    picture: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw the table as SVG.")] = None,
    curves: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the students' validation over steps as SVG.")
    ] = None,
    all_tables: Annotated[bool, typer.Option("--list", help="Show all tables.")] = False,
    quiet: _Quiet = False,
) -> None:
    """Run a results table of the papers: train what is missing, our numbers beside the paper's."""
    from restill.tables import reproduce as run
    from restill.tables.show import overview, parse_data, parse_labels, parse_seeds, write

    if all_tables or name is None:
        Console().print(overview())
        return
    for file in (json_file, markdown, picture, curves):
        _check_json(None if file is None else str(file))
    result = run(
        name,
        parse_labels(rows),
        parse_data(data or []),
        scale=scale,
        seeds=parse_seeds(seeds),
        output=output,
        evaluate_only=evaluate_only,
        niqe_model=niqe_model,
        quiet=quiet,
    )
    if json_file == "-":
        typer.echo(json.dumps(result.as_dict(), indent=2))
    else:
        Console(width=max(Console().width, 150)).print(result.text())  # no number is cut off
    write(result, Path(json_file) if json_file not in (None, "-") else None, markdown, picture, curves)
    if result.stopped:
        raise typer.Exit(130)


# Which extra brings a library that a command turned out to need.
_EXTRAS = {
    **dict.fromkeys(
        ["torch", "accelerate", "safetensors", "yaml", "skimage", "onnx", "onnxscript", "tensorboard"], "train"
    ),
    "openvino": "openvino",
}


def main() -> None:
    """Run the command line; a RestillError becomes one sentence and exit status 1."""
    debug = "--debug" in sys.argv
    # --debug may stand anywhere on the line
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        try:
            app(arguments, prog_name="restill")
        except ModuleNotFoundError as error:
            name = (error.name or "").partition(".")[0]
            if name not in _EXTRAS:
                raise
            raise need_extra(name, _EXTRAS[name], "this command") from error
    except RestillError as error:
        if debug:
            raise
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
