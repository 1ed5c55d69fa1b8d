"""A batch is right, or one sentence says what is wrong with it: nothing is cropped, repeated or scaled in silence."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import restill
from restill.errors import RestillError
from restill.training.batches import as_batch

SIDE = 16


class Net(nn.Module):
    """Restores the middle frame; what it gives can be spoiled."""

    def __init__(self, spoil: str = "") -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.last = nn.Conv2d(4, 3, 3, padding=1)
        self.spoil = spoil

    def forward(self, window: Tensor) -> Tensor:
        center = window[:, window.shape[1] // 2]
        return GIVES[self.spoil](self.last(self.body(center)) + center)


GIVES = {
    "": lambda y: y,
    "clip": lambda y: y.unsqueeze(1),
    "gray": lambda y: y[:, :1],
    "twice as large": lambda y: nn.functional.interpolate(y, scale_factor=2),
    "one row more": lambda y: nn.functional.pad(y, (0, 0, 0, 1)),
    "one sample": lambda y: y[:1],
    "no channels": lambda y: y.mean(1),
    "smaller": lambda y: y[..., 1:-1, 1:-1],
}
METHODS = {
    "plain": {"options": {"reconstruction": "l1", "recon_weights": [1.0]}},
    "mse": {"teacher_feature": "body", "student_feature": "body"},
    "output": {},
}
RUN = {"quiet": True, "threads": 1, "optimizer": {"lr": 3e-3}, "seed": 1}


def pictures(samples: int = 4) -> tuple[Tensor, Tensor]:
    """Smooth pictures with noise on them, and without."""
    torch.manual_seed(0)
    clean = nn.functional.interpolate(torch.rand(samples, 3, 4, 4), size=SIDE, mode="bicubic").clamp(0, 1)
    return (clean + 0.2 * torch.randn_like(clean)).clamp(0, 1), clean


def distil(batch: object, method: str, student: nn.Module, steps: int, **more: object) -> nn.Module:
    teacher = None if method == "plain" else Net()
    return restill.distill(teacher, student, method, data=[batch], steps=steps, **METHODS[method], **RUN, **more)


def whole(x: Tensor, dtype: torch.dtype, most: int = 255) -> Tensor:
    return (x * most).round().to(dtype)


# what is done to one side, by name
WRONG_SIDE = {
    "0..255": lambda x: x * 255,
    "0..1023": lambda x: x * 1023,
    "-1..1": lambda x: x * 2 - 1,
    "normalized": lambda x: (x - 0.45) / 0.22,
    "mean taken off": lambda x: x - 0.6,
    "int64": lambda x: whole(x, torch.int64),
    "int16": lambda x: whole(x, torch.int16),
    "uint16": lambda x: whole(x, torch.uint16, 65535),
    "bool": lambda x: x > 0.5,
    "complex": lambda x: x.to(torch.complex64),
    "NaN": lambda x: x.masked_fill(x > 0.5, torch.nan),
    "infinite": lambda x: x.masked_fill(x > 0.5, torch.inf),
    "channels last": lambda x: x.movedim(1, -1),
    "bytes, channels last": lambda x: whole(x, torch.uint8).movedim(1, -1),
    "fewer samples": lambda x: x[:1],
    "no samples": lambda x: x[:0],
    "unbatched": lambda x: x[0],
    "fewer rows": lambda x: x[..., :-2, :],
    "fewer columns": lambda x: x[..., :-1],
    "half as high": lambda x: x[..., : SIDE // 2, :],
    "one channel": lambda x: x[:, :1],
    "more frames": lambda x: x[:, None].repeat(1, 2, 1, 1, 1),
    "a list": lambda x: x.tolist(),
}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(WRONG_SIDE)), st.sampled_from(["degraded", "clean"]), st.sampled_from(list(METHODS)))
def test_a_wrong_side_is_one_sentence_before_the_first_step(change, side, method):
    batch = dict(zip(("degraded", "clean"), pictures(), strict=True))
    batch[side] = WRONG_SIDE[change](batch[side])
    student = Net()
    before = [p.clone() for p in student.parameters()]
    with pytest.raises(RestillError) as caught:
        distil(batch, method, student, 2)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(p, b) for p, b in zip(student.parameters(), before, strict=True))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("spoil", [name for name in GIVES if name not in ("", "clip")])
def test_a_picture_of_another_shape_is_one_sentence_before_the_first_step(spoil, method):
    student = Net(spoil)
    before = [p.clone() for p in student.parameters()]
    with pytest.raises(RestillError, match=r"the student Net (gives \(.*\) for a window|fails on .* it gives \()"):
        distil(pictures(), method, student, 2)
    assert all(torch.equal(p, b) for p, b in zip(student.parameters(), before, strict=True))


@pytest.mark.parametrize("spoil", [name for name in GIVES if name not in ("", "clip")])
def test_a_teacher_that_is_compared_must_give_such_a_picture_too(spoil):
    with pytest.raises(RestillError, match=r"the teacher's pictures are|the teacher Net fails on .* it gives"):
        restill.distill(Net(spoil), Net(), "output", data=[pictures()], steps=2, **RUN)


RIGHT = {
    "floats": lambda d, c: (d, c),
    "a dict with more in it": lambda d, c: {"degraded": d, "clean": c, "path": ["a"] * 4, "index": torch.arange(4)},
    "bytes beside floats": lambda d, c: (whole(d, torch.uint8), c),
    "clips": lambda d, c: (d[:, None], c[:, None]),
    "arrays": lambda d, c: (d.numpy(), c.numpy()),
    "half": lambda d, c: (d.half(), c.double()),
    "noise that is not cut off": lambda d, c: (c + 0.2 * torch.randn(c.shape), c),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("form", RIGHT)
def test_a_right_batch_in_any_form_brings_the_student_nearer(form, method):
    degraded, clean = pictures()
    torch.manual_seed(2)
    student = Net()

    def error() -> float:
        with torch.no_grad():
            return float((student(degraded[:, None]) - clean).square().mean())

    before = error()
    distil(RIGHT[form](degraded, clean), method, student, 12)
    assert error() < before


def test_a_whole_scale_on_both_axes():
    degraded = torch.rand(2, 3, SIDE, SIDE)
    assert as_batch((degraded, torch.rand(2, 3, 2 * SIDE, 2 * SIDE)))["clean"].shape[-1] == 2 * SIDE
    for size in ((2 * SIDE, SIDE), (SIDE + 8, SIDE + 8), (2 * SIDE, 3 * SIDE), (SIDE // 2, SIDE // 2)):
        with pytest.raises(RestillError, match="larger by one whole number on both axes"):
            as_batch((degraded, torch.rand(2, 3, *size)))


def test_the_clean_side_may_hold_the_centers_alone_where_the_rest_is_not_looked_at():
    degraded, clean = torch.rand(2, 5, 3, 8, 8), torch.rand(2, 3, 3, 8, 8)
    made = as_batch((degraded, clean), context=1, clean_context=False)
    assert torch.equal(made["clean"][:, 1:-1], clean)
    with pytest.raises(RestillError, match=r"same number of frames; 1 frames on either side"):
        as_batch((degraded, clean), context=1)
    with pytest.raises(RestillError, match="or 'clean' only the 3 centers"):
        as_batch((degraded, clean[:, :2]), context=1, clean_context=False)


def test_black_is_a_picture_but_one_divided_twice_is_not():
    dark = torch.rand(2, 3, 8, 8) / 255
    assert as_batch((dark, torch.zeros(2, 3, 8, 8)))["clean"].max() == 0
    with pytest.raises(RestillError, match="divided by 255 twice"):
        as_batch((dark, dark))
