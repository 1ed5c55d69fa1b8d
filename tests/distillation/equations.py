"""The four papers' own equation numbers, and where the package may write them.

Every "(n)" in the files below has to be followed by a symbol of that number; see test_equations.py.
"""

from __future__ import annotations

# by method: number -> what may stand behind it
EQUATIONS: dict[str, dict[int, tuple[str, ...]]] = {
    "cstd": {
        1: ("C^{p,L2G}",),
        2: ("C^{p,G2L}",),
        3: ("L_spatial",),
        4: ("C_T", "C_t"),
        5: ("C_M",),
        6: ("L_temporal",),
        7: ("L_recon",),
        8: ("L_total",),
    },
    "std": {
        1: ("M_sum",),
        2: ("M_sum2",),
        3: ("M_max2",),
        4: ("M^T", "M^S"),
        5: ("L_SD",),
        6: ("C",),
        7: ("L_TD",),
        8: ("L_rec",),
        9: ("L",),
    },
    "slkd": {1: ("MSCN",), 2: ("L_NC",), 3: ("L_ET",), 4: ("L_KL",), 5: ("L_pixel",), 6: ("L_all",)},
    "ssid-kd": {
        1: ("O",),
        2: ("PFFB",),
        3: ("PFFB",),
        4: ("PFFB",),
        5: ("MFFB",),
        6: ("L_T",),
        7: ("L_S",),
        8: ("L_KL",),
        9: ("D",),
        10: ("L_DC",),
        11: ("L_TV",),
    },
}

# by method: files in which "(n)" is an equation of its paper
FILES = {
    "cstd": (
        "docs/methods/cstd.md",
        "distillation/methods/cstd.py",
        "distillation/cstd_cells.py",
        "distillation/cstd_options.py",
    ),
    "std": ("docs/methods/std.md", "distillation/methods/std.py"),
    "slkd": (
        "docs/methods/slkd.md",
        "distillation/methods/slkd.py",
        "distillation/slkd_options.py",
        "distillation/natural_statistics.py",
        "distillation/block_statistics.py",
        "tests/distillation/methods/test_slkd.py",
    ),
    "ssid-kd": ("docs/methods/ssid-kd.md", "distillation/methods/ssid_kd.py"),
}

# files of several papers: there the paper has to be named too, as in "(7) L_recon of CSTD"
SHARED = (
    "distillation/methods/plain.py",
    "distillation/scales.py",
    "distillation/cells.py",
    "losses/reconstruction.py",
    "losses/dark_channel.py",
    "losses/total_variation.py",
    "losses/divergence.py",
    "networks/sid.py",
    "networks/blocks/sid_blocks.py",
    "docs/networks/sid.md",
)
