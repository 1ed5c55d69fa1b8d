"""Data sets by name. Each benchmark layout has a file in ``benchmarks/``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restill.errors import RestillError
from restill.registry import look_up

if TYPE_CHECKING:
    from restill.datasets.clips import ClipSource
    from restill.datasets.paired import PairedSet
    from restill.degradations.degradation import Degradation

DATASETS = {
    "clean-clips": "restill.datasets.clean_clips:CleanClips",
    "clean-photos": "restill.datasets.clean_photos:CleanPhotos",
    "nturain": "restill.datasets.benchmarks.nturain:NTURain",
    "rain200h": "restill.datasets.benchmarks.rain_pictures:Rain200H",
    "rain200l": "restill.datasets.benchmarks.rain_pictures:Rain200L",
    "rain100h": "restill.datasets.benchmarks.rain_pictures:Rain100H",
    "rain100l": "restill.datasets.benchmarks.rain_pictures:Rain100L",
    "rain1200": "restill.datasets.benchmarks.rain_pictures:Rain1200",
    "rain1400": "restill.datasets.benchmarks.rain_pictures:Rain1400",
    "rain12": "restill.datasets.benchmarks.rain_pictures:Rain12",
    "coco350": "restill.datasets.benchmarks.rain_pictures:COCO350",
    "bdd150": "restill.datasets.benchmarks.rain_pictures:BDD150",
    "spa-data": "restill.datasets.benchmarks.spa:SPAData",
    "real275": "restill.datasets.benchmarks.real:Real275",
    "ivipc": "restill.datasets.benchmarks.real:IVIPC",
    "gopro": "restill.datasets.benchmarks.gopro:GoPro",
    "hide": "restill.datasets.benchmarks.gopro:HIDE",
    "sidd": "restill.datasets.benchmarks.sidd:SIDD",
    "vimeo90k": "restill.datasets.benchmarks.vimeo:Vimeo90K",
    "vid4": "restill.datasets.benchmarks.vid4:Vid4",
    "foreign": "restill.datasets.benchmarks.foreign:Foreign",
    "foreign-rendered": "restill.datasets.benchmarks.foreign:ForeignRendered",
    "foreign-pictures": "restill.datasets.benchmarks.foreign_pictures:ForeignPictures",
}
TO_TRAIN_ON = ("clean-clips", "clean-photos")  # the others are paired: they have degraded and clean frames


def dataset_class(name: str) -> Any:
    """Look up the class of a data set.

    Raises:
        RestillError: If there is no such data set.
    """
    return look_up(DATASETS, "dataset", name)


def paired_class(name: str) -> type[PairedSet]:
    """Look up the class of a paired data set. It has degraded frames, or always makes the same ones.

    Raises:
        RestillError: If there is no such data set, or it is only for training.
    """
    cls = dataset_class(name)
    if name in TO_TRAIN_ON:
        others = ", ".join(other for other in DATASETS if other not in TO_TRAIN_ON)
        raise RestillError(
            f"dataset '{name}' has no degraded frames of its own; data sets that have some are: {others}"
        )
    return cls


def open_paired(
    name: str,
    root: str | Path,
    split: str | None = None,
    clips: Sequence[str] | Path | None = None,
    options: dict[str, Any] | None = None,
) -> PairedSet:
    """Open one split of a paired data set.

    Args:
        name: One of :data:`DATASETS`.
        root: Its folder.
        split: The split; None for the one to evaluate on.
        clips: Names of the clips to take, or a text file of names; None for all.
        options: Options of the data set; :func:`options_of` lists them.

    Raises:
        RestillError: If the data set, the folder, a clip or an option is wrong.
    """
    cls = paired_class(name)
    return cls(root, split or cls.splits[0], clips, **_checked(name, options))


def options_of(name: str) -> dict[str, Any]:
    """The options of a data set with their defaults."""
    parameters = signature(dataset_class(name)).parameters.values()
    return {each.name: each.default for each in parameters if each.kind is Parameter.KEYWORD_ONLY}


def parse_options(items: Sequence[str]) -> dict[str, Any]:
    """Parse options of the command line: ``order=rainy-first``, ``scale=3``, ``all25=true``.

    Raises:
        RestillError: If a word has no equals sign. The data set checks names and values.
    """
    options: dict[str, Any] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals:
            raise RestillError(f"--set {item}: should be OPTION=VALUE, such as order=rainy-first")
        try:
            options[name] = json.loads(value)
        except json.JSONDecodeError:
            options[name] = value
    return options


def open_source(
    name: str,
    root: str | Path,
    clips: Sequence[str] | None = None,
    rain: Any = None,
    *,
    degradation: Degradation | None = None,
    split: str | None = None,
    options: dict[str, Any] | None = None,
    unpaired: bool = False,
) -> ClipSource:
    """Open a data set for training.

    Args:
        name: One of :data:`DATASETS`.
        root: Its folder.
        clips: Names of the clips to take; None for all.
        rain: A recipe's ``data.rain``: a preset's name or settings, for a data set that renders rain.
        degradation: A degradation other than rain, for a data set of clean frames.
        split: The split; None for the one to train on.
        options: Options of the data set; :func:`options_of` lists them.
        unpaired: Only the degraded side is needed.

    Raises:
        RestillError: If the data set, the folder or a clip does not exist.
    """
    cls = dataset_class(name)
    if name in TO_TRAIN_ON:
        if split is not None or options:
            raise RestillError(f"dataset '{name}' has no splits and no options; leave data.split and data.options out")
        return cls.training_source(Path(root), clips, rain, degradation)
    if degradation is not None:
        raise RestillError(
            f"data.degradation is for {' and '.join(TO_TRAIN_ON)}, which have only clean frames; not for {name}"
        )
    given = _checked(name, options)
    return cls.training_source(Path(root), clips, rain, split=split, unpaired=unpaired, **given)


def _checked(name: str, options: dict[str, Any] | None) -> dict[str, Any]:
    known = options_of(name)
    for option in options or {}:
        if option not in known:
            there = f"its options are: {', '.join(known)}" if known else "it has none"
            raise RestillError(f"dataset '{name}' has no option '{option}'; {there}")
    return options or {}
