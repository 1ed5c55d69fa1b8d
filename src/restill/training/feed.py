"""The batches of a run, from a recipe or from the user: resuming in the data, and each process's share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

from restill.errors import RestillError
from restill.training.batches import Batch
from restill.training.process import random_state, seed_all, set_random_state


@dataclass(frozen=True)
class Place:
    """A run's position in the data: passes done, and batches done in the current pass."""

    epoch: int = 0
    batch: int = 0


@dataclass(frozen=True)
class Feed:
    """The data of a run.

    Attributes:
        batches: Takes the number of steps done and the place in the data; returns the batches that follow. Accelerate
            splits a :class:`DataLoader` over processes; of other batches each process takes its rows.
        prepare: Converts such a batch, on its device, to what methods take.
        validate: Returns the validation PSNR (RGB, dB) on a device; None for no validation. With a recipe it takes
            ``teacher=True`` for the teacher's PSNR.
        show: Returns held-out samples on a device, each "before", "after" and "clean", (H, W, 3) RGB uint8; or None.
        place: Returns the place of the next batch in the data.
    """

    batches: Callable[[int, Place], Iterable[Any]]
    prepare: Callable[[Any], Batch]
    validate: Callable[..., float] | None = None
    show: Callable[[torch.device], list[dict[str, np.ndarray]]] | None = None
    place: Callable[[], Place] = Place


class RepeatedBatches:
    """The user's batches, pass after pass.

    Before each pass, torch, numpy and Python are seeded with the run's seed and the number of the pass. So a shuffled
    ``DataLoader`` has another order in each pass, and a resumed run gets the same order again and skips the batches
    that were done.

    Args:
        data: An iterable that can be iterated more than once.
        seed: Seed of the run.
    """

    def __init__(self, data: Iterable[Any], seed: int) -> None:
        self.data, self.seed, self.place = data, seed, Place()

    def batches(self, place: Place) -> Iterator[Any]:
        """Yield batches from a place on, without end.

        Raises:
            RestillError: There are no more batches, or the processes would get different ones.
        """
        samplers = [getattr(self.data, name, None) for name in ("sampler", "batch_sampler")]
        if any(isinstance(sampler, DistributedSampler) for sampler in samplers):
            raise RestillError(
                "the DataLoader has a DistributedSampler, but restill.distill splits each batch over the processes "
                "itself: give every process the same loader, without that sampler (shuffle=True is enough)"
            )
        generators = {
            id(found): (found, found.get_state())
            for owner in (self.data, *samplers)
            if isinstance(found := getattr(owner, "generator", None), torch.Generator)
        }
        try:
            yield from self._passes(place, [self.data, *samplers], list(generators.values()))
        finally:
            for generator, state in generators.values():
                generator.set_state(state)

    def _passes(self, place: Place, owners: list[Any], generators: list[tuple[torch.Generator, Any]]) -> Iterator[Any]:
        self.place = place
        while True:
            now, found = random_state(), False
            epoch, skip = self.place.epoch, self.place.batch
            seed_all(self.seed, epoch)
            for generator, state in generators:
                generator.set_state(state)
                if epoch:
                    generator.manual_seed(generator.initial_seed() + epoch)
            for owner in owners:
                if callable(advance := getattr(owner, "set_epoch", None)):
                    advance(epoch)
            for number, batch in enumerate(self.data):
                found = True
                if number == skip - 1:
                    set_random_state(now)  # the random state at this point of the run
                if number >= skip:
                    self.place = Place(epoch, number + 1)
                    yield batch
            if not found:
                raise RestillError(
                    "the data has no more batches; give a DataLoader, or an iterable that can be iterated again"
                )
            self.place = Place(epoch + 1)


def process_batches(accelerator: Accelerator, feed: Feed, start: int, place: Place) -> Iterator[Batch]:
    """Yield the batches of this process, on its device.

    Raises:
        RestillError: A batch cannot be split over the processes, or they were given different ones.
    """
    batches = feed.batches(start, place)
    if isinstance(batches, DataLoader):
        _check_shares(batches.batch_size or 1, accelerator.num_processes, "field 'batch'")
        yield from map(feed.prepare, accelerator.prepare(batches))
        return
    rank, processes = accelerator.process_index, accelerator.num_processes
    for batch in map(feed.prepare, batches):
        rows = len(batch["degraded"])
        if processes > 1:
            _check_shares(rows, processes, "if it is the last of a pass, drop_last=True leaves it out")
            _check_equal(accelerator, batch)
            _check_shares(len(batch.get("unlabeled", ())), processes, "the rows of 'unlabeled'")
        yield {key: value.chunk(processes)[rank].to(accelerator.device) for key, value in batch.items()}


def check_same_start(accelerator: Accelerator, seed: int, parameters: list[torch.nn.Parameter]) -> None:
    """Check that all processes start with the same seed and weights; only gradients are shared.

    Raises:
        RestillError: They differ.
    """
    if accelerator.num_processes == 1:
        return
    weights = torch.stack([parameter.detach().double().sum() for parameter in parameters])
    if not _equal_everywhere(accelerator, torch.cat([weights, weights.new_tensor([seed])])):
        raise RestillError(
            "the processes start from different weights or seeds: build the networks in every process after the same "
            "torch.manual_seed, which must not depend on the rank"
        )


def check_loader(data: Any, processes: int) -> None:
    """Check that every batch of a ``DataLoader``, also the last, can be split equally over the processes.

    Raises:
        RestillError: One cannot.
    """
    if processes == 1 or not isinstance(data, DataLoader) or not data.batch_size:
        return
    _check_shares(data.batch_size, processes, "the DataLoader's batch_size")
    try:
        rest = 0 if data.drop_last else len(data.dataset) % data.batch_size  # type: ignore[arg-type]
    except TypeError:  # an iterable data set has no length
        return
    _check_shares(rest, processes, "the last batch of each pass; drop_last=True leaves it out")


def _check_shares(rows: int, processes: int, hint: str) -> None:
    if rows % processes:
        raise RestillError(
            f"a batch of {rows} samples cannot be split equally over {processes} processes; give a multiple of "
            f"{processes} ({hint})"
        )


def _check_equal(accelerator: Accelerator, batch: Batch) -> None:
    """Check that all processes were given the same batch."""
    if not _equal_everywhere(accelerator, torch.stack([batch[side].double().sum() for side in ("degraded", "clean")])):
        raise RestillError(
            "the processes were given different batches, but restill.distill splits each batch itself: give every "
            "process the same data in the same order (no DistributedSampler, no seed that depends on the rank)"
        )


def _equal_everywhere(accelerator: Accelerator, values: torch.Tensor) -> bool:
    """Whether numbers are the same in all processes, up to rounding."""
    every: Any = accelerator.gather(values.to(accelerator.device)[None])
    return torch.allclose(every, every[:1].expand_as(every), rtol=1e-9, atol=0)
