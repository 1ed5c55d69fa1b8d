"""DCKD against networks that are taken apart by hand; what all methods must do is in test_every_method.py."""

from __future__ import annotations

import pytest
import torch
from foreign_networks import UNET_PLACES, TinyUnet, clip
from torch import Tensor, nn
from torch.nn.functional import interpolate

from restill.distillation import create_method
from restill.distillation.methods.dckd import DCKD
from restill.errors import RestillError
from restill.networks import create
from restill.networks.restormer import UShape

torch.set_num_threads(1)
UNET = {"encoder": UNET_PLACES["encoder"]}
U4 = {"channels": 4, "blocks": [0, 0, 0, 1], "refinement": 0}
PAIRS = {
    "restormer": (("restormer", {**U4, "channels": 8}), ("res-sl", U4)),
    "uformer": (
        ("uformer-b", {"channels": 8, "depths": [1, 1, 1], "window": 2, "drop_path": 0.5}),
        ("ufor-sl", {"channels": 4, "depths": [0, 1, 0], "window": 2, "drop_path": 0.0}),
    ),
    "sid": (
        ("sid", {"channels": [4, 8, 8], "units": [1, 1, 1], "blocks": "mffb", "pyramids": 1}),
        ("sid", {"channels": [4, 6, 8], "units": [1, 1, 1], "blocks": "mffb", "pyramids": 1}),
    ),
}
FIRST = {"restormer": "patch_embed", "uformer": "first", "sid": "first"}  # of the encoder


def make(teacher: nn.Module, student: nn.Module, places: object = None, **options: float) -> DCKD:
    torch.manual_seed(0)
    given = {"teacher_feature": places, "student_feature": places}
    context = 1 if places is not None else 0
    return create_method("dckd", teacher, student, context, **given, **options)  # type: ignore[return-value,arg-type]


def pair(kind: str) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(1)
    teacher, student = (create(name, **options) for name, options in PAIRS[kind])
    return teacher, student


def windows(batch: dict[str, Tensor]) -> Tensor:
    return torch.stack([batch["degraded"][:, t - 1 : t + 2] for t in (1, 2)], 1).flatten(0, 1)


def encode(net: TinyUnet, x: Tensor) -> list[Tensor]:
    fine = net.encoder(x.flatten(1, 2))
    return [fine, net.bottleneck(fine)]


def decode(net: TinyUnet, x: Tensor, fine: Tensor, bottleneck: Tensor) -> Tensor:
    back = interpolate(net.decoder(bottleneck), scale_factor=2)
    return net.last(net.refine(torch.cat([fine, back], 1))) + x[:, 1]


def through(adapters: nn.ModuleList, features: list[Tensor]) -> list[Tensor]:
    """Each 1x1 convolution by its definition."""
    return [
        torch.einsum("ts,nshw->nthw", a.weight[:, :, 0, 0], f) + a.bias.view(1, -1, 1, 1)  # type: ignore[operator,union-attr]
        for a, f in zip(adapters, features, strict=True)
    ]


# --- the equations ---------------------------------------------------------------------------------------------------


def test_each_decoder_goes_on_from_the_others_encoder():
    teacher, student, batch = TinyUnet(6), TinyUnet(4), clip(2, 4, 8, 8)
    method, x = make(teacher, student, UNET, w1=0.1, w2=0.2, w3=0.3), windows(batch)
    losses = method(batch, 0)
    y_t, y_s = teacher(x), student(x)
    assert torch.equal(decode(teacher, x, *encode(teacher, x)), y_t)  # the test's own halves are right
    y_st = decode(teacher, x, *through(method.to_teacher, encode(student, x)))
    y_ts = decode(student, x, *through(method.to_student, encode(teacher, x)))
    clean = batch["clean"][:, 1:3].flatten(0, 1)
    expected = {
        "reconstruction": (y_s, clean),
        "student_teacher": (y_st, y_t),
        "teacher_student": (y_ts, y_t),
        "picture": (y_s, y_t),
    }
    assert losses.keys() == expected.keys()
    for name, (a, b) in expected.items():
        assert losses[name].item() == pytest.approx((a - b).abs().mean().item(), rel=1e-5), name
    weights = {"reconstruction": 1.0, "student_teacher": 0.1, "teacher_student": 0.2, "picture": 0.3}
    assert method.default_weights == weights


def restormer_decoder(net: UShape, picture: Tensor, e1: Tensor, e2: Tensor, e3: Tensor, latent: Tensor) -> Tensor:
    x = net.decoder_level3(net.reduce_chan_level3(torch.cat([net.up4_3(latent), e3], 1)))
    x = net.decoder_level2(net.reduce_chan_level2(torch.cat([net.up3_2(x), e2], 1)))
    x = net.decoder_level1(torch.cat([net.up2_1(x), e1], 1))
    return net.output(net.refinement(x)) + picture


def test_restormer_decodes_the_features_of_res_sl():
    teacher, student = pair("restormer")
    method, batch = make(teacher, student), clip(2, 1, 16, 8)
    assert isinstance(teacher, UShape)
    assert isinstance(student, UShape)
    picture = batch["degraded"][:, 0]
    e1 = student.encoder_level1(student.encoder_level0(student.patch_embed(picture)))
    e2 = student.encoder_level2(student.down1_2(e1))
    e3 = student.encoder_level3(student.down2_3(e2))
    features = through(method.to_teacher, [e1, e2, e3, student.latent(student.down3_4(e3))])
    y_st = restormer_decoder(teacher, picture, *features)
    expected = (y_st - teacher(batch["degraded"])).abs().mean().item()
    assert method(batch, 0)["student_teacher"].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", PAIRS)
def test_with_networks_of_the_package(kind: str):
    teacher, student = pair(kind)
    method = make(teacher, student)
    method.train()
    batch = clip(2, 1, 16, 16)
    head = str(student.spec.head)  # type: ignore[union-attr]
    for name, decoder_learns, adapters in (
        ("student_teacher", False, method.to_teacher),
        ("teacher_student", True, method.to_student),
    ):
        method.zero_grad(set_to_none=True)
        method(batch, 0)[name].backward()
        moved = {key for key, p in student.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
        assert moved
        assert any(key.startswith(head) for key in moved) == decoder_learns
        assert any(key.startswith(FIRST[kind]) for key in moved) != decoder_learns
        assert all(p.grad is not None for p in adapters.parameters())
        assert all(p.grad is None for p in teacher.parameters())
    assert not any(module._forward_hooks for module in method.modules())


@pytest.mark.parametrize("kind", PAIRS)
def test_an_equal_student_has_nothing_to_learn(kind: str):
    """To the last bit: without adapters the same tensors go the same way."""
    teacher = pair(kind)[0]
    torch.manual_seed(1)
    name, options = PAIRS[kind][0]
    method = make(teacher, create(name, **options)).eval()
    assert all(isinstance(a, nn.Identity) for a in (*method.to_teacher, *method.to_student))
    method.student.load_state_dict(teacher.state_dict())
    losses = method(clip(1, 1, 16, 16), 0)
    assert {name: value.item() for name, value in losses.items() if name != "reconstruction"} == {
        "student_teacher": 0.0,
        "teacher_student": 0.0,
        "picture": 0.0,
    }


# --- adapters, statistics, clips -------------------------------------------------------------------------------------


def test_there_is_an_adapter_each_way_where_widths_differ():
    method = make(TinyUnet(6), TinyUnet(4), UNET)
    shapes = [[tuple(a.weight.shape) for a in way] for way in (method.to_teacher, method.to_student)]  # type: ignore[union-attr]
    assert shapes == [[(6, 4, 1, 1), (12, 8, 1, 1)], [(4, 6, 1, 1), (8, 12, 1, 1)]]


class Normalized(TinyUnet):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.decoder.append(nn.BatchNorm2d(width))


def test_running_statistics_are_those_of_the_students_own_run():
    torch.manual_seed(2)
    teacher, student, alone, batch = Normalized(4), Normalized(4), Normalized(4), clip(2, 4, 8, 8)
    alone.load_state_dict(student.state_dict())
    method = make(teacher, student, UNET).train()
    method(batch, 0)
    alone(windows(batch))
    for key, value in alone.state_dict().items():
        assert torch.equal(student.state_dict()[key], value), key
    assert teacher.decoder[-1].num_batches_tracked == 0  # type: ignore[union-attr]
    assert student.decoder[-1].track_running_stats  # type: ignore[union-attr]


class Clips(nn.Module):
    """Features with a temporal axis: (B, C, T, h, w)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Conv3d(3, width, 3, padding=1), nn.Conv3d(width, 3, 3, padding=(0, 1, 1))

    def forward(self, window: Tensor) -> Tensor:
        return self.decoder(self.encoder(window.transpose(1, 2)))[:, :, 0]


def test_features_of_clips_are_exchanged_whole():
    teacher, student, batch = Clips(5), Clips(4), clip(2, 4, 8, 8)
    method, x = make(teacher, student, "encoder"), windows(batch)
    (a,) = method.to_teacher
    weight: Tensor = a.weight[:, :, 0, 0]  # type: ignore[index]
    f = torch.einsum("ts,nskhw->ntkhw", weight, student.encoder(x.transpose(1, 2))) + a.bias.view(1, -1, 1, 1, 1)  # type: ignore[operator,union-attr]
    expected = (teacher.decoder(f)[:, :, 0] - teacher(x)).abs().mean().item()
    assert method(batch, 0)["student_teacher"].item() == pytest.approx(expected, rel=1e-5)


# --- mistakes --------------------------------------------------------------------------------------------------------


def test_mistakes_are_named():
    teacher, student, batch = TinyUnet(6), TinyUnet(4), clip(1, 3, 8, 8)
    with pytest.raises(RestillError, match="replace only a module's output, not the value at 'last:input'"):
        make(teacher, student, ["encoder", "last:input"])
    with pytest.raises(RestillError, match=r"has no spec that names features of the encoder"):
        make(teacher, student, {})
    method = create_method(
        "dckd", teacher, student, 1, teacher_feature=["encoder", "bottleneck"], student_feature=["encoder", "refine"]
    )
    said = r"replaces the teacher's 'bottleneck' \(12, 4, 4\) by the student's 'refine' \(4, 8, 8\)"
    with pytest.raises(RestillError, match=said):
        method(batch, 0)


class Larger(TinyUnet):
    def forward(self, window: Tensor) -> Tensor:
        return interpolate(super().forward(window), scale_factor=2)


def test_both_must_restore_at_one_scale():
    with pytest.raises(RestillError, match=r"pictures are \(\d+, 3, 16, 16\) and the student's \(\d+, 3, 8, 8\)"):
        make(Larger(4), TinyUnet(4), UNET)(clip(1, 3, 8, 8), 0)
