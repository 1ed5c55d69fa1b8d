"""The samples of a recipe: which clips they come from, how they are cut, and where they are cached."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, SequentialSampler, Subset

from restill.datasets import TO_TRAIN_ON, leaks, open_paired, open_source
from restill.datasets.cached_samples import CachedSamples, SampleStore
from restill.datasets.clean_photos import find_photos
from restill.datasets.clips import ClipSamples, to_float
from restill.datasets.files import find_clips
from restill.datasets.moved_photos import MovedPhotos
from restill.datasets.rain_layers import FolderLayers
from restill.datasets.scenes import Scenes
from restill.datasets.unpaired import WithUnpaired
from restill.degradations import read_degradation
from restill.errors import RestillError
from restill.progress import say, track
from restill.training.recipe import DataPart, Run
from restill.training.recipe_data import ClipsPart, UnpairedPart
from restill.training.signals import ignore_signals
from restill.training.unlabeled_samples import Mixed, UnlabeledSamples, collate

# Fields of a recipe's data that do not change a sample. The stamps of the files identify the clips.
NOT_IN_SAMPLES: Any = {
    **dict.fromkeys(("root", "clips", "held_out", "distinct", "workers", "cache", "damaged", "never", "aligner"), True),
    "unpaired": {"root": True},
    "photos": {"root": True, "names": True},
    "weather": {"layers": True},
    "unlabeled": True,  # a stream with a cache of its own
}


def samples_of(data: DataPart, clips: list[str] | None, length: int, seed: int, context: int, plain: bool) -> Any:
    if plain:
        source = source_of(data, clips, data.rain)
        return cut(data, source, length, seed, data.crop, context, "held-out clips", plain=True)
    paired = cut(data, scenes(data, clips), length, seed, data.crop, context, "clips to train on")
    if data.unpaired is None:
        return cached(data, paired, seed, context, paired.source)
    source = unpaired_source(data.unpaired)
    crop = data.crop // paired.shrinks * getattr(source, "scale", 1)  # degraded frames of one size
    # another seed, so that the same clips do not give the same crops
    unpaired = cut(data, source, length, seed + 2, crop, context, "unpaired clips")
    return cached(data, WithUnpaired(paired, unpaired), seed, context, paired.source, source)


def cut(
    data: DataPart, source: Any, length: int, seed: int, crop: int, context: int, what: str, *, plain: bool = False
) -> ClipSamples:
    """Samples from a source, as a recipe's ``data`` says; with ``plain``, without augmentation."""
    return ClipSamples(
        source,
        length,
        seed,
        crop=crop,
        centres=data.centres,
        context=context,
        align="none" if data.align == "spynet" else data.align,  # the loop makes SPyNet's windows, on its device
        scale=(1.0, 1.0) if plain else data.scale,
        augment=data.augment and not plain,
        turns=data.turns and not plain,
        position="random" if plain else data.position,
        edges=data.edges,
        what=what,
    )


def cached(data: DataPart, samples: Any, seed: int, context: int, *sources: Any, extra: tuple[Any, ...] = ()) -> Any:
    """The samples with the cache that ``data`` asks for, if any; ``extra`` is what else decides them."""
    if data.distinct is None:
        return samples
    layers = layers_of(data)
    stamps = [source.pictures(clip).stamp for source in sources for clip in range(len(source.names))]
    stamps += layers.stamps() if layers else []
    made_by = (data.model_dump(mode="json", exclude=NOT_IN_SAMPLES), seed, context, stamps, *extra)
    return CachedSamples(samples, data.distinct, SampleStore(made_by) if data.cache else None)


def layers_of(data: DataPart) -> FolderLayers | None:
    """The layers of harvested rain, if there are any."""
    return FolderLayers(data.weather.layers) if data.weather and data.weather.layers else None


def source_of(part: ClipsPart, clips: list[str] | None, rain: Any, *, unpaired: bool = False, dry: float = 0.0) -> Any:
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


def scenes(data: DataPart, clips: list[str] | None, *, unpaired: bool = False) -> Any:
    """The source to train on: the clips, with the photographs, the weather and the things of the recipe."""
    source = source_of(data, clips, data.rain, unpaired=unpaired, dry=data.dry)
    if data.things:
        source.things = data.things
    if data.weather:
        source.weather = data.weather.raining(layers_of(data))
    if data.photos is None:
        return source
    names = data.photos.names or find_photos(data.photos.root)
    photos = MovedPhotos(data.photos.root, [name for name in names if name not in data.held_out])
    photos.things = data.things
    return Scenes(source, photos, data.photos.share)


def unpaired_source(part: UnpairedPart) -> Any:
    as_they_are = part.dataset in TO_TRAIN_ON and part.rain is None and part.degradation == "rain"
    return source_of(part, part.clips, "none" if as_they_are else part.rain, unpaired=True)


def training_clips(data: DataPart, *, unpaired: bool = False) -> list[str] | None:
    """Names of the clips to train on; None means all."""
    if not data.held_out:
        return data.clips
    names = data.clips or list(source_of(data, None, data.rain, unpaired=unpaired).names)
    return [name for name in names if name not in data.held_out]


def unlabeled_data(data: DataPart) -> DataPart:
    """The ``data`` of a recipe whose only clips are the unlabeled ones of this recipe."""
    part = data.unlabeled
    assert part is not None  # noqa: S101 - the callers have seen to it
    own: dict[str, Any] = {name: getattr(part, name) for name in (*ClipsPart.model_fields, "photos", "weather")}
    if part.as_they_are:
        own |= {"scale": (1.0, 1.0)} | ({"rain": "none"} if part.dataset in TO_TRAIN_ON else {})
    return data.model_copy(update=own | {"things": 0.0, "unpaired": None, "unlabeled": None})


def unlabeled_sources(data: DataPart) -> list[Any]:
    """The sources of unlabeled clips: none, one, or one and that of the rainy clips beside it."""
    if data.unlabeled is None:
        return []
    own, rainy = unlabeled_data(data), data.unlabeled.rainy
    sources = [scenes(own, training_clips(own, unpaired=True), unpaired=True)]
    return sources + ([open_source(own.dataset, rainy.root, rainy.clips, "none")] if rainy else [])


def with_unlabeled(data: DataPart, paired: Any, batch: int, seed: int, context: int) -> Mixed:
    """Mix the unlabeled samples of a recipe into the paired ones."""
    part, own = data.unlabeled, unlabeled_data(data)
    assert part is not None  # noqa: S101 - the caller has seen to it
    rows, size = part.rows(batch), paired[0]["degraded"].shape[-1]
    side = math.ceil(size / min(1.0, part.zoom[0]))  # what is shrunk has to be larger before
    sources = unlabeled_sources(data)
    streams = [
        cut(
            own if source is sources[0] else own.model_copy(update={"scale": (1.0, 1.0)}),
            source,
            len(paired),
            seed + 3 + place,  # other seeds, so that the same clips do not give the same crops
            side * getattr(source, "scale", 1),
            context,
            "unlabeled clips",
        )
        for place, source in enumerate(sources)
    ]
    share = part.rainy.share if part.rainy else 0.0
    samples = UnlabeledSamples(streams, [1 - share, share][: len(streams)], size, part.zoom, seed + 3)
    if data.distinct:  # so many that they come again when the paired ones do
        own = own.model_copy(update={"distinct": math.ceil(data.distinct * rows / (batch - rows))})
    return Mixed(paired, cached(own, samples, seed, context, *sources, extra=(part.zoom, share, size)), batch, rows)


def check_test_pictures(data: DataPart, *, allow: bool = False, quiet: bool = False) -> Callable[[Path], None]:
    """Stop if a training picture is a known test picture (see :mod:`restill.datasets.leaks`).

    Args:
        data: A recipe's ``data``.
        allow: Train anyway.
        quiet: Show no progress.

    Returns:
        A function that records the training pictures in a run's folder. Only the first process calls it.

    Raises:
        RestillError: A training picture is a test picture; the message names both files.
    """
    if os.environ.get("RANK", "0") != "0":  # with torchrun only the first process checks
        return lambda folder: None
    train = [scenes(data, training_clips(data))]
    if data.unpaired is not None:
        train.append(unpaired_source(data.unpaired))
    train += unlabeled_sources(data)
    test = [open_paired(part.dataset, part.root, part.split, None, part.options) for part in data.never]
    if not allow:
        leaks.refuse_test_pictures(train, test, quiet=quiet)
    codes = b"".join(code for source in train for code in leaks.digests(source, quiet=quiet))
    return lambda folder: leaks.write_trained_on(folder, codes)


def leave_out_damaged(data: DataPart, quiet: bool) -> DataPart:
    """Leave out clips with pictures that cannot be read, and print a line for each."""
    # opening clean clips decodes them, so they are opened one by one
    whole = None if data.dataset == "clean-clips" else source_of(data, data.clips, data.rain)
    names, readable = list(data.clips or find_clips(data.root) if whole is None else whole.names), []
    with track("pictures that can be read", len(names), "clips", quiet=quiet) as advance:
        for clip, name in enumerate(names):
            try:
                pictures = whole.pictures(clip) if whole else source_of(data, [name], data.rain).pictures(0)
                for _ in pictures.read():
                    pass
                readable.append(name)
            except RestillError as error:
                say(f"left out {name}: {error}")
            advance()
    if not readable:
        raise RestillError(f"{data.root}: every clip has a picture that cannot be read")
    held_out = [name for name in data.held_out if name in readable]
    return data.model_copy(update={"clips": readable, "held_out": held_out})


def loader(data: DataPart, run: Run, batch: int, context: int, start: int) -> DataLoader[Any]:
    dataset = samples_of(data, training_clips(data), run.steps * batch, run.seed, context, plain=False)
    if data.unlabeled:
        dataset = with_unlabeled(data, dataset, batch, run.seed, context)
    rest = Subset(dataset, range(start * batch, len(dataset)))
    workers = data.workers
    cv2.setNumThreads(1)  # OpenCV's threads do not survive a fork; workers would hang
    return DataLoader(
        rest,
        batch,
        sampler=SequentialSampler(rest),
        num_workers=workers,
        worker_init_fn=_worker if workers else None,
        prefetch_factor=4 if workers else None,
        collate_fn=collate if data.unlabeled else None,
    )


def _worker(_: int) -> None:
    ignore_signals()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def first_sample(data: DataPart, run: Run, context: int) -> Tensor:
    """The degraded frames of a run's first sample, (1, T, 3, H, W), float32 in [0, 1]."""
    sample = samples_of(data, training_clips(data), 1, run.seed, context, plain=False)[0]
    return to_float(sample)["degraded"][None]


def held_out_samples(data: DataPart, run: Run, context: int) -> list[dict[str, Tensor]]:
    if not data.held_out:
        return []
    samples = samples_of(data, data.held_out, run.validation.samples, run.seed + 1, context, plain=True)
    return [{key: value[None] for key, value in samples[i].items()} for i in range(len(samples))]
