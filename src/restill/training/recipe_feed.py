"""The batches that a recipe describes, and the validation of a student on its held-out clips."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from restill.datasets.clips import to_float
from restill.distillation.method import Method
from restill.distillation.unlabeled import TARGET, UNLABELED
from restill.distillation.windows import ALIGNED, centre_targets, stream
from restill.networks.blocks.spynet import SPyNet, load_spynet, spynet_windows
from restill.training.batches import Batch
from restill.training.feed import Feed
from restill.training.recipe import DataPart, Run
from restill.training.samples import held_out_samples, loader
from restill.training.teacher_pictures import TeacherPictures

SHOWN = 4  # held-out samples on the page of a run


def feed_from(data: DataPart, run: Run, batch: int, method: Method) -> tuple[Feed, SPyNet | None]:
    """The batches that a recipe describes; also returns SPyNet if it aligns them."""
    context = method.context
    aligner = load_spynet(data.aligner) if data.align == "spynet" and data.aligner else None

    teacher = TeacherPictures(method, data) if data.unlabeled else None

    def prepare(sample: Batch) -> Batch:
        batch = _aligned(aligner, to_float(sample), context)
        if teacher and UNLABELED in batch:
            batch[TARGET] = teacher(stream(batch, UNLABELED))
        return batch

    held_out = [prepare(sample) for sample in held_out_samples(data, run, context)]
    feed = Feed(lambda start, _: loader(data, run, batch, context, start), prepare)
    return with_held_out(feed, method, held_out) if held_out else feed, aligner


def with_held_out(feed: Feed, method: Method, batches: list[Batch]) -> Feed:
    """The feed with :func:`validate` and :func:`show` on these batches."""
    return replace(feed, validate=partial(validate, method, batches), show=partial(show, method, batches))


@torch.no_grad()
def validate(method: Method, batches: list[Batch], device: torch.device, *, teacher: bool = False) -> float:
    """Mean RGB PSNR (dB) of the student on fixed crops of held-out clips, outputs clamped, not rounded.

    Args:
        method: The method with its networks, on the device.
        batches: The crops.
        device: Device of the method.
        teacher: Measure the teacher instead; the method must have one.
    """
    values = []
    for batch in batches:
        pictures, clean = _restored(method, batch, device, teacher)
        error = (pictures.clamp(0, 1) - clean).square()
        values += [-10 * math.log10(max(float(mse), 1e-10)) for mse in error.mean(dim=(1, 2, 3))]
    return sum(values) / len(values)


@torch.no_grad()
def show(method: Method, batches: list[Batch], device: torch.device) -> list[dict[str, np.ndarray]]:
    """The first :data:`SHOWN` samples: the frame in the middle "before" and "after" the student, and "clean".

    Args:
        method: The method with its networks, on the device.
        batches: The held-out crops.
        device: Device of the method.

    Returns:
        (H, W, 3) RGB uint8 each; none if the pictures are neither RGB nor gray.
    """
    rows = ({key: value[i : i + 1] for key, value in batch.items()} for batch in batches for i in range(_rows(batch)))
    found = []
    for row in islice(rows, SHOWN):
        pictures, clean = _restored(method, row, device)  # (L, C, sH, sW)
        middle = len(clean) // 2
        trio = {
            "before": row["degraded"][0, method.context + middle],
            "after": pictures[middle],
            "clean": clean[middle],
        }
        if len(clean[middle]) in (1, 3):
            found.append({name: _to_bytes(picture) for name, picture in trio.items()})
    return found


def _restored(method: Method, batch: Batch, device: torch.device, teacher: bool = False) -> tuple[Tensor, Tensor]:
    """A network's pictures of all centers of a batch, and the clean ones, (B * L, C, sH, sW) each."""
    network: Any = method.teacher if teacher else method.student
    shown = method.shown_to_teacher if teacher else method.shown
    batch = {key: value.to(device) for key, value in batch.items()}
    clean = centre_targets(batch, method.context).flatten(0, 1)
    network.eval()
    pictures = network(shown(batch))[..., : clean.shape[-2], : clean.shape[-1]]
    network.train(not teacher)  # a teacher is always in eval mode
    return pictures, clean


def _rows(batch: Batch) -> int:
    return len(batch["degraded"])


def _to_bytes(picture: Tensor) -> np.ndarray:
    """(C, H, W) in [0, 1] as (H, W, 3) uint8; gray is repeated."""
    values = (picture.float().clamp(0, 1) * 255).round().byte().expand(3, -1, -1)
    return values.permute(1, 2, 0).cpu().numpy()


def _aligned(aligner: SPyNet | None, batch: Batch, context: int) -> Batch:
    """Add the windows (B, L, K, 3, H, W) of all streams to the batch if there is an aligner."""
    if aligner is None:
        return batch
    aligner.to(batch["degraded"].device)
    return batch | {
        name: spynet_windows(aligner, batch[stream], context) for stream, name in ALIGNED.items() if stream in batch
    }
