"""From a recipe to a trained student: networks, method, data, then the loop."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, SequentialSampler, Subset

from restill.datasets import TO_TRAIN_ON, leaks, open_paired, open_source
from restill.datasets.clean_clips import find_clips
from restill.datasets.clips import ClipSamples, to_float
from restill.datasets.kept import Kept, SampleStore
from restill.datasets.unpaired import WithUnpaired
from restill.degradations import read_degradation
from restill.distillation import create_method
from restill.distillation.method import Method
from restill.distillation.windows import centre_targets
from restill.errors import RestillError
from restill.networks import NetworkSpec, create
from restill.networks.spynet import WEIGHTS, SPyNet, load_spynet, save_spynet, spynet_windows
from restill.progress import say, track
from restill.training.batches import Batch
from restill.training.budget import in_steps
from restill.training.checkpoint import load_network
from restill.training.contract import name_shared
from restill.training.feed import Feed
from restill.training.loop import TrainResult, check_run, fit
from restill.training.process import left_as_found, seed_all
from restill.training.recipe import DataPart, NetworkPart, Recipe, Run, load_recipe
from restill.training.recipe_data import ClipsPart, UnpairedPart
from restill.training.signals import ignore_signals

# fields of a recipe's data that do not change a sample; what the clips are, the stamps of their files say
NOT_IN_SAMPLES: Any = {
    **dict.fromkeys(("root", "clips", "held_out", "distinct", "workers", "cache", "damaged", "never", "aligner"), True),
    "unpaired": {"root": True},
}


@left_as_found()
def train(
    recipe: Recipe | str | Path,
    overrides: list[str] | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    allow_test_images: bool = False,
    quiet: bool = False,
) -> TrainResult:
    """Pre-train or distil a student.

    Args:
        recipe: A :class:`Recipe` or the path of one.
        overrides: ``a.b=c``, applied to a recipe that is read from a path.
        resume: Continue from the newest whole checkpoint in the run's folder; from the start if there is none.
        overwrite: Start anew although the run's folder holds an earlier run, which is lost.
        allow_test_images: Train even on pictures that are known as test pictures.
        quiet: No progress.

    Returns:
        The run's folder, how far it came, the last losses and the last validation PSNR.

    Raises:
        RestillError: Something in the recipe is wrong; or a run is there already; or a loss is not finite; or a test
            picture is among those to train on.
    """
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe, overrides)
    if recipe.data.damaged == "skip":
        recipe = recipe.model_copy(update={"data": _without_damaged(recipe.data, quiet)})
    recipe = in_steps(recipe)
    seed_all(recipe.seed)
    method, info = build(recipe)
    feed, aligner = feed_from(recipe.data, recipe, recipe.batch, method)
    note_pictures = no_test_pictures(recipe.data, allow=allow_test_images, quiet=quiet)

    def start(folder: Path) -> None:
        note_pictures(folder)
        if aligner is not None:
            save_spynet(aligner, folder / WEIGHTS)

    return fit(
        method,
        feed,
        recipe,
        info,
        recipe.folder,
        resume=resume,
        overwrite=overwrite,
        quiet=quiet,
        on_start=start,
    )


def build(recipe: Recipe) -> tuple[Method, dict[str, Any]]:
    """The method a recipe asks for, with its networks, and what the student's checkpoints say of themselves."""
    student, info = _network(recipe.student)
    teacher = _network(recipe.teacher)[0] if recipe.teacher else None
    specs: list[NetworkSpec] = [n.spec for n in (student, teacher) if n is not None]  # type: ignore[misc]
    context = max(max(s.frames_before, s.frames_after) for s in specs)
    method = create_method(
        recipe.method or "plain",
        teacher,
        student,
        context,
        teacher_feature=recipe.teacher_feature,
        student_feature=recipe.student_feature,
        student_head=recipe.student_head,
        **recipe.options,
    )
    name_shared(method)
    check_run(method, recipe, f"recipe {recipe.name}")
    return method, {**info, "align": recipe.data.align, "name": recipe.name}


def feed_from(data: DataPart, run: Run, batch: int, method: Method) -> tuple[Feed, SPyNet | None]:
    """The batches of a data set, as a recipe describes them, and SPyNet where it aligns them."""
    context = method.context
    aligner = load_spynet(data.aligner) if data.align == "spynet" and data.aligner else None

    def prepare(sample: Batch) -> Batch:
        return _aligned(aligner, to_float(sample), context)

    held_out = [prepare(sample) for sample in _held_out(data, run, context)]
    return Feed(
        lambda start, _: _loader(data, run, batch, context, start),
        prepare,
        partial(validate, method, held_out) if held_out else None,
    ), aligner


@torch.no_grad()
def validate(method: Method, batches: list[Batch], device: torch.device, *, teacher: bool = False) -> float:
    """Mean RGB PSNR (dB) of the student on fixed crops of held-out clips, outputs clamped, not rounded.

    Args:
        method: Owns the networks; it is on the device.
        batches: The crops.
        device: Where.
        teacher: Of the teacher instead, which has to be there.
    """
    network: Any = method.teacher if teacher else method.student
    shown = method.shown_to_teacher if teacher else method.shown
    network.eval()
    values = []
    for batch in batches:
        batch = {key: value.to(device) for key, value in batch.items()}
        clean = centre_targets(batch, method.context).flatten(0, 1)  # (L, C, sH, sW)
        pictures = network(shown(batch))[..., : clean.shape[-2], : clean.shape[-1]]
        error = (pictures.clamp(0, 1) - clean).square()
        values += [-10 * math.log10(max(float(mse), 1e-10)) for mse in error.mean(dim=(1, 2, 3))]
    network.train(not teacher)  # a teacher is always in eval mode
    return sum(values) / len(values)


def _network(part: NetworkPart) -> tuple[torch.nn.Module, dict[str, Any]]:
    if part.checkpoint is None:
        assert part.network is not None  # noqa: S101 - NetworkPart has checked it
        return create(part.network, **part.options), {"network": part.network, "options": part.options}
    network, info = load_network(part.checkpoint)
    if part.network not in (None, info["network"]):
        raise RestillError(
            f"{part.checkpoint}: holds network '{info['network']}', not '{part.network}' as the recipe says"
        )
    return network, {"network": info["network"], "options": info["options"]}


# --- samples ---------------------------------------------------------------------------------------------------------


def _samples(data: DataPart, clips: list[str] | None, length: int, seed: int, context: int, plain: bool) -> Any:
    def cut(source: Any, seed: int, crop: int, what: str) -> ClipSamples:
        return ClipSamples(
            source,
            length,
            seed,
            crop=crop,
            centres=data.centres,
            context=context,
            align="dis" if data.align == "dis" else "none",  # SPyNet's windows are made in the loop, on its device
            scale=(1.0, 1.0) if plain else data.scale,
            augment=data.augment and not plain,
            turns=data.turns and not plain,
            position="random" if plain else data.position,
            edges=data.edges,
            what=what,
        )

    def kept(samples: Any, *sources: Any) -> Any:
        if data.distinct is None:
            return samples
        stamps = [source.pictures(clip).stamp for source in sources for clip in range(len(source.names))]
        made_by = (data.model_dump(mode="json", exclude=NOT_IN_SAMPLES), seed, context, stamps)
        return Kept(samples, data.distinct, SampleStore(made_by) if data.cache else None)

    what = "held-out clips" if plain else "clips to train on"
    paired = cut(_source(data, clips, data.rain, dry=0.0 if plain else data.dry), seed, data.crop, what)
    if plain:
        return paired
    if data.unpaired is None:
        return kept(paired, paired.source)
    source = _unpaired(data.unpaired)
    crop = data.crop // paired.shrinks * getattr(source, "scale", 1)  # degraded frames of one size
    # a seed of its own: from the same clips it must not cut the same crops
    return kept(WithUnpaired(paired, cut(source, seed + 2, crop, "unpaired clips")), paired.source, source)


def _source(part: ClipsPart, clips: list[str] | None, rain: Any, *, unpaired: bool = False, dry: float = 0.0) -> Any:
    kind = read_degradation(part.degradation)
    source: Any = open_source(
        part.dataset,
        part.root,
        clips,
        rain,
        degradation=kind,
        split=part.split,
        options=part.options,
        unpaired=unpaired,
    )
    if dry:
        source.dry = dry
    if part.removes != "all":
        source.removes = part.removes
    return source


def _unpaired(part: UnpairedPart) -> Any:
    as_they_are = part.dataset in TO_TRAIN_ON and part.rain is None and part.degradation == "rain"
    return _source(part, part.clips, "none" if as_they_are else part.rain, unpaired=True)


def _training_clips(data: DataPart) -> list[str] | None:
    """Names of the clips to train on; None for all."""
    if not data.held_out:
        return data.clips
    names = data.clips or list(_source(data, None, data.rain).names)
    return [name for name in names if name not in data.held_out]


def no_test_pictures(data: DataPart, *, allow: bool = False, quiet: bool = False) -> Callable[[Path], None]:
    """Stop if a picture to train on is known as a test picture: see :mod:`restill.datasets.leaks`.

    Args:
        data: A recipe's ``data``.
        allow: Do not stop.
        quiet: No progress.

    Returns:
        Writes down in a run's folder what it is trained on; called in the first process alone.

    Raises:
        RestillError: Names the two files.
    """
    if os.environ.get("RANK", "0") != "0":  # torchrun: the first process looks for all
        return lambda folder: None
    train = [_source(data, _training_clips(data), data.rain)]
    if data.unpaired is not None:
        train.append(_unpaired(data.unpaired))
    test = [open_paired(part.dataset, part.root, part.split, None, part.options) for part in data.never]
    if not allow:
        leaks.refuse_test_pictures(train, test, quiet=quiet)
    codes = b"".join(code for source in train for code in leaks.digests(source, quiet=quiet))
    return lambda folder: leaks.write_trained_on(folder, codes)


def _without_damaged(data: DataPart, quiet: bool) -> DataPart:
    """The same without the clips that hold a picture that cannot be read; a line for each."""
    # clean clips are decoded as they are opened: one by one, by their names in the folder
    whole = None if data.dataset == "clean-clips" else _source(data, data.clips, data.rain)
    names, kept = list(data.clips or find_clips(data.root) if whole is None else whole.names), []
    with track("pictures that can be read", len(names), "clips", quiet=quiet) as advance:
        for clip, name in enumerate(names):
            try:
                pictures = whole.pictures(clip) if whole else _source(data, [name], data.rain).pictures(0)
                for _ in pictures.read():
                    pass
                kept.append(name)
            except RestillError as error:
                say(f"left out {name}: {error}")
            advance()
    if not kept:
        raise RestillError(f"{data.root}: every clip holds a picture that cannot be read")
    held_out = [name for name in data.held_out if name in kept]
    return data.model_copy(update={"clips": kept, "held_out": held_out})


def _loader(data: DataPart, run: Run, batch: int, context: int, start: int) -> DataLoader[Any]:
    dataset = _samples(data, _training_clips(data), run.steps * batch, run.seed, context, plain=False)
    rest = Subset(dataset, range(start * batch, len(dataset)))
    workers = data.workers
    cv2.setNumThreads(1)  # OpenCV's threads, if it has any by now, do not survive the fork: a worker would hang on them
    return DataLoader(
        rest,
        batch,
        sampler=SequentialSampler(rest),
        num_workers=workers,
        worker_init_fn=_worker if workers else None,
        prefetch_factor=4 if workers else None,
    )


def _worker(_: int) -> None:
    ignore_signals()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def first_sample(data: DataPart, run: Run, context: int) -> Tensor:
    """The degraded frames of a run's first sample, (1, T, 3, H, W), float32 in [0, 1]."""
    sample = _samples(data, _training_clips(data), 1, run.seed, context, plain=False)[0]
    return to_float(sample)["degraded"][None]


def _held_out(data: DataPart, run: Run, context: int) -> list[dict[str, Tensor]]:
    if not data.held_out:
        return []
    samples = _samples(data, data.held_out, run.validation.samples, run.seed + 1, context, plain=True)
    return [{key: value[None] for key, value in samples[i].items()} for i in range(len(samples))]


def _aligned(aligner: SPyNet | None, batch: Batch, context: int) -> Batch:
    """The batch, with ``windows`` (B, L, K, 3, H, W) where there is an aligner to make them."""
    if aligner is None:
        return batch
    aligner.to(batch["degraded"].device)
    return {**batch, "windows": spynet_windows(aligner, batch["degraded"], context)}
