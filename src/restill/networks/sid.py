"""SID, the network of SSID-KD (semi-supervised single-image deraining by knowledge distillation, TCSVT 2022).

Three encoder-decoders read the picture at full, half and quarter size, coarsest first. The unit block is a PFFB
(four scales by max-pooling) and an MFFB (3x3 beside 5x5). Blocks in a row are densely connected and share weights.
The maps of a coarser encoder-decoder are added to the inputs of the finer one's blocks ("offsets").
The network predicts the rain and subtracts it. In the code, 1, 2 and 4 mean full, half and quarter size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, cat, nn

from restill.errors import RestillError
from restill.networks.blocks.sid_blocks import Between, Build, Dense, Size, conv, part, resize
from restill.networks.spec import NetworkSpec

CONNECTIONS = ("concat", "add", "skip", "none")
BLOCKS = ("both", "mffb", "pffb")


class SID(nn.Module):
    """The paper's network: 4,433,779 parameters.

    Args:
        channels: At full, half and quarter size.
        units: Blocks in a row at full, half and quarter size.
        connections: Table VII: "concat" (the authors' code), "add" (sums instead of concatenating), "skip"
            (offsets only within an encoder-decoder, from encoder to decoder), "none" (no offsets).
        pyramids: Table VIII: encoder-decoders: 1 (full size), 2 (and half) or 3 (and quarter).
        blocks: Table IX: parts of a unit block: "both", "mffb" or "pffb".
        shared: Share weights within a row, as in the authors' code. False: 14,158,003 parameters.

    Raises:
        RestillError: An option has an invalid value.
    """

    spec: ClassVar[NetworkSpec] = NetworkSpec(
        task="derain",
        paper="SSID-KD, TCSVT 2022",
        frames_before=0,
        frames_after=0,
        feature="tail:input",
        head="tail",
        residual=True,
        levels=("down1", "up1", "decoded1"),
        encoder=("skip1", "skip2", "bottleneck"),
        decoder=("decoded2", "decoded1"),
        embedding="embedding",
    )

    def __init__(
        self,
        channels: Sequence[int] = (24, 32, 48),
        units: Sequence[int] = (10, 4, 2),
        connections: str = "concat",
        pyramids: int = 3,
        blocks: str = "both",
        shared: bool = True,
    ) -> None:
        super().__init__()
        _check(channels, units, connections, pyramids, blocks)
        (c1, c2, c4), (n1, n2, n4) = channels, units
        self.channels = c1, c2, c4
        self.offsets = connections in ("add", "concat")
        build = Build(blocks, shared, add=connections == "add", skips=connections != "none")
        self.skips = build.skips
        self.first = conv(3, c1, 3)
        self.encoder1, self.down1 = Dense(c1, n1, build, last=False), Between(c1, n1, c2, build)
        self.encoder2, self.down2 = Dense(c2, n2, build, last=False), Between(c2, n2, c4, build)
        self.encoder4, self.up2 = Dense(c4, n4, build, last=False), Between(c4, n4, c2, build)
        self.decoder2, self.up1 = Dense(c2, n2, build), Between(c2, n2, c1, build)
        self.decoder1 = Dense(c1, n1, build)
        self.at_half = HalfSize((c2, c4), (n2, n4), build) if pyramids >= 2 else None
        self.at_quarter = QuarterSize(c4, n4, build) if pyramids >= 3 else None
        self.tail = MinusRain(sum(channels[:pyramids]))
        # places to tap: no module outputs only this map
        self.embedding, self.decoded2, self.decoded1 = nn.Identity(), nn.Identity(), nn.Identity()
        self.skip1, self.skip2, self.bottleneck = nn.Identity(), nn.Identity(), nn.Identity()

    def forward(self, window: Tensor) -> Tensor:
        """Remove rain from a picture.

        Args:
            window: (B, 1, 3, H, W), any H and W; from 32, all scales of the PFFB differ.

        Returns:
            (B, 3, H, W), not clamped.
        """
        image = window[:, 0]  # (B, 3, H, W)
        c1, c2, c4 = self.channels
        full, half, quarter = part(image, 1), part(image, 2), part(image, 4)
        out2 = out4 = l2a = l2b = l4a = l4b = None
        if self.at_quarter is not None:
            out4, l4a = self.at_quarter(resize(image, quarter))  # (B, c4, H/4, W/4), (B, 3*c4, H/4, W/4)
        if self.at_half is not None:  # (B, c2, H/2, W/2), twice (B, 5*c2, H/2, W/2), (B, 3*c4, H/4, W/4)
            out2, l2a, l2b, l4b = self.at_half(resize(image, half), quarter, l4a if self.offsets else None)
        if not self.offsets:
            l2a = l2b = l4b = None

        l1, _ = self.encoder1(self.first(image))  # (B, 11*c1, H, W)
        e2 = self.down1(l1[:, c1:], half)  # (B, c2, H/2, W/2)
        m2, _ = self.encoder2(e2, l2a)  # (B, 5*c2, H/2, W/2)
        m4, _ = self.encoder4(self.down2(m2[:, c2:], quarter), l4b)  # (B, 3*c4, H/4, W/4)
        code = self.embedding(m4[:, -c4:])  # V: (B, c4, H/4, W/4)

        l1 = self.skip1(l1)
        e2, l2b, out2 = through(self.skip2, e2, l2b, out2)
        m4, out4 = through(self.bottleneck, cat([m4[:, c4:-c4], code], 1), out4)

        n2, o2 = self.decoder2(self.up2(m4, half), l2b)  # (B, 5*c2, H/2, W/2), (B, c2, H/2, W/2)
        o2 = self.decoded2(o2 + e2)
        d1 = self.up1(cat([n2[:, c2:-c2], o2], 1), full)  # (B, c1, H, W)
        _, o1 = self.decoder1(d1, l1 if self.skips else None)
        out1 = self.decoded1(o1 + l1[:, :c1])
        outs = [out1, *(resize(out, full) for out in (out2, out4) if out is not None)]
        return image + self.tail(cat(outs, 1))  # (1) O = B + R of SSID-KD: B = O - R


class HalfSize(nn.Module):
    """The encoder-decoder at half size: Dense at half, at quarter, at half size."""

    def __init__(self, channels: tuple[int, int], units: tuple[int, int], build: Build) -> None:
        super().__init__()
        (c2, c4), (n2, n4) = channels, units
        self.channels, self.skips = channels, build.skips
        self.first = conv(3, c2, 3)
        self.encoder2, self.down = Dense(c2, n2, build, last=False), Between(c2, n2, c4, build)
        self.encoder4, self.up = Dense(c4, n4, build, last=False), Between(c4, n4, c2, build)
        self.decoder2 = Dense(c2, n2, build)

    def forward(self, image: Tensor, quarter: Size, l4a: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the result, and the maps used later as offsets.

        Args:
            image: (B, 3, H/2, W/2).
            quarter: (H/4, W/4).
            l4a: (B, 3*c4, H/4, W/4), the offsets from quarter size.

        Returns:
            (B, c2, H/2, W/2); encoder's maps (B, 5*c2, H/2, W/2); decoder's maps, the same; maps (B, 3*c4, H/4, W/4).
        """
        c2, c4 = self.channels
        f2 = self.first(image)  # (B, c2, H/2, W/2)
        l2a, _ = self.encoder2(f2)  # (B, 5*c2, H/2, W/2)
        l4b, _ = self.encoder4(self.down(l2a[:, c2:], quarter), l4a)  # (B, 3*c4, H/4, W/4)
        d2 = self.up(l4b[:, c4:], part(image, 1))  # (B, c2, H/2, W/2)
        l2b, o2 = self.decoder2(d2, l2a if self.skips else None)
        return f2 + o2, l2a, l2b, l4b


class QuarterSize(nn.Module):
    """The quarter size: one Dense."""

    def __init__(self, c4: int, n4: int, build: Build) -> None:
        super().__init__()
        self.first, self.encoder4 = conv(3, c4, 3), Dense(c4, n4, build)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H/4, W/4) -> result (B, c4, H/4, W/4), maps (B, 3*c4, H/4, W/4)."""
        f4 = self.first(image)  # (B, c4, H/4, W/4)
        l4a, o4 = self.encoder4(f4)
        return f4 + o4, l4a


class MinusRain(nn.Module):
    """(B, C, H, W) -> (B, 3, H, W): the negative rain, to add to the picture."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.rain = conv(c, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return -self.rain(x)


def through(place: nn.Module, *parts: Tensor | None) -> list[Tensor | None]:
    """Pass all parts (B, C_i, h, w) that are not None through one module, so one tap sees them all."""
    there = [x for x in parts if x is not None]
    back = iter(place(cat(there, 1)).split([x.shape[1] for x in there], 1))
    return [None if x is None else next(back) for x in parts]


def _check(channels: Sequence[int], units: Sequence[int], connections: str, pyramids: int, blocks: str) -> None:
    for field, values in (("channels", channels), ("units", units)):
        if len(values) != 3 or min(values) < 1:
            raise RestillError(
                f"sid's {field} {list(values)} must be three numbers above 0, for full, half and quarter size"
            )
    for field, value, known in (
        ("connections", connections, CONNECTIONS),
        ("pyramids", pyramids, (1, 2, 3)),
        ("blocks", blocks, BLOCKS),
    ):
        if value not in known:
            raise RestillError(f"sid's {field} {value!r} must be one of {', '.join(map(str, known))}")
