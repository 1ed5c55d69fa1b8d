"""The parts that the super-resolution networks share, by hand-computed cases."""

import torch
from torch import nn
from torch.nn.functional import pixel_shuffle

from restill.networks.blocks.upsampling import Upsampler, enlarge, luma

torch.set_num_threads(1)


def test_pixel_shuffle_puts_channels_row_by_row():
    upsampler = Upsampler(1, hr_channels=1)
    with torch.no_grad():
        for parameter in upsampler.parameters():
            parameter.zero_()
        upsampler.upconv1.bias = nn.Parameter(torch.tensor([1.0, 2.0, 3.0, -4.0]))  # the four places of a 2x2 block
        for conv in (upsampler.upconv2, upsampler.conv_hr, upsampler.conv_last):
            conv.weight[:, :, 1, 1] = 1.0
        upsampler.upconv2.bias = nn.Parameter(torch.tensor([0.0, 10.0, 20.0, 30.0]))
        picture = upsampler(torch.zeros(1, 1, 1, 1))
    assert picture.shape == (1, 3, 4, 4)
    expected = torch.tensor(  # -4 becomes -0.4 by the first leaky ReLU; 0.1 times that twice where nothing is added
        [
            [1.0, 11.0, 2.0, 12.0],
            [21.0, 31.0, 22.0, 32.0],
            [3.0, 13.0, -0.004, 9.6],
            [23.0, 33.0, 19.6, 29.6],
        ]
    )
    for channel in picture[0]:
        assert torch.allclose(channel, expected)
    assert torch.equal(pixel_shuffle(torch.arange(4.0).view(1, 4, 1, 1), 2)[0, 0], torch.tensor([[0.0, 1], [2, 3]]))


def test_parameters():
    count = sum(p.numel() for p in Upsampler(64).parameters())
    assert count == 2 * (9 * 64 * 256 + 256) + (9 * 64 * 64 + 64) + (9 * 64 * 3 + 3) == 334_083


def test_enlarged_values_by_hand():
    a = -0.75

    def weight(d: float) -> float:  # Keys' cubic kernel
        d = abs(d)
        return (a + 2) * d**3 - (a + 3) * d**2 + 1 if d <= 1 else a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a

    row = torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0])  # the impulse is at pixel 2
    big = enlarge(row.view(1, 1, 1, 5).expand(1, 1, 5, 5))[0, 0]
    for x in range(20):
        d = (x + 0.5) / 4 - 0.5 - 2  # distance to the impulse, in pixels of the small picture
        assert abs(big[9, x].item() - (weight(d) if abs(d) < 2 else 0.0)) < 1e-6, x
    assert torch.allclose(enlarge(torch.full((1, 3, 4, 6), 0.3)), torch.full((1, 3, 16, 24), 0.3))


def test_luma_by_hand_and_back():
    pure = torch.eye(3).view(3, 3, 1, 1)
    assert luma(pure).flatten().tolist() == torch.tensor([0.299, 0.587, 0.114]).tolist()
    assert torch.allclose(luma(torch.full((1, 3, 1, 1), 0.4)), torch.tensor(0.4))
    picture, change = torch.rand(1, 3, 4, 4), torch.rand(1, 1, 4, 4)
    to_ycc = torch.tensor([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    ycc = torch.einsum("ij,bjhw->bihw", to_ycc, picture)
    ycc[:, :1] += change
    by_way_of_ycc = torch.einsum("ij,bjhw->bihw", torch.linalg.inv(to_ycc), ycc)
    assert torch.allclose(by_way_of_ycc, picture + change, atol=1e-5)
    assert torch.allclose(luma(picture + change), luma(picture) + change, atol=1e-6)
