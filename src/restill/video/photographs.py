"""Decide whether a folder of pictures is a clip or a collection of unrelated photographs."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from restill.alignment.dis import dis_flow, make_dis
from restill.alignment.luma import BRIGHT_STREAKS, LEAST_SIDE
from restill.alignment.luma import LINES as FLOW_LINES
from restill.errors import RestillError
from restill.video.decode import Source
from restill.video.limits import Limits
from restill.video.picture_reading import read_pages, read_picture
from restill.video.picture_source import PictureSource
from restill.video.pictures import to_8_bits
from restill.video.survey import Survey

PAIRS = 5  # pairs of neighbors to compare, spread over the folder
MOST_ACROSS = 4 * FLOW_LINES  # width limit of the small pictures that are compared, in pixels
CLOSE = 1.5  # pixels of the small pictures: the largest forward-backward flow error of a match
# The smallest share of such pixels in a clip: the median of the pairs. The lowest median of 117 clips was 0.53. The
# highest share of 414 neighbor pairs of photographs, in order and shuffled, was 0.19; 99 % of them were below 0.06.
IN_COMMON = 0.2


def decide(source: Source, alone: bool | None, *, to_folder: bool) -> str:
    """Treat a source as photographs if that is set or if its pictures are unrelated.

    Args:
        source: The source to restore.
        alone: True for photographs, False for a clip, None to decide by the pictures.
        to_folder: Whether the results go into a folder, where sizes may differ.

    Returns:
        A line on the decision; empty for a clip, or if the decision was set.

    Raises:
        RestillError: Pictures differ in size, and a clip or the output needs one size.
    """
    if not isinstance(source, PictureSource):
        source.info = replace(source.info, alone=bool(alone))
        return ""
    if source.info.frames == 1:
        if source.info.kind == "folder" and alone is not False:
            source.see_as_photographs()
        return ""
    name, differing = source.info.path, source.survey.differing
    if differing and alone is False:
        raise RestillError(f"'{name}' is not a clip: its pictures have different sizes ({differing}); remove --clip")
    if differing and not to_folder:
        raise RestillError(f"'{name}' holds pictures of different sizes: {differing}; name a folder for the results")
    line = ""
    if alone is None:
        if differing:
            line = f"its pictures have different sizes ({differing})"
        elif are_unlike(source.survey, source.limits):
            line = "neighboring pictures have nothing in common (--clip restores them as a clip)"
    if line or alone:
        source.see_as_photographs()
    return f"'{name}': each picture is restored separately, because {line}" if line else ""


def are_unlike(found: Survey, limits: Limits) -> bool:
    """Whether most of the compared neighbors have nothing in common after alignment.

    Args:
        found: At least two pictures, of one size.
        limits: The limits for the pictures.
    """
    count = len(found.sizes)
    starts = sorted({round(at) for at in np.linspace(0, count - 2, min(PAIRS, count - 1))})
    return float(np.median([in_common(*_pair(found, start, limits)) for start in starts])) < IN_COMMON


def _pair(found: Survey, start: int, limits: Limits) -> list[np.ndarray]:
    if found.kind == "folder":
        return [read_picture(file, limits) for file in found.files[start : start + 2]]
    return [page.pixels for page in read_pages(found.path, limits, start, 2)]


def in_common(one: np.ndarray, other: np.ndarray) -> float:
    """Return the share of a picture that is also in the other, 0 to 1: where forward and backward flow agree.

    Args:
        one: (H, W, 3) RGB, uint8 or uint16.
        other: (H, W, 3) RGB, uint8 or uint16.
    """
    dis, (a, b) = make_dis(), (_small(one), _small(other))
    there, back = dis_flow(dis, a, b), dis_flow(dis, b, a)  # (h, w, 2)
    height, width = a.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    returned = cv2.remap(back, x + there[..., 0], y + there[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return float((np.linalg.norm(there + returned, axis=2) < CLOSE).mean())


def _small(picture: np.ndarray) -> np.ndarray:
    """Return (h, w) gray without narrow bright streaks; the shorter side is 240 pixels if the longer one allows it."""
    height, width = picture.shape[:2]
    scale = min(FLOW_LINES / min(height, width), MOST_ACROSS / max(height, width))
    size = (max(LEAST_SIDE, round(width * scale)), max(LEAST_SIDE, round(height * scale)))
    gray = cv2.cvtColor(to_8_bits(picture), cv2.COLOR_RGB2GRAY)
    small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return cv2.morphologyEx(small, cv2.MORPH_OPEN, BRIGHT_STREAKS)
