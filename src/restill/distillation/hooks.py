"""Features of any network, by a forward hook on a module path; the network is not changed."""

from __future__ import annotations

import re
from difflib import get_close_matches
from types import TracebackType
from typing import Any

from torch import Tensor, nn

from restill.errors import RestillError
from restill.networks.adapter import class_name, unwrapped

_PATH = re.compile(r"(?P<name>[^@:]*)(@(?P<run>\d+|last))?(:(?P<what>input))?")


class FeatureHook:
    """Context manager that records the output of a module, or its input.

    If a later in-place operation (``nn.ReLU(inplace=True)``) changes the tensor, :attr:`value` is a copy from before.

    >>> import torch
    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 3, 3))
    >>> with FeatureHook(net, "2:input") as feature:
    ...     _ = net(torch.zeros(1, 3, 9, 9))
    >>> feature.value.shape
    torch.Size([1, 8, 7, 7])

    Args:
        network: Any module; it is not changed.
        path: A module path as :meth:`torch.nn.Module.get_submodule` takes it, for that module's output;
            ``path:input`` for its first input; "" for the network itself. If a module runs several times in one
            pass, ``path@0`` is its first run, ``path@1`` the second, ``path@last`` the last; ``path@0:input`` is the
            input of the first.

    Raises:
        RestillError: The path has another form, or there is no module at it.
    """

    def __init__(self, network: nn.Module, path: str) -> None:
        self.path = path
        self._network = network
        self._module = find_module(network, module_path(path))
        parts = _PATH.fullmatch(path)
        assert parts is not None  # noqa: S101 - module_path has checked it
        self._input, self._run = parts["what"] == "input", parts["run"]
        self._values: list[tuple[Any, Any, int | None]] = []  # the value, its copy, its version
        self._runs = 0
        self._handles: list[Any] = []

    def __enter__(self) -> FeatureHook:
        self._begin()
        self._handles = [self._network.register_forward_pre_hook(lambda *_: self._begin())]  # count each pass anew
        if self._input:
            handle = self._module.register_forward_pre_hook(
                lambda module, args, kwargs: self._keep(next(iter((*args, *kwargs.values())), None)), with_kwargs=True
            )
        else:
            handle = self._module.register_forward_hook(lambda module, args, output: self._keep(output))
        self._handles.append(handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()

    def _begin(self) -> None:
        self._values, self._runs = [], 0

    def _keep(self, found: Any) -> None:
        if self._run in (None, "last", str(self._runs)):
            self._values = [(found, found.clone(), _version(found)) if isinstance(found, Tensor) else (found, None, 0)]
        self._runs += 1

    @property
    def value(self) -> Tensor:
        """The recorded tensor.

        Raises:
            RestillError: The module has not run, or not that often; it ran several times and the path does not name
                the run; or the value is not one tensor.
        """
        if not self._values:
            why = "did not run it" if self._runs == 0 else f"ran it only {self._runs} times"
            raise RestillError(f"no feature at '{self.path}': the network {why}")
        if self._run is None and self._runs > 1:
            name, _, what = self.path.partition(":")
            first, last, any_run = (f"'{name}@{run}{':' * bool(what)}{what}'" for run in (0, self._runs - 1, "last"))
            raise RestillError(
                f"the network runs the module '{self.path}' {self._runs} times in one pass; name the run: "
                f"{first} (the first) to {last}, or {any_run}"
            )
        found, copy, version = self._values[0]
        if not isinstance(found, Tensor):
            raise RestillError(
                f"the feature at '{self.path}' must be one tensor, but it is a value of type {type(found).__name__}"
            )
        return copy if version is None or found._version != version else found


def _version(tensor: Tensor) -> int | None:
    """How often a tensor was changed in place; None in inference mode, where PyTorch does not count."""
    return None if tensor.is_inference() else tensor._version


def module_path(path: str) -> str:
    """The module path without ``@run`` and ``:input``.

    Raises:
        RestillError: The path is not text, or has another form.
    """
    parts = _PATH.fullmatch(path) if isinstance(path, str) else None
    if parts is None:
        raise RestillError(
            f"{path!r} must be a module path, such as 'body.5'; it may end in '@0', '@1' ... or '@last' (which run "
            "of a module that runs several times) and in ':input'"
        )
    return parts["name"]


class FeatureReplacement:
    """Context manager that replaces the outputs of modules, to put one network's features into another.

    The modules still run; only their outputs are replaced, and the rest of the network uses the replacements.

    >>> import torch
    >>> net = nn.Sequential(nn.Identity(), nn.ReLU())
    >>> with FeatureReplacement(net, {"0": torch.full((1,), 7.0)}):
    ...     net(torch.zeros(1))
    tensor([7.])

    Args:
        network: Any module; it is not changed.
        tensors: The output of each module path.

    Raises:
        RestillError: There is no module at a path, or the path ends in ``:input`` or ``@run``.
    """

    def __init__(self, network: nn.Module, tensors: dict[str, Tensor]) -> None:
        for path in tensors:
            if module_path(path) != path:
                raise RestillError(
                    f"features can replace only a module's output, not the value at '{path}'; name the module"
                )
        self._tensors = {find_module(network, path): tensor for path, tensor in tensors.items()}
        self._handles: list[Any] = []

    def __enter__(self) -> FeatureReplacement:
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
        RestillError: There is none; the message names similar paths and the modules at the last level that exists.
    """
    if not path:
        return network
    network = unwrapped(network)
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
        f"{class_name(network)} has no module '{path}': there is no '{missing}' {where}, only: {children}{meant}"
    )
