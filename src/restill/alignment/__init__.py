"""Align neighboring frames to the center frame by blocks of motion. Does not import torch.

An aligner (:mod:`restill.alignment.aligners`) finds a :class:`Field`: where each block of a frame is in the frame
before. Training and the runtime both use this package, so a student gets the same input in both.
"""

from restill.alignment.aligners import ALIGNERS, Aligner
from restill.alignment.dis import make_dis
from restill.alignment.field import CELL, Field, align_window, window_fields
from restill.alignment.luma import Picture, luma_of, make_picture

__all__ = [
    "ALIGNERS",
    "CELL",
    "Aligner",
    "Field",
    "Picture",
    "align_window",
    "luma_of",
    "make_dis",
    "make_picture",
    "window_fields",
]
