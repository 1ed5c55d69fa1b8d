"""bicubic: a cubic convolution by hand."""

import torch

from restill.networks import create


def test_it_is_cubic_convolution_with_a_of_one_half():
    line = torch.eye(9)[4]
    window = line.expand(1, 1, 3, 9, 9).contiguous()
    found = create("bicubic")(window)[0, 0, 18]  # (36,), one row in the middle
    # an output pixel between sources lies 1/8, 3/8, 5/8, 7/8 from the impulse on either side, and so on outwards
    a = -0.5

    def kernel(x: float) -> float:
        near = (a + 2) * x**3 - (a + 3) * x**2 + 1
        return near if x <= 1 else a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a

    expected = torch.tensor([kernel(abs((i + 0.5) / 4 - 0.5 - 4)) for i in range(10, 26)])
    torch.testing.assert_close(found[10:26], expected, atol=1e-5, rtol=0)
