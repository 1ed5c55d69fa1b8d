"""The description of the machine in a report."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import av
import cv2

from restill.runtime import backends
from restill.version import __version__


@dataclass(frozen=True)
class Machine:
    """The machine and the software of a run.

    Attributes:
        cpu: Name of the processor, from the system.
        cores: Cores that this process may use.
        system: Operating system, processor family and Python.
        load: Processes that ran or waited on average in the minute before; None if the system does not tell.
        versions: Versions of Restill and of the libraries used.
    """

    cpu: str
    cores: int
    system: str
    load: float | None
    versions: dict[str, str]

    @property
    def busy(self) -> bool:
        """Whether other programs ran in the minute before."""
        return self.load is not None and self.load > 0.5

    def __str__(self) -> str:
        cores = f"{self.cores} core" + "s" * (self.cores != 1)
        load = "" if self.load is None else f", load before {self.load:.1f}"
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return f"{self.cpu}, {cores}{load}; {self.system}; {versions}"


def machine(used: Iterable[str]) -> Machine:
    """Describe this machine.

    Args:
        used: The backends that are measured.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    versions = {"restill": __version__}
    versions |= {backend: (backends.version(backend) or "").partition("-")[0] for backend in dict.fromkeys(used)}
    versions |= {"opencv": cv2.__version__, "av": av.__version__}
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return Machine(_cpu(), cores, system, load, versions)


def _cpu() -> str:
    """The name of the processor."""
    table = Path("/proc/cpuinfo")
    if table.is_file():
        for line in table.read_text(encoding="utf-8", errors="replace").splitlines():
            field, _, value = line.partition(":")
            if field.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine() or "unknown processor"
