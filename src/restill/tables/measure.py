"""Measure models on test sets. Results are cached in files, so nothing is measured twice."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from restill.datasets import dataset_class
from restill.errors import RestillError
from restill.evaluation import evaluate
from restill.evaluation.files import finite, write_json
from restill.evaluation.metrics.niqe import NiqeModel, load_niqe_model, niqe
from restill.evaluation.metrics.temporal import MEANING as TEMPORAL
from restill.evaluation.models import NONE, open_model, parameter_free_model
from restill.evaluation.overlap import OverlapCheck
from restill.evaluation.protocols import PROTOCOLS
from restill.networks import create
from restill.networks.complexity import count
from restill.progress import track
from restill.runtime import Model, stream
from restill.tables.plan import AbsentError, absent
from restill.tables.synthetic_sets import SyntheticSets
from restill.tables.table import Counting, Row, TestSet
from restill.version import __version__

if TYPE_CHECKING:
    from restill.datasets.paired import PairedClip, PairedSet

NIQE = "niqe"


@dataclass(frozen=True)
class Measured:
    """The numbers of one model on one test set.

    Attributes:
        clips: By clip, by metric.
        missing: Clips of the set that the user's copy lacks.
        part: Whether only a part of the set was scored.
        weighed: Whether the protocol's mean is over pictures instead of clips.
        trained_on: Whether the model was trained on any of these pictures.
    """

    clips: dict[str, dict[str, float]]
    missing: tuple[str, ...]
    part: bool
    weighed: bool = False
    trained_on: bool = False

    def value(self, metric: str, clip: str | None) -> float | None:
        """The number of a clip, or the mean over the set; None if a clip is missing."""
        if clip is not None:
            return self.clips.get(clip, {}).get(metric)
        rows = [row for row in self.clips.values() if metric in row]
        if self.missing or not rows:
            return None
        weights = [row["frames"] for row in rows] if self.weighed else None
        return float(np.average([row[metric] for row in rows], weights=weights))


@dataclass(frozen=True)
class Scorer:
    """Scores models on test sets.

    Attributes:
        data: Folders of data sets by name; the default is ``data/NAME``.
        cache: The folder of earlier measurements.
        limit: Score only this many frames of each clip.
        first: Score only this many clips of each set.
        niqe_model: The file of NIQE's model.
        quiet: Show no progress.
        temporal: Also measure temporal consistency.
        allow: Score a model even on pictures that it was trained on.
        synthetic_sets: Synthetic data for missing sets; None to measure nothing on those.
    """

    data: dict[str, Path]
    cache: Path
    limit: int | None
    first: int | None
    niqe_model: Path | None
    quiet: bool
    temporal: bool = False
    allow: bool = False
    synthetic_sets: SyntheticSets | None = None

    def root(self, test: TestSet) -> Path:
        """The folder of a test set.

        Raises:
            AbsentError: If it is missing.
        """
        root = self.data.get(test.dataset, Path("data") / test.dataset)
        if self.synthetic_sets is not None:
            root = self.synthetic_sets.to_test_on(test.dataset, root, test.split)
        if not root.is_dir():
            raise AbsentError(absent(test.dataset, root))
        return root

    @cached_property
    def pristine(self) -> NiqeModel:
        """NIQE's model.

        Raises:
            RestillError: If it was not given, or the file is not such a model.
        """
        if self.niqe_model is None and self.synthetic_sets is not None:
            return load_niqe_model(self.synthetic_sets.niqe_model)
        if self.niqe_model is None:
            raise AbsentError("needs NIQE's model: --niqe-model FILE, see docs/no-reference.md")
        return load_niqe_model(self.niqe_model)

    def missing(self, test: TestSet, protocol: str) -> list[str]:
        """A sentence for each missing thing that a measurement needs."""
        found = []
        for check in (partial(self.root, test), partial(self.words, protocol)):
            try:
                check()
            except RestillError as error:
                found.append(str(error))
        return found

    def words(self, protocol: str) -> str:
        """The description to print with the numbers of a protocol.

        Raises:
            RestillError: If it needs NIQE's model, which is missing.
        """
        if protocol == NIQE:
            return str(self.pristine)
        return "; ".join([str(PROTOCOLS.get(protocol, protocol)), *([TEMPORAL] if self.temporal else [])])

    def measure(self, model: str, mark: str, test: TestSet, protocol: str) -> Measured:
        """Measure a model, or read the cached measurement.

        Args:
            model: As :func:`restill.evaluation.evaluate` takes it.
            mark: A text that identifies the model.
            test: The test set.
            protocol: The protocol's name.

        Raises:
            RestillError: If data are missing or wrong, or the model was trained on them and that is not allowed.
        """
        root = self.root(test)
        names = list(dataset_class(test.dataset)(root, test.split).names)
        wanted = test.clips or names
        chosen = [name for name in wanted if name in names]
        missing = tuple(name for name in wanted if name not in names)
        if not chosen:
            raise AbsentError(f"{root}: has none of the clips {', '.join(wanted)} of {test.dataset}")
        limit = min((n for n in (self.limit, test.limit) if n is not None), default=None)
        few = self.first is not None and len(wanted) > self.first <= len(chosen)
        if few:  # only these are scored: the others may be missing
            missing = ()
        part = limit is not None or few
        chosen = chosen[: self.first]
        key = {"model": mark, "set": test.dataset, "split": test.split, "clips": chosen, "protocol": protocol}
        key |= {"limit": limit, "root": str(root.resolve())}
        if protocol == NIQE:
            key["niqe"] = _mark(self.pristine)
        elif self.temporal:
            key["temporal"] = True
        file = self.cache / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:12]}.json"
        if file.is_file():
            found = json.loads(file.read_text(encoding="utf-8"))
            clips, known = found["clips"], found.get("trained_on", False)
            if known and not self.allow:
                raise RestillError(
                    f"{model} was trained on pictures of {root}, so its score would be meaningless; pass "
                    "--allow-test-images to score it anyway"
                )
        else:
            clips, known = self._measure(model, test, protocol, root, chosen, limit)
            file.parent.mkdir(parents=True, exist_ok=True)
            rows = {name: finite(row) for name, row in clips.items()}
            write_json(file, {**key, "name": model, "trained_on": known, "clips": rows})
        weighed = protocol in PROTOCOLS and PROTOCOLS[protocol].mean != "clips"
        return Measured({name: _infinite(row) for name, row in clips.items()}, missing, part, weighed, known)

    def _measure(
        self, model: str, test: TestSet, protocol: str, root: Path, chosen: list[str], limit: int | None
    ) -> tuple[dict[str, dict[str, float]], bool]:
        """The numbers by clip, and whether the model was trained on these pictures."""
        opened = parameter_free_model(model) or open_model(model)
        if protocol == NIQE:
            return self._niqe(model, opened, dataset_class(test.dataset)(root, test.split, chosen), limit)
        report = evaluate(
            NONE if opened is None else opened,
            test.dataset,
            root,
            split=test.split,
            clips=chosen,
            protocol=protocol,
            limit=limit,
            temporal=self.temporal,
            allow_test_images=self.allow,
            quiet=self.quiet,
        )
        return report.clips, report.trained_on

    def _niqe(
        self, name: str, model: Model | None, data: PairedSet, limit: int | None
    ) -> tuple[dict[str, dict[str, float]], bool]:
        """Mean NIQE of a model's outputs, rounded to 8 bits; a clip without contrast has none."""
        overlap_check = (
            OverlapCheck(NONE if model is None else model, self.allow) if data.split != data.trains else None
        )
        lengths = [len(clip) if limit is None else min(len(clip), limit) for clip in data.clips]
        found = {}
        with track(f"{name}, NIQE", sum(lengths), "frames", quiet=self.quiet) as advance:
            for clip, length in zip(data.clips, lengths, strict=True):
                frames, values = _degraded(clip, length, overlap_check), []
                for index, frame in enumerate(frames if model is None else stream(model, frames, guard=False)):
                    try:
                        values.append(niqe(frame, self.pristine))
                    except RestillError as error:
                        raise RestillError(f"{clip.degraded[index]}: {error}") from error
                    advance(clip=clip.name)
                if overlap_check is not None:
                    overlap_check.remember()
                values = [value for value in values if math.isfinite(value)]
                found[clip.name] = {NIQE: float(np.mean(values))} if values else {}
        return found, overlap_check is not None and overlap_check.overlap


def _degraded(clip: PairedClip, length: int, overlap_check: OverlapCheck | None) -> Iterator[np.ndarray]:
    """The first frames of a clip, (H, W, 3) RGB uint8; the clean side may be missing."""
    for index in range(length):
        rainy, clean = clip.read(index)
        if overlap_check is not None:
            overlap_check.add(clip, index, rainy, rainy if clean is None else clean)
        yield rainy


def _mark(pristine: NiqeModel) -> str:
    """A hash that identifies a NIQE model by its content."""
    return hashlib.sha256(pristine.mean.tobytes() + pristine.covariance.tobytes()).hexdigest()[:8]


def counted(row: Row, rule: Counting) -> dict[str, float]:
    """The frames, parameters and GMACs of a row's network, counted by a paper's convention."""
    assert row.network is not None  # noqa: S101 - checked by the caller
    with torch.device("meta"):
        network = create(row.network, **row.options)
    cost = count(network, row.size or rule.size)
    spec: Any = network.spec
    return {"frames": spec.frames, "parameters": cost.parameters, "gmacs": cost.by(rule.convention) / 1e9}


def version_mark(model: str) -> str:
    """An identifier for a model that is not a file: its name and our version."""
    return f"{model}-{__version__}"


def _infinite(row: Mapping[str, float | None]) -> dict[str, float]:
    """Read null from a JSON file as infinity, the PSNR of equal pictures."""
    return {key: float("inf") if value is None else value for key, value in row.items()}
