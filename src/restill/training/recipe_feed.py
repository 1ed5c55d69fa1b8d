"""The batches that a recipe describes, and the validation of a student on its held-out clips."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch

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
    return Feed(
        lambda start, _: loader(data, run, batch, context, start),
        prepare,
        partial(validate, method, held_out) if held_out else None,
    ), aligner


@torch.no_grad()
def validate(method: Method, batches: list[Batch], device: torch.device, *, teacher: bool = False) -> float:
    """Mean RGB PSNR (dB) of the student on fixed crops of held-out clips, outputs clamped, not rounded.

    Args:
        method: The method with its networks, on the device.
        batches: The crops.
        device: Device of the method.
        teacher: Measure the teacher instead; the method must have one.
    """
    network: Any = method.teacher if teacher else method.student
    shown = method.shown_to_teacher if teacher else method.shown
    network.eval()
    values = []
    for batch in batches:
        batch = {key: value.to(device) for key, value in batch.items()}
        clean = centre_targets(batch, method.context).flatten(0, 1)  # (L, C, sH, sW)
        pictures = network(shown(batch))[..., : clean.shape[-2], : clean.shape[-1]]
        error = (pictures.clamp(0, 1) - clean).square()
        values += [-10 * math.log10(max(float(mse), 1e-10)) for mse in error.mean(dim=(1, 2, 3))]
    network.train(not teacher)  # a teacher is always in eval mode
    return sum(values) / len(values)


def _aligned(aligner: SPyNet | None, batch: Batch, context: int) -> Batch:
    """Add the windows (B, L, K, 3, H, W) of all streams to the batch if there is an aligner."""
    if aligner is None:
        return batch
    aligner.to(batch["degraded"].device)
    return batch | {
        name: spynet_windows(aligner, batch[stream], context) for stream, name in ALIGNED.items() if stream in batch
    }
