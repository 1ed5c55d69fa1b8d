"""Run a table: train and measure what is missing, and report our numbers next to the paper's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from restill.errors import RestillError
from restill.evaluation.report import TEMPORAL_COLUMNS
from restill.tables.measure import Scorer, counted, version_mark
from restill.tables.plan import AbsentError, Given, Job, Plan, Source
from restill.tables.result import ABSENT, RowResult, TableResult
from restill.tables.synthetic_sets import SyntheticSets
from restill.tables.table import Row, Table, find_table, recipes_folder
from restill.training.experiment import train


def reproduce(
    name: str,
    rows: Sequence[str] | None = None,
    data: Mapping[str, str | Path] | None = None,
    *,
    scale: str | None = None,
    seeds: Sequence[int] | None = None,
    output: str | Path = "runs/tables",
    evaluate_only: bool = False,
    niqe_model: str | Path | None = None,
    allow_test_images: bool = False,
    recipes: str | Path | None = None,
    quiet: bool = False,
) -> TableResult:
    """Reproduce a results table as far as the data are available.

    Finished work is reused: a hash in a run's folder name identifies its recipe, and measurements are cached by model
    and test set. An interrupted run continues where it stopped.

    Args:
        name: The table's name, one of :func:`restill.tables.table.table_names`.
        rows: Labels of the rows to run; None for all.
        data: Folders of data sets by name, instead of ``data/NAME`` and of those in the recipes; "unpaired" is a
            folder of pictures for recipes that also learn from frames without a clean side.
        scale: "smoke", "small" or "paper"; None for the scale of the table's recipes. "smoke" replaces missing
            data by synthetic data.
        seeds: Train each row with each of these; None for the table's seeds.
        output: Folder for runs and measurements.
        evaluate_only: Do not train.
        niqe_model: The file of NIQE's model, for tables with NIQE.
        allow_test_images: Allow training and scoring on the same pictures; a footnote marks these numbers.
        recipes: The folder of recipes; None to find it.
        quiet: Show no progress.

    Raises:
        RestillError: If the table, a row or a scale is not known, or the table is wrong. A problem with one row, such
            as missing data, becomes a message of that row; the other rows still run.
    """
    recipes = Path(recipes) if recipes is not None else recipes_folder()
    table = find_table(name, recipes)
    unknown = [label for label in rows or () if label not in [row.label for row in table.rows]]
    if unknown:
        labels = "; ".join(row.label for row in table.rows)
        raise RestillError(f"table '{name}' has no row '{unknown[0]}'; its rows are: {labels}")
    scale = scale or table.written
    small = table.scale(scale)
    folders = {key: Path(folder) for key, folder in (data or {}).items()}
    synthetic_sets = SyntheticSets(Path(output) / "synthetic") if scale == "smoke" else None
    plan = Plan(table, scale, recipes, Path(output), folders, synthetic_sets)
    niqe = None if niqe_model is None else Path(niqe_model)
    temporal = not TEMPORAL_COLUMNS.keys().isdisjoint(table.metrics)
    scorer = Scorer(
        folders,
        Path(output) / "measured",
        small.limit,
        small.clips,
        niqe,
        quiet,
        temporal,
        allow_test_images,
        synthetic_sets,
    )
    trained_with = list(seeds) if seeds is not None else table.seeds
    result = TableResult(name, table, scale, trained_with)
    runner = _Runner(table, plan, scorer, trained_with, result, evaluate_only, allow_test_images, quiet)
    try:
        for row in table.rows:
            if rows is None or row.label in rows:
                result.rows.append(RowResult(row))
                runner.row(result.rows[-1])
    except KeyboardInterrupt:
        result.stopped = True
    if synthetic_sets is not None:
        result.made_up = synthetic_sets.used
    return result


class _Runner:
    def __init__(
        self,
        table: Table,
        plan: Plan,
        scorer: Scorer,
        seeds: list[int],
        result: TableResult,
        evaluate_only: bool,
        allow: bool,
        quiet: bool,
    ) -> None:
        self.table, self.plan, self.scorer, self.result = table, plan, scorer, result
        self.seeds, self.evaluate_only, self.allow, self.quiet = seeds, evaluate_only, allow, quiet

    def row(self, result: RowResult) -> None:
        """Fill in a row; a problem becomes a message."""
        row = result.row
        try:
            if row.network is not None:
                assert self.table.complexity is not None  # noqa: S101 - Table has checked it
                numbers = counted(row, self.table.complexity)
                result.ours = {metric: [[numbers[metric]]] for metric in self.table.metrics if metric in numbers}
            elif row.model is None and row.recipe is None:
                result.messages.append(ABSENT)
            else:
                self._measured_row(result)
        except RestillError as error:
            _add(result, str(error))

    def _measured_row(self, result: RowResult) -> None:
        row = result.row
        columns = [i for i in range(self.table.width) if self.table.wanted(row, i)]
        result.ours = {metric: [[] for _ in self.table.columns] for metric in self.table.metrics}
        trainings = list(dict.fromkeys(self.table.columns[i].training for i in columns))
        for training in trainings:
            own = [i for i in columns if self.table.columns[i].training == training]
            here = [i for i in own if self._has_data(result, i)]
            for seed in self._seeds(row) or [None] if here else [None]:
                try:
                    if here:
                        model, mark = self._model(row, training, seed)
                        if row.recipe is not None:
                            result.runs.append(Path(model))
                        self._columns(result, here, model, mark)
                    elif row.recipe is not None:
                        _add_missing(result, self.plan.of_row(row, training, seed))
                except RestillError as error:
                    _add(result, str(error))

    def _seeds(self, row: Row) -> list[int]:
        if row.recipe is None:
            return []
        return self.seeds if row.seeds is None else row.seeds

    def _has_data(self, result: RowResult, column: int) -> bool:
        name = self.table.columns[column].set
        missing = self.scorer.missing(self.table.sets[name], self.table.protocol_of(name))
        for text in missing:
            _add(result, text)
        return not missing

    def _model(self, row: Row, training: str | None, seed: int | None) -> tuple[str, str]:
        """The path or name of a row's model, trained if necessary, and its mark."""
        if row.model is not None:
            path = Path(row.model)
            return row.model, Given(path).mark if path.exists() else version_mark(row.model)
        source = self.plan.of_row(row, training, seed)
        self._train(source)
        return str(source.path), source.mark

    def _train(self, source: Source) -> None:
        if isinstance(source, Given) or source.done:
            return
        if self.evaluate_only:
            raise RestillError("is not trained yet; run without --evaluate-only to train it")
        missing = source.missing()
        if missing:
            raise AbsentError("; ".join(missing))
        for need in source.needs:
            self._train(need)
        if train(source.recipe, resume=True, allow_test_images=self.allow, quiet=self.quiet).interrupted:
            raise KeyboardInterrupt

    def _columns(self, result: RowResult, columns: list[int], model: str, mark: str) -> None:
        """Fill some columns with one model's numbers."""
        for i in columns:
            column = self.table.columns[i]
            test, protocol = self.table.sets[column.set], self.table.protocol_of(column.set)
            try:
                measured = self.scorer.measure(model, mark, test, protocol)
            except RestillError as error:
                _add(result, str(error))
                continue
            if measured.missing:
                _add(result, f"{self.scorer.root(test)} has no {', '.join(measured.missing)} of {test.dataset}")
            self.result.part |= measured.part
            if measured.trained_on:
                note = f"Ours on {column.name}: the model was trained on pictures of this set (--allow-test-images)."
                result.notes += [note] if note not in result.notes else []
            words = self.scorer.words(protocol)
            if words not in self.result.protocols:
                self.result.protocols.append(words)
            for metric in self.table.metrics:
                value = measured.value(metric, column.clip)
                if value is not None:
                    result.ours[metric][i].append(value)


def _add_missing(result: RowResult, source: Source) -> None:
    for text in source.missing() if isinstance(source, Job) else ():
        _add(result, text)


def _add(result: RowResult, text: str) -> None:
    if text not in result.messages:
        result.messages.append(text)
