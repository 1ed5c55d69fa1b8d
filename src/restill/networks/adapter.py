"""Adapter from any PyTorch module to Restill's network interface: window (B, K, C, H, W) to picture (B, C, sH, sW).

A user's module may take a picture or a clip, return a tensor, a list or a dict, and have any floating-point type. Its
inputs and outputs are found by trying it once, on a window of the size that it will get.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from restill.errors import RestillError
from restill.networks.outputs import NAMES, Picture, Place, as_picture, find_key, leaves, shape, take, wanted
from restill.networks.spec import NetworkSpec
from restill.progress import say

_OTHER = {"teacher": "teacher_picture=", "student": "student_picture="}


class Adapter(nn.Module):
    """Gives a user's module the interface of Restill's networks.

    Args:
        net: The module. It is not changed: layers keep their paths and the state dict keeps its keys.
        role: Its name in errors: "teacher", "student", "network".
        context: Frames on either side of the center in later windows.
        picture: Index or key of the picture among its outputs; by default the first of the largest, or the one of
            these with a name such as "picture" or "out".

    Attributes:
        frames: Number of frames that it takes; 0 means a picture (B, C, H, W). None before :meth:`fit`.
        example: The window (1, K, C, H, W) that it was fitted to; None before :meth:`fit`.
        scale: Output size divided by input size.
        spec: Facts for export and the runtime; None in distillation.
    """

    spec: NetworkSpec | None = None

    def __init__(self, net: nn.Module, role: str = "network", context: int = 0, picture: Picture | None = None) -> None:
        super().__init__()
        self.net = net
        self.role = role
        self.context = context
        self.picture = picture
        self.frames: int | None = None
        self.example: Tensor | None = None
        self.scale = 1
        self._place = Place("", 0, 0)
        self._said = False

    def forward(self, window: Tensor) -> Tensor:
        """The restored center frame, float32.

        Args:
            window: (B, 2 * context + 1, C, H, W), float32 in [0, 1].

        Returns:
            (B, C, s*H, s*W).

        Raises:
            RestillError: The module fails, or returns no picture.
        """
        if self.frames is None:
            self.fit(window)
        frames = self.frames or 0
        try:
            return self._run(self.net, window, frames)
        except _Unfit as error:
            raise RestillError(self._sentence(window, [(frames, error)])) from error.cause

    def fit(self, window: Tensor) -> None:
        """Find out what the module takes: all frames, fewer, or the center frame as a picture (B, C, H, W).

        A module that takes several frames but ignores the center one would restore the wrong frame, so it is tried
        with fewer. The module does not change.

        Args:
            window: (B, 2 * context + 1, C, H, W), like later windows; its first sample is used.

        Raises:
            RestillError: The module fails with every number of frames.
        """
        window = window[:1].detach()
        failed: list[tuple[int, _Unfit]] = []
        blind = None
        with as_for_use(self.net) as net:
            for frames in (*range(window.shape[1], 0, -2), 0):
                try:
                    picture = self._run(net, window, frames)
                    if frames <= 1 or self._sees_center(net, window, picture, frames):
                        self.frames = frames
                        break
                    blind = blind or frames
                except _Unfit as error:
                    failed.append((frames, error))
            else:
                self.frames = blind
            if self.frames is None:
                raise RestillError(self._sentence(window, failed)) from failed[0][1].cause
            self._run(net, window, self.frames)  # so that the recorded place is for this number of frames
            if net is not self.net:
                self._run(self.net, window, self.frames)  # initializes lazy layers
        self.example = window

    def fixed(self) -> nn.Module:
        """A copy for export, in eval mode and float32, with fixed places instead of checks of shapes."""
        return _Fixed(deepcopy(self.net).float().eval(), self.frames or 0, self._place)

    def _sees_center(self, net: nn.Module, window: Tensor, picture: Tensor, frames: int) -> bool:
        other = window.clone()
        other[:, window.shape[1] // 2] = 1 - other[:, window.shape[1] // 2]
        return not torch.equal(self._run(net, other, frames), picture)

    def _run(self, net: nn.Module, window: Tensor, frames: int) -> Tensor:
        """Run the module on this number of frames and return its picture.

        Raises:
            _Unfit: It fails, or returns no picture.
        """
        weight = next((p for p in net.parameters() if p.is_floating_point()), window)
        try:
            output = net(_shown(window, frames).to(weight.device, weight.dtype))
        except RestillError:
            raise
        except Exception as error:  # a module can raise anything
            raise _Unfit(f"{type(error).__name__}: {_first_line(error)}", error) from error
        self._place = self._find(output, window, frames)
        picture = take(output, self._place)
        self.scale = picture.shape[-1] // window.shape[-1]
        return picture.float()

    def _find(self, output: Any, window: Tensor, frames: int) -> Place:
        """Find the picture in the module's output.

        Raises:
            _Unfit: There is none.
        """
        found = dict(leaves(output))
        pictures = {key: place for key, value in found.items() if (place := as_picture(key, value, window))}
        given = ", ".join(f"{key} {shape(value, len(window))}".strip() for key, value in found.items())
        if self.picture is not None and found.keys() != {""}:
            key = find_key(self.picture, found)
            if key is None:
                raise _Unfit(f"it has no output {self.picture!r}; its outputs are: {given or 'no tensor'}")
            if key not in pictures:
                raise _Unfit(
                    f"its output {self.picture!r} is {shape(found[key], len(window))}, which is no {wanted(window)}"
                )
            return pictures[key]
        if not pictures:
            raise _Unfit(
                f"it gives {given or f'a value of type {type(output).__name__}'}, which is no {wanted(window)}"
            )
        if self._place.key in pictures:
            return pictures[self._place.key]
        key = max(pictures, key=lambda name: (found[name].shape[-1], name.split(".")[-1].lower() in NAMES))
        if len(pictures) > 1 and not self._said:
            self._said = True
            say(
                f"note: the {self.role} {class_name(self)} gives several pictures: {given}; Restill takes {key!r}; "
                f"{_OTHER.get(self.role, 'picture=')} chooses another"
            )
        return pictures[key]

    def _sentence(self, window: Tensor, failed: Sequence[tuple[int, _Unfit]]) -> str:
        """Describe what was tried and how it failed, each reason once."""
        c, h, w = window.shape[-3:]
        tried: dict[str, list[str]] = {}
        ran = [(frames, error) for frames, error in failed if error.cause is None]  # ran, but returned no picture
        for frames, error in ran or failed:
            shape = f"windows (B, frames, C, H, W) = (B, {frames}, {c}, {h}, {w})"
            shape = shape if frames else f"pictures (B, C, H, W) = (B, {c}, {h}, {w})"
            tried.setdefault(error.reason, []).append(shape)
        parts = "; ".join(f"on {' and '.join(shapes)}: {reason}" for reason, shapes in tried.items())
        context = f"with {self.context} frames of context on either side, " if self.context else ""
        return f"{context}the {self.role} {class_name(self)} fails {parts}"


class _Fixed(nn.Module):
    def __init__(self, net: nn.Module, frames: int, place: Place) -> None:
        super().__init__()
        self.net, self.frames, self.place = net, frames, place

    def forward(self, window: Tensor) -> Tensor:
        return take(self.net(_shown(window, self.frames)), self.place)


class _Unfit(Exception):
    """A module does not take a window, or returns no picture."""

    def __init__(self, reason: str, cause: Exception | None = None) -> None:
        super().__init__(reason)
        self.reason, self.cause = reason, cause


def adapt(network: nn.Module, role: str = "network", context: int = 0, picture: Picture | None = None) -> nn.Module:
    """Return one of Restill's networks in float32 unchanged, and any other module in an :class:`Adapter`.

    Raises:
        RestillError: It is not a module, or one whose layers cannot be accessed.
    """
    if isinstance(network, Adapter):
        return network
    if isinstance(network, torch.jit.ScriptModule):
        raise RestillError(
            f"the {role} is a TorchScript module, whose layers cannot be accessed; give the PyTorch module that it was "
            "made from"
        )
    if not isinstance(network, nn.Module):
        raise RestillError(f"the {role} {_no_module(network)}")
    if isinstance(getattr(network, "spec", None), NetworkSpec) and _dtype(network) == torch.float32:
        return network
    return Adapter(network, role, context, picture)


def unwrapped(network: nn.Module) -> nn.Module:
    """The module inside an :class:`Adapter`, or the module itself."""
    return network.net if isinstance(network, Adapter) else network


def class_name(network: nn.Module) -> str:
    """The name of a network's class, for messages."""
    return type(unwrapped(network)).__name__


@contextmanager
def as_for_use(network: nn.Module) -> Iterator[nn.Module]:
    """Yield the network in eval mode without gradients, and restore it and the random state afterwards.

    A module with lazy layers, which the first run would initialize, is copied.
    """
    lazy = any(isinstance(p, UninitializedParameter | UninitializedBuffer) for p in network.parameters())
    network = deepcopy(network) if lazy else network
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            yield network
    finally:
        for module, mode in modes.items():
            module.training = mode


def _shown(window: Tensor, frames: int) -> Tensor:
    """The middle ``frames`` of a window; with 0, the center frame as a picture."""
    middle = window.shape[1] // 2
    return window[:, middle - frames // 2 : middle + frames // 2 + 1] if frames else window[:, middle]


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["it gives no reason"])[0]


def _dtype(network: nn.Module) -> torch.dtype:
    """The type of a module's weights; float32 if it has none."""
    return next((p.dtype for p in network.parameters() if p.is_floating_point()), torch.float32)


def _no_module(given: Any) -> str:
    """Advice for a value that is not a module."""
    if isinstance(given, type):
        return f"is the class {given.__name__}; make a network of it first: {given.__name__}(...)"
    if isinstance(given, Mapping):
        return "is a dict, such as a state dict; build the module and load it: network.load_state_dict(...)"
    if callable(given):
        return f"is a function, '{getattr(given, '__name__', type(given).__name__)}'; put it into a torch.nn.Module"
    return f"must be a PyTorch module, a name of `restill networks` or a checkpoint, not {type(given).__name__}"
