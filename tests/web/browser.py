"""A real Chromium and a real server for the tests of the page."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
ARGUMENTS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
PATIENCE = 300_000  # ms; machines that run many tests at a time are slow


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[str]:
    """Run ``restill web``; yields the address that it prints."""
    command = [sys.executable, "-m", "restill", "web", "--port", "0", "--no-open", "--folder", str(folder), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ) as server:
        assert server.stderr is not None
        try:
            found = re.search(r"http://\S+", server.stderr.readline())
            assert found, server.stderr.read()
            yield found[0]
        finally:
            server.terminate()


def drop(page: Any, *paths: Path) -> None:
    """Drop files or folders in the middle of the page, as from a file manager."""
    session = page.context.new_cdp_session(page)
    size = page.viewport_size
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        where = {"x": size["width"] / 2, "y": size["height"] / 2}
        session.send("Input.dispatchDragEvent", {"type": kind, **where, "data": data})


def swipe_up(page: Any, x: float, y: float) -> None:
    """Move a finger 90 pixels up."""
    session = page.context.new_cdp_session(page)
    for kind, up in (("touchStart", 0), ("touchMove", 30), ("touchMove", 60), ("touchMove", 90)):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y - up}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def seen(page: Any, height: int, width: int) -> np.ndarray:
    """What the picture of the page shows, (height, width, 3) uint8 RGB."""
    address = page.locator("canvas:visible").evaluate("canvas => canvas.toDataURL()")
    data = np.frombuffer(base64.b64decode(address.partition(",")[2]), np.uint8)
    picture = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def nearest(picture: np.ndarray, frames: list[np.ndarray]) -> int:
    """The number of the frame that a picture is most like."""
    return int(np.argmin([np.abs(picture.astype(float) - frame).mean() for frame in frames]))
