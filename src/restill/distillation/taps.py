"""Features out of a network that knows nothing of it: a tap on a module path, by a forward hook."""

from __future__ import annotations

from difflib import get_close_matches
from types import TracebackType
from typing import Any

from torch import Tensor, nn

from restill.errors import RestillError


class Tap:
    """What a module gives, or what goes into it, while the tap is open.

    >>> import torch
    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 3, 3))
    >>> with Tap(net, "2:input") as tap:
    ...     _ = net(torch.zeros(1, 3, 9, 9))
    >>> tap.value.shape
    torch.Size([1, 8, 7, 7])

    Args:
        network: Any module; it is not changed.
        path: A module path as :meth:`torch.nn.Module.get_submodule` takes it, for that module's output;
            ``path:input`` for its first input; "" for the network itself.

    Raises:
        RestillError: There is no module at the path.
    """

    def __init__(self, network: nn.Module, path: str) -> None:
        self.path = path
        name, colon, what = path.partition(":")
        if colon and what != "input":
            raise RestillError(f"tap '{path}' must end in ':input' or in the module's name alone")
        self._input = what == "input"
        self._module = find_module(network, name)
        self._value: Tensor | None = None
        self._handle: Any = None

    def __enter__(self) -> Tap:
        self._value = None
        self._handle = self._module.register_forward_hook(self._keep)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.remove()

    def _keep(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        self._value = inputs[0] if self._input else output

    @property
    def value(self) -> Tensor:
        """The tensor of the last time the module ran.

        Raises:
            RestillError: The module has not run, or gives something that is not one tensor.
        """
        if not isinstance(self._value, Tensor):
            found = "nothing: the network did not run that module" if self._value is None else type(self._value)
            raise RestillError(f"tap '{self.path}' must find one tensor, but found {found}")
        return self._value


class Graft:
    """While it is open, modules give other tensors than they made: one network's features in another.

    The modules still run; only what they give is replaced, so the rest of the network goes on from there.

    >>> import torch
    >>> net = nn.Sequential(nn.Identity(), nn.ReLU())
    >>> with Graft(net, {"0": torch.full((1,), 7.0)}):
    ...     net(torch.zeros(1))
    tensor([7.])

    Args:
        network: Any module; it is not changed.
        tensors: What each module path is to give.

    Raises:
        RestillError: There is no module at a path, or the path ends in ``:input``.
    """

    def __init__(self, network: nn.Module, tensors: dict[str, Tensor]) -> None:
        for path in tensors:
            if ":" in path:
                raise RestillError(f"features can only be put in a module's place, not at '{path}'; name the module")
        self._tensors = {find_module(network, path): tensor for path, tensor in tensors.items()}
        self._handles: list[Any] = []

    def __enter__(self) -> Graft:
        for module, tensor in self._tensors.items():
            self._handles.append(module.register_forward_hook(lambda *_, tensor=tensor: tensor))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()


def find_module(network: nn.Module, path: str) -> nn.Module:
    """The module at a path.

    Raises:
        RestillError: There is none; the sentence names the nearest paths and what stands where the path breaks off.
    """
    try:
        return network.get_submodule(path)
    except AttributeError:
        pass
    here, missing = network, path
    found: list[str] = []
    for part in path.split("."):
        child = dict(here.named_children()).get(part)
        if child is None:
            missing = part
            break
        here = child
        found.append(part)
    where = f"in '{'.'.join(found)}'" if found else "in it"
    children = ", ".join(name for name, _ in here.named_children()) or "nothing"
    near = get_close_matches(path, [name for name, _ in network.named_modules() if name], n=3)
    meant = f"; did you mean {' or '.join(near)}?" if near else ""
    raise RestillError(
        f"{type(network).__name__} has no module '{path}': there is no '{missing}' {where}, only: {children}{meant}"
    )
