"""Parameters and multiply-accumulates of every network, against the paper it is from.

To add a network, add a row to ``COUNTS``::

    Row("NAME", PARAMETERS, "CONVENTION", (HEIGHT, WIDTH), MACS)

``CONVENTION`` is one of ``restill.networks.complexity.CONVENTIONS``: ``all`` (every multiply-accumulate of
convolutions, linear layers and attention, nothing else), ``cstd`` (plus one per output of a convolution with a bias),
``std`` (without what a deformable convolution does itself), ``slkd`` (plus 5 per element of an ``nn.LayerNorm``),
``ssid`` (plus biases, elements of ReLU modules and what is pooled). The size is the input's. ``MACS`` is an exact int,
or a text with as many digits as are known, such as ``"619.53 G"``: the count has to round to it. A network may have
several rows (sizes, conventions, options: ``Row(..., {"channels": 8})``). Networks are made and run on the meta device:
size costs nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch

from restill.networks import NETWORKS, create
from restill.networks.complexity import count

torch.set_num_threads(1)


class Row(NamedTuple):
    network: str
    parameters: int
    convention: str
    size: tuple[int, int]
    macs: int | str
    options: dict[str, Any] = {}  # noqa: RUF012 - never changed


COUNTS = [
    Row("prednet-teacher", 2_002_371, "all", (128, 128), 127_515_230_208),
    Row("prednet-teacher", 2_002_371, "cstd", (128, 128), 127_603_359_744),
    Row("prednet-student1", 136_563, "all", (128, 128), 5_747_245_056),
    Row("prednet-student1", 136_563, "cstd", (128, 128), 5_761_449_984),
    Row("prednet-student2", 81_139, "all", (128, 128), 2_802_843_648),
    Row("prednet-student2", 81_139, "cstd", (128, 128), 2_810_232_832),
    Row("prednet-student3", 186_723, "all", (128, 128), 3_048_210_432),
    Row("prednet-student3", 186_723, "cstd", (128, 128), 3_059_269_632),
    Row("rill-s", 13_622, "all", (128, 128), 3_384 * 128 * 128),
    Row("rill-m", 64_166, "all", (128, 128), 15_984 * 128 * 128),
    Row("rill-p", 117_932, "all", (128, 128), 29_376 * 128 * 128),
    Row("rill-l", 121_958, "all", (128, 128), 30_384 * 128 * 128),
    Row("rill-xl", 265_878, "all", (128, 128), 66_312 * 128 * 128),
    Row("min-median", 0, "all", (128, 128), 0),
    Row("restormer", 26_126_644, "slkd", (512, 512), "619.53 G"),
    Row("res-sl", 3_537_482, "slkd", (512, 512), "85.02 G"),
    Row("drsformer", 33_655_424, "slkd", (512, 512), "971.92 G"),
    Row("drs-sl", 4_599_380, "slkd", (512, 512), "131.98 G"),
    Row("uformer-b", 50_880_946, "slkd", (512, 512), "347.56 G"),
    Row("ufor-sl", 7_855_234, "slkd", (512, 512), "57.08 G"),
    Row("prenet", 168_963, "all", (128, 128), "16.56 G"),
    Row("prenet", 168_963, "all", (256, 256), "66.25 G"),
    Row("prenet", 168_963, "all", (512, 512), "265.0 G"),
    Row("prenet", 168_963, "ssid", (256, 256), "66.58 G"),
    Row("prenet", 168_963, "slkd", (512, 512), "176.7 G", {"iterations": 4}),  # what SLKD prints for PReNet
    Row("s2vd", 525_260, "all", (128, 128), "12.74 G"),
    Row("sid", 4_433_779, "all", (128, 128), "64.314 G"),
    Row("sid", 4_433_779, "ssid", (128, 128), "64.66 G"),
    Row("sid", 4_433_779, "all", (256, 256), "257.26 G"),
    Row("bicubic", 0, "all", (120, 180), 0),
    Row("vdsr", 665_921, "std", (120, 180), "229.7 G"),
    Row("vdsr", 668_227, "std", (120, 180), "230.5 G", {"channels": 3}),
    Row("vsrnet", 395_969, "std", (120, 180), "136.7 G"),
    Row("vsrnet", 283_073, "std", (120, 180), "97.7 G", {"frames": 5}),
    Row("vespcn", 841_859, "std", (120, 180), "39.35 G"),
    Row("fastdvdnet-vsr", 4_067_865, "std", (120, 180), "60.4 G"),
    Row("fastdvdnet-vsr-half", 3_874_201, "std", (120, 180), "51.4 G"),
    Row("fastdvdnet-vsr-quarter", 3_805_017, "std", (120, 180), "47.6 G"),
    Row("edvr-m", 3_300_131, "all", (120, 180), "182.6 G", {"frames": 5}),
    Row("edvr-m", 3_300_131, "std", (120, 180), "173.3 G", {"frames": 5}),
    Row("edvr-m", 3_316_515, "all", (120, 180), "236.6 G"),
    Row("edvr-m", 3_316_515, "std", (120, 180), "223.7 G"),
    Row("edvr-l", 20_699_363, "all", (120, 180), "984.6 G"),
    Row("edvr-l", 20_699_363, "std", (120, 180), "933.0 G"),  # what STD prints as 0.93 T
    Row("rbpn", 12_771_943 + 1_440_300, "std", (120, 180), "3081.9 G"),  # SPyNet's flow is inside
    Row("sof-vsr", 1_047_617, "std", (120, 180), "45.30 G"),
    Row("pisr-teacher", 665_921 + 89_102, "all", (480, 720), 229_721_702_400 + 3_282_595_200),  # VDSR and its encoder
    Row("d3dnet", 2_579_941, "all", (120, 180), "320.36 G"),
]


@pytest.mark.parametrize("row", COUNTS, ids=lambda row: f"{row.network}-{row.convention}-{row.size[1]}x{row.size[0]}")
def test_counts(row):
    with torch.device("meta"):
        network = create(row.network, **row.options)
    cost = count(network, row.size)
    assert cost.size == row.size  # the paper's size
    wrong = f"'{row.network}' has {cost.parameters:,} parameters, but its row in COUNTS says {row.parameters:,}"
    assert cost.parameters == row.parameters, wrong
    macs = cost.by(row.convention)
    if isinstance(row.macs, str):
        number, unit = row.macs.split()
        scale = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[unit]
        assert f"{macs / scale:.{len(number.partition('.')[2])}f}" == number, f"{macs:,}"
    else:
        assert macs == row.macs, f"'{row.network}' has {macs:,} MACs, but its row in COUNTS says {row.macs:,}"


def test_every_network_has_a_row():
    counted = {row.network for row in COUNTS}
    missing = ", ".join(sorted(set(NETWORKS) - counted))
    assert not missing, f"no counts for {missing}: add a row to COUNTS in tests/networks/test_counts.py"
    assert counted <= set(NETWORKS)
