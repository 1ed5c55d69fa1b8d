"""Options that make each network small enough for the fast tests. Every network of NETWORKS needs a line here."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest


class _Options(dict[str, dict[str, Any]]):
    """Options by network. A missing network fails the test with a sentence."""

    def __missing__(self, name: str) -> NoReturn:
        pytest.fail(
            f"network '{name}' has no small options: add a line for it to SMALL in tests/networks/small_networks.py"
        )


SMALL = _Options()
SMALL |= {
    "prednet-teacher": {"channels": 8},
    "prednet-student1": {"channels": 8},
    "prednet-student2": {"channels": 8},
    "prednet-student3": {"channels": 8},
    "rill-s": {"channels": 8},
    "rill-m": {"channels": 8},
    "rill-p": {"channels": 8, "pairs": 2},
    "rill-l": {"channels": 8},
    "rill-xl": {"channels": 8},
    "min-median": {},
    "restormer": {"channels": 4, "blocks": [0, 0, 0, 1], "refinement": 0},
    "res-sl": {"channels": 4, "blocks": [0, 0, 0, 0], "refinement": 1, "layer_norm": "bias_free"},
    "drsformer": {"channels": 6, "blocks": [0, 0, 0, 1], "mefc_steps": 1},
    "drs-sl": {"channels": 4, "blocks": [0, 0, 0, 1], "mefc_steps": 0},
    "uformer-b": {"channels": 4, "depths": [0, 0, 2], "window": 2},
    "ufor-sl": {"channels": 4, "depths": [0, 1, 0], "window": 2},
    "prenet": {"channels": 4, "iterations": 2},
    "s2vd": {"channels": 4, "frames": 3},
    "bicubic": {},
    "vdsr": {"width": 4},
    "vsrnet": {"width": 4, "frames": 5},
    "vespcn": {"channels": 8, "flow_width": 8},
    "fastdvdnet-vsr": {"channels": 8, "width": 8, "hr_channels": 8},
    "fastdvdnet-vsr-half": {"channels": 8, "width": 8, "hr_channels": 8},
    "fastdvdnet-vsr-quarter": {"channels": 4, "width": 8, "hr_channels": 8},
    "rbpn": {"frames": 3, "channels": 8, "hr_channels": 4},
    "sof-vsr": {"channels": 8, "hr_channels": 4, "flow_blocks": 1},
    "d3dnet": {"width": 2},
    "edvr-m": {"channels": 8, "blocks": 2, "frames": 5},
    "edvr-l": {"channels": 8, "blocks": 2, "frames": 3},
    "pisr-teacher": {"options": {"width": 4}, "width": 4, "narrow": 4},
    "sid": {"channels": [4, 6, 8], "units": [1, 1, 1], "blocks": "mffb", "pyramids": 1},
}

# Only make test-all exports these: tracing takes eight seconds or more at any size, or another network here has the
# same code.
SLOW_EXPORT = {"edvr-m", "edvr-l", "d3dnet", "sof-vsr", "fastdvdnet-vsr-half", "fastdvdnet-vsr-quarter"}
SLOW_EXPORT |= {"fastdvdnet-vsr", "drsformer", "vespcn", "uformer-b", "restormer", "drs-sl", "res-sl"}
SLOW_EXPORT |= {"rill-m", "rill-l", "rill-xl", "sid", "vsrnet", "vdsr", "s2vd", "ufor-sl"}
SLOW_EXPORT |= {"prednet-teacher", "prednet-student2", "prednet-student3"}
