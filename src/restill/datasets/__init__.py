"""Datasets by name: one file per benchmark layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restill.registry import look_up

if TYPE_CHECKING:
    from restill.datasets.clips import ClipSource

DATASETS = {
    "clean-clips": "restill.datasets.clean_clips:CleanClips",
    "nturain": "restill.datasets.nturain:NTURain",
}


def dataset_class(name: str) -> Any:
    """The class behind a dataset's name.

    Raises:
        RestillError: There is no such dataset.
    """
    return look_up(DATASETS, "dataset", name)


def open_source(name: str, root: str | Path, clips: Sequence[str] | None = None, rain: Any = None) -> ClipSource:
    """A dataset's clips, to train on.

    Args:
        name: One of :data:`DATASETS`.
        root: Its folder.
        clips: Names of the clips to take; None for all.
        rain: A recipe's ``data.rain``: a preset's name or settings, for a dataset that renders its rain.

    Raises:
        RestillError: The dataset, the folder or a clip is not there.
    """
    cls = dataset_class(name)
    return cls.training_source(Path(root), clips, rain)
