"""Modules as people have them: other inputs, outputs, types and sizes than Restill's own, and the ways they refuse."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Named = namedtuple("Named", ["rain", "picture"])


@dataclass
class Answer:
    picture: Tensor
    confidence: Tensor


class Own(nn.Module):
    """What all of them share: a body and a head, in the shape of most published networks."""

    def __init__(self, width: int = 4, channels: int = 3) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True))
        self.last = nn.Conv2d(width, channels, 3, padding=1)

    def restore(self, x: Tensor) -> Tensor:
        return self.last(self.body(x)) + x

    def forward(self, x: Tensor) -> Any:
        return self.restore(x)


class Clip(Own):
    def forward(self, x: Tensor) -> Any:
        return self.restore(x[:, x.shape[1] // 2])


class FirstFrame(Own):  # the README's: it knows of one frame only
    def forward(self, x: Tensor) -> Any:
        return self.restore(x[:, 0])


class Three(Own):
    def __init__(self, width: int = 4) -> None:
        super().__init__(width)
        self.body = nn.Sequential(nn.Conv2d(9, width, 3, padding=1), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Any:
        b, k, c, h, w = x.shape
        return self.last(self.body(x.reshape(b, k * c, h, w))) + x[:, 1]


class WholeClip(Own):  # a picture for each frame, as BasicVSR gives them
    def forward(self, x: Tensor) -> Any:
        b, k = x.shape[:2]
        return self.restore(x.flatten(0, 1)).unflatten(0, (b, k))


class Stages(Own):
    def forward(self, x: Tensor) -> Any:
        y = self.restore(x)
        return [y, 0.5 * y]


class Coarse(Own):  # the finest comes last
    def forward(self, x: Tensor) -> Any:
        y = self.restore(x)
        return nn.functional.avg_pool2d(y, 2), y


class Dict(Own):
    def forward(self, x: Tensor) -> Any:
        return {"loss": x.mean(), "mask": x[:, :1], "out": self.restore(x)}


class Tuple(Own):
    def forward(self, x: Tensor) -> Any:
        return Named(0.1 * x, self.restore(x))


class Data(Own):
    def forward(self, x: Tensor) -> Any:
        return Answer(self.restore(x), x.mean())


class Deep(Own):  # several pictures while it is trained, one in use
    def forward(self, x: Tensor) -> Any:
        y = self.restore(x)
        return [y, 0.9 * y] if self.training else y


class Tied(Own):
    def __init__(self, width: int = 4) -> None:
        super().__init__(width)
        self.a = nn.Conv2d(width, width, 3, padding=1)
        self.b = self.a
        self.c = nn.Conv2d(width, width, 3, padding=1)
        self.c.weight = self.a.weight

    def restore(self, x: Tensor) -> Tensor:
        return self.last(self.c(self.b(self.a(self.body(x))))) + x


class Views(Own):
    def __init__(self) -> None:
        super().__init__()
        base = torch.zeros(2, 4)
        for index, name in enumerate(("upper", "lower")):
            self.register_buffer(name, base[index])
        self.register_buffer("same", torch.zeros(1).expand(3))


class Sparse(Own):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("sparse", torch.eye(3).to_sparse())


class Extra(Own):
    def get_extra_state(self) -> dict[str, int]:
        return {"version": 1}

    def set_extra_state(self, state: Any) -> None:
        pass


class Lazy(Own):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.LazyConv2d(4, 3, padding=1), nn.ReLU(inplace=True))


class Fixed(Own):  # a position code for one size
    def __init__(self) -> None:
        super().__init__()
        self.code = nn.Parameter(0.1 * torch.ones(3, 24, 24))

    def restore(self, x: Tensor) -> Tensor:
        return super().restore(x + self.code)


class Windowed(Own):
    def restore(self, x: Tensor) -> Tensor:
        assert max(side % 12 for side in x.shape[-2:]) == 0, "sizes must be multiples of the window 12"
        b, c, h, w = x.shape
        cells = x.view(b, c, h // 12, 12, w // 12, 12)
        return super().restore((cells - cells.mean((3, 5), keepdim=True)).view(b, c, h, w) + x)


class Keyword(Own):
    def restore(self, x: Tensor) -> Tensor:
        return self.last(input=self.body(input=x)) + x


class Twice(Own):  # one body that runs several times
    def restore(self, x: Tensor) -> Tensor:
        y = x
        for _ in range(2):
            y = self.last(self.body(y)) + x
        return y


class Norm(Own):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))


class Double(Own):  # super-resolution, where the clean pictures are no larger
    def restore(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(super().restore(x), scale_factor=2)


class OneChannel(Own):
    def restore(self, x: Tensor) -> Tensor:
        return super().restore(x).mean(1, keepdim=True)


class Cropped(Own):
    def restore(self, x: Tensor) -> Tensor:
        return super().restore(x)[..., 1:-1, 1:-1]


class Broken(Own):
    def restore(self, x: Tensor) -> Tensor:
        raise KeyError("a stranger's bug")


class Text(Own):
    def forward(self, x: Tensor) -> Any:
        return "no picture"


def scripted() -> nn.Module:
    return torch.jit.script(nn.Sequential(nn.Conv2d(3, 3, 3, padding=1)))


# name -> (how to make it, what the sentence says where it is refused)
WORK: dict[str, Any] = {
    "picture": Own,
    "sequential": lambda: nn.Sequential(nn.Conv2d(3, 3, 3, padding=1)),
    "clip": Clip,
    "first frame": FirstFrame,
    "whole clip": WholeClip,
    "stages": Stages,
    "coarse": Coarse,
    "dict": Dict,
    "named tuple": Tuple,
    "dataclass": Data,
    "deep supervision": Deep,
    "tied": Tied,
    "views": Views,
    "lazy": Lazy,
    "fixed size": Fixed,
    "windowed": Windowed,
    "keyword": Keyword,
    "norm": Norm,
    "double precision": lambda: Own().double(),
    "half": lambda: Own().half(),
    "bfloat16": lambda: Own().bfloat16(),
    "channels last": lambda: Own().to(memory_format=torch.channels_last),
    "weight norm": lambda: _normed(),
}
REFUSED: dict[str, tuple[Any, str]] = {
    "one channel": (OneChannel, r"gives \(B, 1, 24, 24\), which is no picture \(B, 3, 24, 24\)"),
    "cropped": (Cropped, r"gives \(B, 3, 22, 22\), which is no picture"),
    "broken": (Broken, r"fails on .*\(B, 3, 24, 24\).*KeyError: \"a stranger's bug\""),
    "text": (Text, "gives a value of type str"),
    "scripted": (scripted, "TorchScript module"),
    "class": (lambda: Own, r"is the class Own; make a network of it first: Own\(...\)"),
    "function": (lambda: torch.relu, "is a function"),
    "state dict": (lambda: Own().state_dict(), "a state dict; build the module"),
    "number": (lambda: 3, "must be a PyTorch module"),
}


def _normed() -> nn.Module:
    net = Own()
    nn.utils.parametrizations.weight_norm(net.last)
    return net
