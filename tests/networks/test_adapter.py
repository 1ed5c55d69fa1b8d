"""Any module is a network: what it takes and gives is found by trying, and the module stays as it was."""

from __future__ import annotations

import pytest
import torch
from own_modules import REFUSED, WORK, Clip, Deep, FirstFrame, Fixed, Norm, Own, Stages, Three, WholeClip
from torch import Tensor, nn

from restill.errors import RestillError
from restill.networks import create
from restill.networks.adapter import Adapter, adapt

torch.set_num_threads(1)


def window(frames: int = 1, channels: int = 3) -> Tensor:
    return torch.rand(2, frames, channels, 24, 24, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("frames", [1, 3, 5])
@pytest.mark.parametrize("name", WORK)
def test_the_center_frame_becomes_a_picture(name: str, frames: int):
    torch.manual_seed(0)
    net = WORK[name]()
    given = window(frames)
    with torch.no_grad():
        picture = adapt(net.eval(), "student", frames // 2)(given)
        assert picture.dtype == torch.float32
        assert picture.shape == (2, 3, 24, 24)
        alone = adapt(net, "student", 0)(given[:, frames // 2][:, None])
    assert torch.allclose(picture, alone, atol=1e-6)  # every one of these looks at the center alone


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_network_is_refused_in_one_sentence(name: str):
    make, words = REFUSED[name]
    with pytest.raises(RestillError, match=words) as caught:
        adapt(make(), "student", 1)(window(3))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("net", "context", "frames"),
    [(Own(), 2, 0), (Clip(), 2, 5), (FirstFrame(), 2, 1), (Three(), 1, 3), (Three(), 3, 3), (WholeClip(), 1, 3)],
)
def test_how_many_frames_it_is_shown(net: nn.Module, context: int, frames: int):
    adapter = Adapter(net, "student", context)
    adapter.fit(window(2 * context + 1))
    assert adapter.frames == frames


def test_which_output(capsys: pytest.CaptureFixture[str]):
    net, given = Stages(), window()
    first, second = net(given[:, 0])
    for picture, wanted in ((None, first), (0, first), (1, second), (-1, second), ("1", second)):
        assert torch.equal(adapt(net, "teacher", 0, picture)(given), wanted)
    said = capsys.readouterr().err
    assert said.count("gives several pictures") == 1
    assert "Restill takes '0'; teacher_picture= chooses another" in " ".join(said.split())
    with pytest.raises(RestillError, match=r"has no output 2; its outputs are: 0 \(B, 3, 24, 24\), 1 \(B, 3, 24, 24\)"):
        adapt(net, "teacher", 0, 2)(given)
    deep = Deep()
    assert torch.equal(adapt(deep, "teacher", 0, 1)(given), 0.9 * deep.restore(given[:, 0]))
    assert torch.equal(adapt(deep.eval(), "teacher", 0, 1)(given), deep.restore(given[:, 0]))


def test_trying_changes_nothing():
    net = Norm()
    net.body[1].eval()  # frozen statistics, as people have them
    before = {key: value.clone() for key, value in net.state_dict().items()}
    state = torch.get_rng_state()
    adapter = Adapter(net, "student", 1)
    adapter.fit(window(3))
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert [module.training for module in (net, net.body[1], net.last)] == [True, False, True]
    assert torch.equal(state, torch.get_rng_state())


def test_gray_pictures_and_networks_of_the_house():
    assert adapt(Own(channels=1), "student")(window(channels=1)).shape == (2, 1, 24, 24)
    house = create("prednet-student3", channels=4)
    assert adapt(house) is house
    double = adapt(create("prednet-student3", channels=4).double())
    assert double(window()).dtype == torch.float32


def test_a_later_failure_is_a_sentence_too():
    adapter = adapt(Fixed(), "student")
    adapter(window())
    with pytest.raises(
        RestillError, match=r"the student Fixed fails on pictures \(B, C, H, W\) = \(B, 3, 32, 32\): Runt"
    ):
        adapter(torch.rand(1, 1, 3, 32, 32))
