"""PISR's teacher: its encoder layer by layer, and what it tells of itself around any decoder."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from restill.errors import RestillError
from restill.networks import create
from restill.networks.pisr import CleanEncoder, PrivilegedTeacher

torch.set_num_threads(1)


class Foreign(nn.Module):
    """Three frames at once, twice the size; no spec."""

    def __init__(self) -> None:
        super().__init__()
        self.only = nn.Conv2d(9, 3, 1)

    def forward(self, window: Tensor) -> Tensor:
        return nn.functional.interpolate(self.only(window.flatten(1, 2)), scale_factor=2)


def test_the_encoder_is_the_papers():
    layers = CleanEncoder(4).layers
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0]) for c in convolutions] == [
        (3, 56, 5, 1),
        (56, 56, 5, 4),
        (56, 12, 3, 1),
        (12, 3, 3, 1),
    ]
    assert [isinstance(layer, nn.PReLU) for layer in layers] == [False, True] * 3 + [False]
    assert sum(p.numel() for p in layers.parameters()) == 89_102


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_the_code_is_of_the_degraded_size_and_a_frame_is_encoded_by_itself(scale):
    torch.manual_seed(0)
    encoder = CleanEncoder(scale, 4, 3)
    clean = torch.rand(2, 3, 3, 5 * scale, 7 * scale)
    code = encoder(clean)
    assert code.shape == (2, 3, 3, 5, 7)
    for k in range(3):
        assert torch.allclose(code[:, :, k], encoder.layers(clean[:, k]), atol=1e-6)


def test_it_restores_the_clean_picture_from_its_code_alone():
    torch.manual_seed(0)
    teacher = create("pisr-teacher", options={"width": 4, "channels": 3}, width=4, narrow=3).eval()
    clean = torch.rand(2, 1, 3, 24, 32)
    with torch.no_grad():
        picture = teacher(clean)
        code = teacher.encoder.layers(clean[:, 0])  # type: ignore[operator]
        assert code.shape == (2, 3, 6, 8)
        assert torch.allclose(picture, teacher.decoder(code[:, None]), atol=1e-6)  # type: ignore[operator]
    assert picture.shape == (2, 3, 24, 32)


@pytest.mark.parametrize(("name", "options"), [("vdsr", {"width": 4}), ("res-sl", {"channels": 4}), ("rill-s", {})])
def test_it_tells_the_places_of_its_decoder(name, options):
    student = create(name, **options)
    teacher = create("pisr-teacher", decoder=name, options=options, width=4, narrow=3)
    assert teacher.decoder.state_dict().keys() == student.state_dict().keys()  # type: ignore[union-attr]
    ours, theirs = teacher.spec, student.spec
    assert (ours.scale, ours.frames) == (1, theirs.frames)  # type: ignore[union-attr]
    assert ours.size_multiple == theirs.scale * theirs.size_multiple  # type: ignore[union-attr]
    assert ours.feature == f"decoder.{theirs.feature}"  # type: ignore[union-attr]
    assert ours.task == theirs.task  # type: ignore[union-attr]
    assert (ours.embedding, ours.encoder) == ("encoder", ("encoder",))  # type: ignore[union-attr]


def test_a_module_without_a_spec_may_be_the_decoder():
    teacher = PrivilegedTeacher(Foreign(), width=4, narrow=3, scale=2, context=1)
    assert (teacher.spec.frames, teacher.spec.size_multiple, teacher.spec.feature) == (3, 2, "decoder")
    assert teacher(torch.rand(1, 3, 3, 8, 12)).shape == (1, 3, 8, 12)


def test_wrong_decoders_are_named():
    with pytest.raises(RestillError, match="network 'vdrs' is not known"):
        create("pisr-teacher", decoder="vdrs")
    with pytest.raises(RestillError, match="network 'vdsr' does not take these options"):
        create("pisr-teacher", options={"blocks": 3})
    with pytest.raises(RestillError, match="options of a decoder that is named"):
        PrivilegedTeacher(Foreign(), {"width": 3})
