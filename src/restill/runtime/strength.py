"""How much a model takes away: from 0 (nothing) over 1 (what it takes) to 2 (the darker median).

Up to 1, the result is a mix of the frame and the restored frame, in every plane or color::

    frame + strength * (clean - frame)

A model is timid where it is not sure: it leaves a part of a faint streak. So above 1 more goes where the restored frame
is still brighter than both aligned neighbors, in proportion, which is where rain can be left::

    clean - (strength - 1) * max(luma(clean) - max(luma(before), luma(after)), 0)

At 2 this is the darker median of the restored frame and its two neighbors: min(clean, median(clean, before, after)). To
scale the model's own change further instead would leave dark streaks where it took enough, and nothing more where it
took nothing. The difference is one of luma, and is taken from luma, or from red, green and blue alike, so that it means
the same for planes and for RGB. It does not depend on the strength, so the result never becomes brighter as the
strength grows. At both ends of a clip the frame itself takes the place of the missing neighbor, so hardly more goes.

A model without aligned neighbors, such as one for single pictures, has no darker median. There the first formula holds
above 1 as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from restill.alignment import luma_of
from restill.errors import RestillError
from restill.planes import WHITE, Frame, Planes
from restill.runtime.guard import as_type, static
from restill.runtime.info import ModelInfo

MOST = 2.0


def check_strength(strength: float, info: ModelInfo | None = None) -> None:
    """Refuse a strength that is out of range, or that a model cannot have.

    Raises:
        RestillError: It is not from 0 to 2, or it is not 1 and the model changes the size.
    """
    if not 0 <= strength <= MOST:
        raise RestillError(f"strength {strength:g} is not possible; use 0 (take nothing) to {MOST:g}; 1 is the default")
    if strength != 1 and info is not None and info.scale != 1:
        raise RestillError(
            f"strength {strength:g} needs a model that keeps the size, and '{info.name}' does not; use 1"
        )


def has_darker(info: ModelInfo) -> bool:
    """Whether a model removes rain and has the two aligned neighbors of the darker median."""
    return info.task == "derain" and info.scale == 1 and info.frames > 2 and info.align != "none"


def mix(clean: Frame, frame: Frame, strength: float) -> Frame:
    """frame + strength * (clean - frame), clipped to black and white.

    Args:
        clean: The restored frame, (H, W, 3) of any of the three types, or planes.
        frame: The input frame, (H, W, 3) of any of them, or planes.
        strength: 0 to 2.

    Returns:
        A frame of the type of ``clean``.
    """
    if isinstance(clean, Planes) and isinstance(frame, Planes):
        pairs = ((clean.y, frame.y), (clean.u, frame.u), (clean.v, frame.v))
        y, u, v = (cv2.addWeighted(new, strength, old, 1 - strength, 0) for new, old in pairs)
        return replace(clean, y=y, u=u, v=v)
    assert isinstance(clean, np.ndarray)  # noqa: S101
    assert isinstance(frame, np.ndarray)  # noqa: S101
    mixed = cv2.addWeighted(clean, strength, as_type(frame, clean.dtype), 1 - strength, 0)
    return np.clip(mixed, 0, 1, out=mixed) if mixed.dtype == np.float32 else mixed


def take_more(
    clean: Frame, gray: np.ndarray, aligned: Sequence[np.ndarray], others: Sequence[np.ndarray], strength: float
) -> Frame:
    """Take away a part of what is brighter in the restored frame than in both neighbors.

    Args:
        clean: The restored frame, (H, W, 3) of any of the three types, or planes.
        gray: The brightness of the input frame, (H, W) uint8.
        aligned: The two neighbors, aligned: (H, W, 3), or their lumas (H', W') uint8, which may be larger.
        others: The brightness of the neighbors before alignment, to leave burnt-in text as it is
            (:mod:`restill.runtime.guard`); none without the guard.
        strength: 1 to 2.
    """
    luma = clean.y if isinstance(clean, Planes) else luma_of(clean)
    before, after = (near if near.ndim == 2 else luma_of(near) for near in aligned)
    height, width = luma.shape
    least = cv2.min(luma, cv2.max(before, after)[:height, :width])
    more = cv2.subtract(luma, least)  # (H, W) levels
    stays = static(gray, cv2.absdiff(gray, least), others)
    if stays is not None:
        more[stays > 0] = 0
    if isinstance(clean, Planes):
        return replace(clean, y=cv2.addWeighted(clean.y, 1, more, 1 - strength, 0))
    factor = (1 - strength) * WHITE[clean.dtype] / 255
    depth = {1: cv2.CV_32F, 255: cv2.CV_8U, 65535: cv2.CV_16U}[WHITE[clean.dtype]]
    darker = cv2.addWeighted(clean, 1, cv2.merge([more] * 3), factor, 0, dtype=depth)
    return np.maximum(darker, 0, out=darker) if darker.dtype == np.float32 else darker
