"""Recipes: experiments as YAML files, read with safe_load and validated by the models below. They never run code."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from restill.errors import RestillError
from restill.training.recipe_data import DataPart, Part

BALANCED, BALANCED_SHARE = "balanced", 0.2  # in weights: the method's share of the task's gradient, and its default
BUDGETS = {"steps": "epochs", "epochs": "steps"}  # a recipe has one of the two; setting one removes the other


class NetworkPart(Part):
    """A network and its initial weights."""

    network: str | None = Field(
        default=None,
        description="a name from `restill networks`; not needed with a checkpoint, which names its network",
    )
    options: dict[str, Any] = Field(default={}, description="the network's own options, such as channels")
    checkpoint: Path | None = Field(default=None, description="run folder or .safetensors file to start from")

    @model_validator(mode="after")
    def _one_of_both(self) -> NetworkPart:
        if self.network is None and self.checkpoint is None:
            raise ValueError("give 'network' or 'checkpoint'")
        return self


class OptimizerPart(Part):
    """Adam or AdamW."""

    name: Literal["adam", "adamw"] = "adam"
    lr: float = Field(default=1e-4, gt=0)
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = Field(default=0.0, ge=0)
    clip_norm: float | None = Field(default=None, gt=0, description="limit of the gradient's norm")


class SchedulePart(Part):
    """The learning rate over time: linear warm-up, then constant, cosine decay to ``floor``, or steps."""

    name: Literal["constant", "cosine", "step"] = "constant"
    warmup: int = Field(default=0, ge=0, description="steps")
    every: int = Field(default=3000, ge=1, description="for name step: steps between two reductions")
    milestones: list[int] = Field(
        default=[], description="for name step: reduce at these steps instead (epochs if the recipe has epochs)"
    )
    factor: float = Field(default=0.5, gt=0, le=1)
    floor: float = Field(default=1e-6, ge=0, description="lowest learning rate")

    def lr(self, base: float, step: int, steps: int) -> float:
        """The learning rate at a step (0-based) of a run of ``steps``."""
        if step < self.warmup:
            return base * (step + 1) / self.warmup
        if self.name == "cosine":
            part = (step - self.warmup) / max(1, steps - self.warmup)
            return self.floor + (base - self.floor) * 0.5 * (1 + math.cos(math.pi * part))
        if self.name == "step":
            times = sum(step >= at for at in self.milestones) if self.milestones else step // self.every
            return max(self.floor, base * self.factor**times)
        return base


class ValidationPart(Part):
    """PSNR on fixed crops of the held-out clips during training."""

    every: int = Field(default=500, ge=1, description="steps")
    samples: int = Field(default=16, ge=1)


class Run(Part):
    """The training settings that do not depend on networks or data."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="names the run's folder")
    seed: int = 9487
    steps: int = Field(ge=1)
    weights: dict[str, float] = Field(
        default={},
        description="weight of each named loss; replaces the method's default. 'balanced', or {balanced: 0.2}, "
        "multiplies all weights of the method's losses by one factor, so that together they pull at that share of the "
        "task's gradient",
    )
    optimizer: OptimizerPart = OptimizerPart()
    schedule: SchedulePart = SchedulePart()
    validation: ValidationPart = ValidationPart()
    precision: Literal["fp32", "bf16"] = "fp32"
    rounding_noise: bool = Field(
        default=False,
        description="add noise of the size of 8-bit rounding to the student's features, so that it loses less in int8",
    )
    compile: bool = Field(
        default=False,
        description="compile the networks with torch.compile, which needs a C++ compiler on a CPU; the first steps are "
        "slower, the others faster",
    )
    accumulate: int = Field(
        default=1,
        ge=1,
        description="parts of a process's batch that are worked on one after another, to use less memory",
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        description="CPU threads of PyTorch; default: PyTorch's own number, at most the CPUs that the process may use",
    )
    log_every: int = Field(default=20, ge=1, description="steps")
    save_every: int = Field(default=500, ge=1, description="steps")
    output: Path = Field(default=Path("runs"), description="folder that will contain the run's folder")

    @field_validator("weights", mode="before")
    @classmethod
    def _balanced_by_name(cls, given: Any) -> Any:
        return {BALANCED: BALANCED_SHARE} if given == BALANCED else given

    @field_validator("weights")
    @classmethod
    def _some_share(cls, given: dict[str, float]) -> dict[str, float]:
        if given.get(BALANCED, 1.0) <= 0:
            raise ValueError(f"'{BALANCED}' is the share of the task's gradient, more than 0")
        return given

    @property
    def balanced(self) -> float | None:
        """The share of the task's gradient that the method's losses together are held at; None: weights stay."""
        return self.weights.get(BALANCED)

    @property
    def loss_weights(self) -> dict[str, float]:
        """The weights that are given for named losses."""
        return {name: weight for name, weight in self.weights.items() if name != BALANCED}

    @property
    def folder(self) -> Path:
        """The folder of the run's files."""
        return self.output / self.name


Place = str | list[str] | dict[str, str | list[str]]


class Recipe(Run):
    """One experiment: pre-training (without ``method``) or distillation."""

    steps: int = Field(default=0, ge=0, description="optimizer steps; or give epochs")
    epochs: float | None = Field(
        default=None,
        gt=0,
        description="instead of steps; in one epoch the student sees as many samples as the set has frames",
    )
    batch: int = Field(default=4, ge=1, description="samples in a step, over all processes")
    student: NetworkPart
    teacher: NetworkPart | None = None
    method: str | None = Field(
        default=None, description="a name from `restill methods`; without it the student trains alone"
    )
    options: dict[str, Any] = Field(default={}, description="the method's options")
    teacher_feature: Place | None = Field(
        default=None, description="the teacher's features to distil: a module path, a list, or a dict by role"
    )
    student_feature: Place | None = Field(default=None, description="the same for the student")
    student_head: str | None = Field(
        default=None, description="path of the module that turns the student's feature into the picture"
    )
    data: DataPart

    @model_validator(mode="after")
    def _method_with_teacher(self) -> Recipe:
        if self.method is None and self.teacher is not None and self.data.unlabeled is None:
            raise ValueError("a 'teacher' is given but no 'method' and no 'data.unlabeled'")
        return self

    @model_validator(mode="after")
    def _one_budget(self) -> Recipe:
        if (self.steps > 0) == (self.epochs is not None):
            raise ValueError("give 'steps', 1 or more, or 'epochs', and not both")
        return self


def load_recipe(path: str | Path, overrides: list[str] | None = None) -> Recipe:
    """Read a recipe.

    A recipe may name another as ``base:`` (a path relative to itself); its own fields then replace or add to those.

    Args:
        path: YAML file.
        overrides: ``a.b=c``, the value read as YAML, applied last.

    Raises:
        RestillError: The file is missing, is not YAML, or has a wrong field; the message names the field.
    """
    path = Path(path)
    fields = read_fields(path)
    for override in overrides or []:
        set_field(fields, override)
    return parse_recipe(fields, str(path))


def parse_recipe(fields: dict[str, Any], where: str) -> Recipe:
    """Validate the fields of a recipe.

    Raises:
        RestillError: Names the first wrong field and what it accepts.
    """
    try:
        return Recipe.model_validate(fields)
    except ValidationError as error:
        raise RestillError(f"{where}: {describe(error, Recipe)}") from error


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """Describe a validation error in one sentence that names the field and what it accepts."""
    errors = error.errors()
    # report a misspelled field before the missing field that was meant
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    place = ".".join(str(part) for part in first["loc"]) or model.__name__.lower()
    if first["type"] == "extra_forbidden":
        return f"field '{place}' is not known; the fields are: {', '.join(_owner(first['loc'], model).model_fields)}"
    text = first["msg"].removeprefix("Value error, ")
    given = "" if first["type"] == "missing" or not first["loc"] else f", not {first['input']!r}"
    return f"field '{place}': {text[0].lower()}{text[1:]}{given}"


def _owner(place: tuple[int | str, ...], model: type[BaseModel]) -> type[BaseModel]:
    """The model that contains a field."""
    for part in place[:-1]:
        if str(part) not in model.model_fields:  # an index or a name in between
            continue
        annotation = model.model_fields[str(part)].annotation
        model = next(a for a in (annotation, *get_args(annotation)) if isinstance(a, type) and issubclass(a, BaseModel))
    return model


def read_fields(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read a YAML file and merge it with its ``base``, without validation.

    Args:
        path: The file.
        above: Files that use this one as a base.

    Raises:
        RestillError: A file is missing or not a YAML mapping, or its bases form a circle.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "is not a text file"
        raise RestillError(f"{path}: cannot be read as a recipe: {reason}") from error
    try:
        fields = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RestillError(f"{path}: is not plain YAML: {' '.join(str(error).split())}") from error
    if not isinstance(fields, dict):
        raise RestillError(f"{path}: a recipe is a mapping of fields such as 'name: ...', not {type(fields).__name__}")
    base = fields.pop("base", None)
    if base is None:
        return fields
    parent = (path.parent / str(base)).resolve()
    if parent in above:
        raise RestillError(f"{path}: field 'base' leads back to {parent.name}; bases must not form a circle")
    return merge(read_fields(parent, (*above, path.resolve())), fields)


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Merge ``above`` into ``below``. Lists are replaced; ``steps`` replaces ``epochs`` and the reverse."""
    merged = {key: value for key, value in below.items() if BUDGETS.get(key) not in above}
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def set_field(fields: dict[str, Any], override: str) -> None:
    """Apply one ``a.b=c`` of a command line to ``fields``; the value is read as YAML.

    Raises:
        RestillError: The text has another form.
    """
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RestillError(f"--set {override}: should be FIELD=VALUE, such as optimizer.lr=1e-4")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RestillError(f"--set {override}: the value is not YAML") from error
    if isinstance(value, str):
        with suppress(ValueError):  # YAML 1.1 reads 1e-4 as text
            value = float(value)
    *parents, last = key.split(".")
    place = fields
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise RestillError(f"--set {override}: '{parent}' has no fields of its own")
    place[last] = value
    fields.pop(BUDGETS.get(key, ""), None)
