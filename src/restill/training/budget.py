"""Conversion of a recipe's epochs to optimizer steps."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from restill.datasets import TO_TRAIN_ON, dataset_class, open_source
from restill.training.recipe import Recipe
from restill.training.recipe_data import DataPart


def in_steps(recipe: Recipe) -> Recipe:
    """Convert the budget of a recipe to steps. One epoch has as many paired samples as the training set has frames.

    Args:
        recipe: A recipe with ``steps`` or ``epochs``.

    Returns:
        The recipe with ``steps``, its milestones also in steps. If the data are missing, the published size of the set
        is used; if that is unknown too, the recipe is returned unchanged.

    Raises:
        RestillError: The data exist but cannot be used.
    """
    frames = None if recipe.epochs is None else _frames(recipe.data)
    if recipe.epochs is None or frames is None:
        return recipe
    unlabeled = recipe.data.unlabeled.rows(recipe.batch) if recipe.data.unlabeled else 0
    epoch = frames / (recipe.batch - unlabeled)
    schedule = recipe.schedule.model_copy(
        update={"milestones": [round(epoch * milestone) for milestone in recipe.schedule.milestones]}
    )
    return recipe.model_copy(
        update={"epochs": None, "steps": max(1, round(epoch * recipe.epochs)), "schedule": schedule}
    )


def _frames(data: DataPart) -> int | None:
    """Number of frames to train on; None if unknown."""
    if not data.root.is_dir():
        published: dict[str, int] = getattr(dataset_class(data.dataset), "expected", {})
        return published.get(data.split or "train")
    clips = None if data.clips is None else tuple(data.clips)
    lengths = _lengths(data.dataset, data.root, clips, data.split, tuple(sorted(data.options.items())))
    return sum(length for name, length in lengths.items() if name not in data.held_out)


@lru_cache(maxsize=8)
def _lengths(
    dataset: str, root: Path, clips: tuple[str, ...] | None, split: str | None, options: tuple[tuple[str, Any], ...]
) -> dict[str, int]:
    """Frames of each clip, by name."""
    rain = "none" if dataset in TO_TRAIN_ON else None  # counting needs no rain
    source: Any = open_source(dataset, root, clips, rain, split=split, options=dict(options))
    if hasattr(source, "clips"):  # without opening any picture
        return {clip.name: len(clip) for clip in source.clips}
    return {name: source.shape(index)[0] for index, name in enumerate(source.names)}
