"""What runs the work: processes of this machine, or a Ray cluster. Each gives a future."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from restill.errors import TryAgain, need_extra
from restill.restoring.archive.items import Item
from restill.restoring.archive.work import Order

Work = Callable[..., Any]  # a function of restill.restoring.archive.work
LOCAL = "local"
PR_SET_PDEATHSIG = 1


class Engine(Protocol):
    """Runs work."""

    slots: int  # pieces of work to hand over at a time

    def submit(self, work: Work, item: Item, *more: Any) -> Future[Any]:
        """Begin ``work(item, order, *more)``. The future raises if the worker died."""
        ...


class Processes:
    """Processes of this machine. One that dies costs only its work, and another one takes its place."""

    def __init__(self, pool: Any, jobs: int, order: Order) -> None:
        self._pool, self.slots, self._order = pool, jobs, order

    def submit(self, work: Work, item: Item, *more: Any) -> Future[Any]:
        return self._pool.schedule(work, args=(item, self._order, *more))


class Cluster:
    """A Ray cluster. Each piece of work is a task that takes as many CPUs as it has threads."""

    def __init__(self, ray: Any, order: Order, threads: int) -> None:
        self.slots = max(1, int(ray.cluster_resources().get("CPU", 1)) // threads) * 2  # the next ones wait there
        self._task = ray.remote(num_cpus=threads, max_retries=0)(_call)
        self._order = ray.put(order)

    def submit(self, work: Work, item: Item, *more: Any) -> Future[Any]:
        return self._task.remote(work, item, self._order, *more).future()


@contextmanager
def processes(jobs: int, order: Order) -> Iterator[Engine]:
    """Processes for so many items at a time."""
    from pebble import ProcessPool

    pool = ProcessPool(jobs, initializer=_begin, initargs=(os.getpid(),), context=multiprocessing.get_context("spawn"))
    try:
        yield Processes(pool, jobs, order)
    finally:
        pool.stop()
        pool.join()


@contextmanager
def cluster(address: str, jobs: int, order: Order, threads: int) -> Iterator[Engine]:
    """A Ray cluster at an address, or ``local`` for one on this machine, which ends with the command.

    Raises:
        RestillError: Ray is not installed, or the cluster does not answer.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise need_extra("ray", "cluster", "--cluster") from error
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    settings: dict[str, Any] = {"address": address}
    if address == LOCAL:
        settings = {"address": "local", "num_cpus": jobs * threads, "include_dashboard": False}
    try:
        ray.init(**settings, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        words = " ".join(str(error).split())
        raise TryAgain(f"the Ray cluster '{address}' cannot be reached: {words}") from error
    try:
        yield Cluster(ray, order, threads)
    finally:
        ray.shutdown()


def _call(work: Work, *args: Any) -> Any:
    """Do the work, as a task of the cluster."""
    return work(*args)


def _begin(parent: int) -> None:
    """Make a worker ready: Ctrl-C is the parent's affair, and without a parent there is no work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError, AttributeError, TypeError):  # Linux
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before that
        os._exit(1)
