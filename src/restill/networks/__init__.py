"""Networks by name, one line each. A class is imported when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from restill.errors import RestillError
from restill.networks.spec import NetworkSpec
from restill.registry import look_up

if TYPE_CHECKING:
    from torch import nn

NETWORKS = {
    "prednet-teacher": "restill.networks.prednet:Teacher",
    "prednet-student1": "restill.networks.prednet:Student1",
    "prednet-student2": "restill.networks.prednet:Student2",
    "prednet-student3": "restill.networks.prednet:Student3",
    "rill-s": "restill.networks.rill:RillS",
    "rill-m": "restill.networks.rill:RillM",
    "rill-l": "restill.networks.rill:RillL",
    "rill-xl": "restill.networks.rill:RillXL",
    "rill-p": "restill.networks.rill:RillP",
    "min-median": "restill.networks.min_median:MinMedian",
    "restormer": "restill.networks.restormer:Restormer",
    "res-sl": "restill.networks.restormer:ResSL",
    "drsformer": "restill.networks.drsformer:DRSformer",
    "drs-sl": "restill.networks.drsformer:DRSSL",
    "uformer-b": "restill.networks.uformer:UformerB",
    "ufor-sl": "restill.networks.uformer:UforSL",
    "prenet": "restill.networks.prenet:PReNet",
    "s2vd": "restill.networks.s2vd:S2VD",
    "bicubic": "restill.networks.bicubic:Bicubic",
    "vdsr": "restill.networks.vdsr:VDSR",
    "vsrnet": "restill.networks.vsrnet:VSRNet",
    "vespcn": "restill.networks.vespcn:VESPCN",
    "fastdvdnet-vsr": "restill.networks.fastdvdnet:FastDVDnetVSR",
    "fastdvdnet-vsr-half": "restill.networks.fastdvdnet:FastDVDnetVSRHalf",
    "fastdvdnet-vsr-quarter": "restill.networks.fastdvdnet:FastDVDnetVSRQuarter",
    "rbpn": "restill.networks.rbpn:RBPN",
    "sof-vsr": "restill.networks.sofvsr:SOFVSR",
    "d3dnet": "restill.networks.d3dnet:D3Dnet",
    "sid": "restill.networks.sid:SID",
    "edvr-m": "restill.networks.edvr:EDVRM",
    "edvr-l": "restill.networks.edvr:EDVRL",
    "pisr-teacher": "restill.networks.pisr:PrivilegedTeacher",
}

__all__ = ["NETWORKS", "NetworkSpec", "create", "network_class"]


def network_class(name: str) -> type[nn.Module]:
    """The class of a network, by name.

    Raises:
        RestillError: The name is unknown.
    """
    return look_up(NETWORKS, "network", name)


def create(name: str, **options: Any) -> nn.Module:
    """Create a network with new weights.

    Args:
        name: One of :data:`NETWORKS`.
        options: Options of the class, such as ``channels=8``.

    Raises:
        RestillError: The name or an option is unknown.
    """
    cls = network_class(name)
    try:
        return cls(**options)
    except TypeError as error:
        raise RestillError(f"network '{name}' does not take these options: {error}") from error
