"""Find the trainings that a row of a table needs: their recipes, scale and folders."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from restill.datasets import TO_TRAIN_ON, dataset_class
from restill.errors import RestillError
from restill.networks.saved import STUDENT
from restill.tables.synthetic_sets import SyntheticSets, is_synthetic
from restill.tables.table import FOLDER, Row, Scale, Table
from restill.training.budget import in_steps
from restill.training.checkpoint import checkpoints
from restill.training.recipe import DataPart, Recipe, merge, parse_recipe, read_fields

SUFFIX = ".safetensors"
# fields that do not affect the weights of a run
_ASIDE = ("name", "epochs", "output", "threads", "log_every", "save_every", "validation")


class AbsentError(RestillError):
    """Data or weights that the user must provide are missing."""


@dataclass(frozen=True)
class Given:
    """Weights that already exist."""

    path: Path

    @cached_property
    def mark(self) -> str:
        """A hash of the weights."""
        file = self.path / STUDENT if self.path.is_dir() else self.path
        return _mark(hashlib.sha256(file.read_bytes()).hexdigest())


@dataclass(frozen=True)
class Job:
    """A training run.

    Attributes:
        recipe: The recipe as it will be run, with its own folder and the final paths of its checkpoints.
        needs: Runs and weights that must exist first.
        mark: A hash of everything that affects the weights, including its needs; part of its folder's name.
    """

    recipe: Recipe
    needs: tuple[Job | Given, ...]
    mark: str

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.recipe.folder

    @property
    def done(self) -> bool:
        """Whether the run is complete."""
        return _whole(self.path, self.recipe.steps)

    def missing(self) -> list[str]:
        """A sentence for each missing data folder of this run and of the runs it still needs."""
        if self.done:
            return []
        found = [text for need in self.needs if isinstance(need, Job) for text in need.missing()]
        data = self.recipe.data
        folders = [("", data.dataset, data.root)]
        further = {"unpaired": data.unpaired, "unlabeled": data.unlabeled}
        folders += [(key, part.dataset, part.root) for key, part in further.items() if part is not None]
        found += [absent(dataset, root, key) for key, dataset, root in folders if not root.is_dir()]
        return list(dict.fromkeys(found))


Source = Job | Given


@dataclass(frozen=True)
class Plan:
    """Finds the trainings of one table's rows.

    Attributes:
        table: The table.
        scale: The name of the scale.
        recipes: The folder of recipes.
        output: The folder for runs; each scale has its own folder in it.
        data: Folders of data sets by name, instead of those in the recipes; "unpaired" and "unlabeled" are folders
            of pictures for the streams of these names.
        synthetic_sets: Synthetic data for missing sets; None to skip a training without its data.
    """

    table: Table
    scale: str
    recipes: Path
    output: Path
    data: dict[str, Path]
    synthetic_sets: SyntheticSets | None = None

    @cached_property
    def _scale(self) -> Scale:
        return self.table.scale(self.scale)

    @cached_property
    def _library(self) -> dict[str, Path]:
        return by_name(self.recipes)

    def of_row(self, row: Row, training: str | None, seed: int | None) -> Source:
        """The run or weights that a row's numbers come from.

        Raises:
            RestillError: If a recipe is wrong, or a checkpoint is missing and no recipe produces it.
        """
        assert row.recipe is not None  # noqa: S101 - checked by the caller
        needs = tuple(self._source(self.recipes / path, training, None, {}) for path in row.needs)
        return self._source(self.recipes / row.recipe, training, seed, row.scales.get(self.scale, {}), needs)

    def of_recipe(self, path: Path) -> Source:
        """The run or weights of a single recipe at this scale.

        Raises:
            RestillError: As :meth:`of_row`.
        """
        return self._source(path, None, None, {})

    def _source(
        self, path: Path, training: str | None, seed: int | None, extra: dict[str, Any], needs: tuple[Source, ...] = ()
    ) -> Source:
        fields = self._fields(path, training, seed, extra)
        name = "-".join(part for part in (str(fields.get("name", path.stem)), training) if part)
        own = self._given(Path(fields.get("output", "runs")) / name, fields, path) if seed is None else None
        if own is not None:
            return own
        sources = list(needs)
        for side in ("student", "teacher"):
            part = fields.get(side)
            if isinstance(part, dict) and part.get("checkpoint"):
                # all seeds share a teacher; each seed has its own initial student
                source = self._before(Path(part["checkpoint"]), training, seed if side == "student" else None, path)
                sources.append(source)
                part["checkpoint"] = str(source.path)
        recipe = in_steps(parse_recipe({**fields, "name": name}, str(path)))
        mark = fingerprint(recipe, tuple(sources))
        seeded = "" if seed is None else f"-seed{seed}"
        folder = self.output / self.scale
        same = sorted(folder.glob(f"*-{mark}"))  # the same run under another table's name
        name = same[0].name if same else f"{name}{seeded}-{mark}"
        return Job(recipe.model_copy(update={"name": name, "output": folder}), tuple(sources), mark)

    def _before(self, checkpoint: Path, training: str | None, seed: int | None, path: Path) -> Source:
        """The source of a checkpoint that a recipe names."""
        name = checkpoint.name.removesuffix(SUFFIX)
        if name in self._library:
            return self._source(self._library[name], training, seed, {})
        if checkpoint.exists():
            return Given(checkpoint)
        raise AbsentError(f"needs {checkpoint}, which does not exist and which no recipe produces; see {path}")

    def _fields(self, path: Path, training: str | None, seed: int | None, extra: dict[str, Any]) -> dict[str, Any]:
        fields = read_fields(path)
        if training is not None:
            fields = merge(fields, self.table.trainings[training])
        fields = merge(merge(fields, self._scale.recipe), extra)
        for side in ("student", "teacher"):
            part = fields.get(side) or {}
            small = self._scale.networks.get(part.get("network", ""))
            if small and not part.get("checkpoint"):
                part["options"] = merge(small, part.get("options", {}))  # the recipe's own options win
        method = self._scale.methods.get(fields.get("method") or "plain")
        if method:
            fields["options"] = merge(fields.get("options", {}), method)
        if seed is not None:
            fields["seed"] = seed
        self._use_data_folders(fields.get("data", {}))
        return fields

    def _use_data_folders(self, data: dict[str, Any]) -> None:
        """Replace the recipe's data folders by the user's."""
        before = data.get("root")
        name = data.get("dataset", DataPart.model_fields["dataset"].default)
        if name in self.data:
            data["root"] = str(self.data[name])
        if self.synthetic_sets is not None and "root" in data:
            data["root"] = str(self.synthetic_sets.to_train_on(name, Path(data["root"])))
            if is_synthetic(Path(data["root"])):
                data.pop("clips", None)  # the synthetic set has other names
        for stream in ("unpaired", "unlabeled"):
            part = data.get(stream)
            if not part:
                continue
            kind = part.get("dataset", "clean-clips")
            if stream in self.data:
                part["root"] = str(self.data[stream])
                part["dataset"] = kind if kind in TO_TRAIN_ON else "clean-photos"
            elif part.get("root") == before:
                part["root"] = data["root"]
            elif kind != "clean-clips" and kind in self.data:
                part["root"] = str(self.data[kind])
            if self.synthetic_sets is not None and "root" in part:
                root = self.synthetic_sets.to_train_on(part.get("dataset", kind), Path(part["root"]), unpaired=True)
                part["root"] = str(root)

    def _given(self, place: Path, fields: dict[str, Any], path: Path) -> Given | None:
        """Existing weights of the recipe as it is written: a file from the user, or a run of `restill train`."""
        if self.scale != self.table.written:
            return None
        file = place.with_name(place.name + SUFFIX)
        if file.is_file():
            return Given(file)
        recipe = in_steps(parse_recipe({**fields, "name": place.name}, str(path)))
        if not _whole(place, recipe.steps):
            return None
        before = read_fields(place / "recipe.yaml") if (place / "recipe.yaml").is_file() else None
        if before is None or fingerprint(parse_recipe(before, str(place)), ()) != fingerprint(recipe, ()):
            return None
        return Given(place)


def by_name(recipes: Path) -> dict[str, Path]:
    """Find every runnable recipe by its name.

    Raises:
        RestillError: If two recipes have the same name.
    """
    found: dict[str, Path] = {}
    for path in sorted(recipes.rglob("*.yaml")):
        if FOLDER not in path.relative_to(recipes).parts:
            name = read_fields(path).get("name")
            if name in found:
                raise RestillError(
                    f"{path}: has the name '{name}', which {found[name]} has too; recipe names must be unique"
                )
            if name is not None:
                found[str(name)] = path
    return found


def fingerprint(recipe: Recipe, needs: tuple[Source, ...]) -> str:
    """Hash everything that affects a run's weights: eight hexadecimal digits."""
    fields = recipe.model_dump(mode="json", exclude=set(_ASIDE))
    if fields["data"]["unlabeled"] is None:
        del fields["data"]["unlabeled"]  # so that earlier runs keep their marks
    for part in (fields["data"], fields["data"]["unpaired"] or {}, fields["data"].get("unlabeled", {})):
        if part and is_synthetic(Path(part["root"])):
            part["synthetic"] = True
        for aside in ("root", "workers", "never", "damaged"):
            part.pop(aside, None)
    for side in ("student", "teacher"):
        if fields[side] and fields[side]["checkpoint"]:
            fields[side]["checkpoint"] = True
    return _mark(json.dumps([fields, [need.mark for need in needs]], sort_keys=True))


def absent(dataset: str, root: Path, key: str = "") -> str:
    """Say which data are missing, where to put them, and in which layout."""
    layout = getattr(dataset_class(dataset), "layout", "")
    laid_out = f", laid out as {' or '.join(layout.splitlines())}" if layout else ""
    return f"needs {dataset} in {root}, or in another folder given by --data {key or dataset}=DIR{laid_out}"


def _whole(folder: Path, steps: int) -> bool:
    """Whether a run is complete."""
    found = checkpoints(folder) if folder.is_dir() else []
    return bool(found) and (folder / STUDENT).is_file() and found[-1].name == f"checkpoint-{steps:06d}"


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
