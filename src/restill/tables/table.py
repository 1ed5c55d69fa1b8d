"""A results table as data: the paper's numbers, and how to produce ours for each row. Tables are YAML files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from restill.errors import RestillError
from restill.training.recipe import describe, merge, read_fields

FOLDER = "tables"  # below the folder of recipes
SCALES = ("smoke", "small", "paper")
Numbers = list[float | None]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TestSet(_Part):
    """A test set and its protocol."""

    dataset: str = Field(description="a data set that has degraded frames, or from which they are made")
    split: str = "test"
    clips: list[str] | None = Field(default=None, description="names of the clips; all of the split if not given")
    protocol: str = Field(
        default="", description="a protocol's name, or niqe, which needs no clean side; default: the table's"
    )
    limit: int | None = Field(default=None, description="score only this many frames of each clip")


class Column(_Part):
    """One column of numbers."""

    name: str
    set: str = Field(description="one of the table's sets")
    clip: str | None = Field(default=None, description="one clip of the set; the mean over its clips if not given")
    training: str | None = Field(default=None, description="the table's training that its models come from")


class Counting(_Part):
    """How a complexity table counts operations."""

    convention: str = Field(description="which operations count, as in `restill networks --convention`")
    size: tuple[int, int] = Field(description="height and width of an input frame")


class Row(_Part):
    """One row: the paper's numbers, and at most one way to produce ours."""

    label: str = Field(pattern="^[^,]+$", description="must not contain a comma, which separates labels in --rows")
    paper: dict[str, float | Numbers | None] = Field(default={}, description="by metric, one number for each column")
    model: str | None = Field(default=None, description="none, a zoo name, or a checkpoint; nothing is trained")
    recipe: str | None = Field(default=None, description="a recipe, its path within the folder of recipes")
    network: str | None = Field(default=None, description="for a complexity table: the network to count")
    options: dict[str, Any] = Field(default={}, description="that network's options")
    size: tuple[int, int] | None = Field(default=None, description="height and width, instead of the table's")
    needs: list[str] = Field(
        default=[], description="recipes to run first, besides those that the recipe's checkpoints name"
    )
    seeds: list[int] | None = Field(default=None, description="instead of the table's")
    scales: dict[str, dict[str, Any]] = Field(default={}, description="by scale: fields of the recipe that differ")
    note: str | None = Field(default=None, description="a footnote")

    @model_validator(mode="after")
    def _one_way(self) -> Row:
        if sum(way is not None for way in (self.model, self.recipe, self.network)) > 1:
            raise ValueError("give one of 'model', 'recipe' and 'network', or none of them")
        return self


class Scale(_Part):
    """What a scale reduces."""

    recipe: dict[str, Any] = Field(default={}, description="fields of every recipe that differ")
    networks: dict[str, dict[str, Any]] = Field(default={}, description="by network: its options")
    methods: dict[str, dict[str, Any]] = Field(default={}, description="by method: its options")
    limit: int | None = Field(default=None, description="score only this many frames of each clip")
    clips: int | None = Field(default=None, description="score only this many clips of each set")


class Table(_Part):
    """One results table."""

    title: str
    paper: str = Field(description="where the numbers come from; for a table of ours alone, what they are")
    protocol: str = Field(default="", description="the protocol of sets that name none")
    written: Literal["paper", "small"] = Field(
        default="paper", description="the scale that its recipes are written for"
    )
    complexity: Counting | None = None
    sets: dict[str, TestSet] = {}
    columns: list[Column] = []
    metrics: list[str]
    trainings: dict[str, dict[str, Any]] = Field(default={}, description="by name: fields of all recipes that differ")
    seeds: list[int] = Field(default=[], description="seeds for each row; the recipe's own if not given")
    scales: dict[str, Scale] = {}
    rows: list[Row]
    notes: list[str] = Field(default=[], description="footnotes on the paper's numbers")
    about: str | None = Field(default=None, description="a sentence above the table")
    against: str | None = Field(
        default=None,
        description="label of a reference row: the differences of the other rows to it are shown too, seed by seed",
    )

    @model_validator(mode="after")
    def _fits(self) -> Table:
        labels = [row.label for row in self.rows]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(f"two rows are called {label!r}")
        if self.against is not None and self.against not in labels:
            raise ValueError(f"against {self.against!r}: there is no such row")
        for column in self.columns:
            if column.set not in self.sets:
                raise ValueError(f"column {column.name!r}: there is no set {column.set!r}")
            if column.training is not None and column.training not in self.trainings:
                raise ValueError(f"column {column.name!r}: there is no training {column.training!r}")
        for row in self.rows:
            self._check(row)
        return self

    def _check(self, row: Row) -> None:
        for metric in row.paper:
            if metric not in self.metrics:
                raise ValueError(f"row {row.label!r}: {metric!r} is none of the table's metrics")
            if not self.complexity and len(self.numbers(row, metric)) != len(self.columns):
                raise ValueError(f"row {row.label!r}: {metric} needs a number, or null, for each column")
        if (row.network is not None) and self.complexity is None:
            raise ValueError(f"row {row.label!r}: 'network' is for a complexity table")
        if (row.model or row.recipe) and self.complexity is not None:
            raise ValueError(f"row {row.label!r}: a complexity table counts a 'network'")

    def numbers(self, row: Row, metric: str) -> Numbers:
        """The paper's numbers, one for each column; empty if it has none of this metric."""
        given = row.paper.get(metric, [])
        return given if isinstance(given, list) else [given]

    @property
    def width(self) -> int:
        """The number of columns of each metric."""
        return max(1, len(self.columns))

    def of(self, row: Row, metric: str, column: int) -> float | None:
        """The paper's number in a cell, or None."""
        numbers = self.numbers(row, metric)
        return numbers[column] if column < len(numbers) else None

    def wanted(self, row: Row, column: int) -> bool:
        """Whether a cell should have our number: a row of a paper has one only where the paper does."""
        return not row.paper or any(self.of(row, metric, column) is not None for metric in self.metrics)

    def protocol_of(self, name: str) -> str:
        """The protocol of a set."""
        return self.sets[name].protocol or self.protocol

    def scale(self, name: str) -> Scale:
        """What a scale reduces: nothing at the scale that the recipes are written for.

        Raises:
            RestillError: If the table has no such scale.
        """
        if name == self.written:
            return Scale()
        known = [self.written, *(n for n in SCALES if n in self.scales and n != self.written)]
        if name not in known or name == "paper":
            raise RestillError(f"--scale {name}: the scales of this table are: {', '.join(known)}")
        return self.scales[name]


def load_table(path: Path) -> Table:
    """Read a table. Like a recipe, it may extend another one with ``base:``.

    Raises:
        RestillError: If the file is missing or is not YAML, or a field is wrong; the message names the field.
    """
    try:
        return Table.model_validate(read_fields(path))
    except ValidationError as error:
        raise RestillError(f"{path}: {describe(error, Table)}") from error


def recipes_folder() -> Path:
    """Find the folder of recipes (with ``tables/`` in it): here, in the package, or in its checkout.

    Raises:
        RestillError: If there is none.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (Path("recipes"), package / "recipes", package.parents[1] / "recipes"):
        if (folder / FOLDER).is_dir():
            return folder
    raise RestillError("there is no folder recipes/tables here; run this in the folder that contains recipes/")


def table_names(recipes: Path) -> list[str]:
    """The names of the tables in a folder of recipes."""
    return sorted(path.stem for path in (recipes / FOLDER).glob("*.yaml"))


class NotATable(_Part):
    """A table or figure of a paper that cannot be reproduced here."""

    what: str = Field(description="the table or figure")
    shows: str
    why: str = Field(description="why not, and what to do instead")


def not_tables(recipes: Path) -> list[NotATable]:
    """The published tables and figures that cannot be reproduced here.

    Raises:
        RestillError: If the file that lists them is wrong.
    """
    path = recipes / FOLDER / "parts" / "not_tables.yaml"
    if not path.is_file():
        return []
    try:
        return [NotATable.model_validate(each) for each in read_fields(path)["items"]]
    except (KeyError, ValidationError) as error:
        raise RestillError(f"{path}: should be 'items', a list of what, shows and why") from error


def find_table(name: str, recipes: Path) -> Table:
    """Load a table by its name.

    Raises:
        RestillError: If there is no such table, or it is wrong.
    """
    path = recipes / FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise RestillError(f"table '{name}' is not known; the tables are: {', '.join(table_names(recipes))}")
    return load_table(path)


__all__ = [
    "SCALES",
    "Column",
    "NotATable",
    "Row",
    "Scale",
    "Table",
    "TestSet",
    "find_table",
    "load_table",
    "merge",
    "not_tables",
    "table_names",
]
