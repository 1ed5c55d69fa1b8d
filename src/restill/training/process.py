"""The global state that training changes and restores: threads, random generators, PyTorch's switches."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from accelerate.state import AcceleratorState

RandomState = dict[str, torch.Tensor]


def _deterministic() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _set_deterministic(value: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(value[0], warn_only=value[1])


def _flushes_denormals() -> bool:
    return bool(torch.tensor(1e-40) * 1 == 0)


def _set_environment(value: dict[str, str]) -> None:
    for name in os.environ.keys() - value.keys():
        del os.environ[name]
    os.environ.update({name: text for name, text in value.items() if os.environ.get(name) != text})


def _accelerate() -> dict[str, Any]:
    return dict(AcceleratorState._shared_state)


def _set_accelerate(value: dict[str, Any]) -> None:
    AcceleratorState._shared_state.clear()
    AcceleratorState._shared_state.update(value)


# a getter and a setter for each piece of global state
_STATE: tuple[tuple[Callable[[], Any], Callable[[Any], Any]], ...] = (
    (torch.get_num_threads, torch.set_num_threads),
    (cv2.getNumThreads, cv2.setNumThreads),
    (torch.get_default_dtype, torch.set_default_dtype),
    (_flushes_denormals, torch.set_flush_denormal),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (_deterministic, _set_deterministic),
    (lambda: torch.backends.cudnn.benchmark, lambda value: setattr(torch.backends.cudnn, "benchmark", value)),
    (lambda: dict(os.environ), _set_environment),
    (_accelerate, _set_accelerate),
)


@contextmanager
def restore_global_state() -> Iterator[None]:
    """Restore all global state at the end, also after an error. Also a decorator: ``@restore_global_state()``."""
    before = [(put, get()) for get, put in _STATE]
    numbers = random_state()
    try:
        yield
    finally:
        set_random_state(numbers)
        for put, value in before:
            put(value)


def random_state() -> RandomState:
    """The states of the random generators of torch (CPU and GPUs), numpy and Python, as tensors."""
    _, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)  # noqa: NPY002 - users draw from it
    version, words, next_gauss = random.getstate()
    state = {
        "torch": torch.get_rng_state(),
        "numpy": torch.from_numpy(np.asarray(keys, np.int64)),
        "numpy_rest": torch.tensor([position, has_gauss, gauss], dtype=torch.float64),
        "python": torch.tensor([version, *words], dtype=torch.int64),
        "python_rest": torch.tensor([math.nan if next_gauss is None else next_gauss], dtype=torch.float64),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state |= {f"cuda{i}": value for i, value in enumerate(torch.cuda.get_rng_state_all())}
    return state


def set_random_state(state: RandomState) -> None:
    """Restore what :func:`random_state` returned. A generator that is not in it does not change."""
    torch.set_rng_state(state["torch"])
    if "numpy" in state:
        position, has_gauss, gauss = state["numpy_rest"].tolist()
        keys = state["numpy"].numpy().astype(np.uint32)
        np.random.set_state(("MT19937", keys, int(position), int(has_gauss), gauss))  # noqa: NPY002
        version, *words = state["python"].tolist()
        next_gauss = state["python_rest"].item()
        random.setstate((version, tuple(words), None if math.isnan(next_gauss) else next_gauss))
    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            if f"cuda{i}" in state:
                torch.cuda.set_rng_state(state[f"cuda{i}"], i)


def seed_all(seed: int, *more: int) -> None:
    """Seed torch, numpy and Python from one or more numbers."""
    if more:
        seed = int(np.random.SeedSequence([seed, *more]).generate_state(1)[0])
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    random.seed(seed)


def usable_cpus() -> int:
    """CPUs that this process may use: its affinity and its control group's quota, rounded up."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cpus, _quota()))


def _quota() -> int:
    """CPUs that the control group (a container's limit) allows; a very large number without a limit."""
    for files in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):
        try:
            quota, period = " ".join((Path("/sys/fs/cgroup") / file).read_text() for file in files).split()
        except (OSError, ValueError):
            continue
        if quota.isdigit() and int(period):
            return math.ceil(int(quota) / int(period))
    return 1 << 16
