"""A page in Chromium: it asks for nothing, its slider follows keys and the pointer, and it fits a phone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rich.table import Table

from restill.html import parts
from restill.html.chart import chart
from restill.html.page import page, section, write_page

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need Playwright: the extra 'dev'")
CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("the browser tests need Debian's Chromium: apt-get install chromium", allow_module_level=True)

SIZE = (60, 100)


def gray(level: int) -> np.ndarray:
    return np.full((*SIZE, 3), level, np.uint8)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    table = Table()
    table.add_column("clip")
    for number in range(12):
        table.add_column(f"column {number}", justify="right")
    table.add_row("a", *["30.12"] * 12)
    after = {"a model with a long name": gray(90), "clean": gray(200)}
    text = page(
        "x" * 80,
        parts.text("lead", "lead"),
        [
            section("Slider", parts.slider(("input", gray(20)), after, "frame 1")),
            section("Table", parts.table(table)),
            section("Chart", parts.side_by_side([chart("PSNR", {"a": [(0, 1.0), (9, 2.0)]}, "frame", "dB")])),
            section("Crops", parts.pictures({str(level): gray(level) for level in range(5)}, "frame 1")),
            section("Command", parts.code("restill " + "y" * 200, "command")),
        ],
    )
    write_page(tmp_path / "a.html", text)
    return tmp_path / "a.html"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def test_the_slider_follows_keys_and_the_pointer_and_nothing_is_asked_for(report, chromium):
    tab = chromium.new_page(viewport={"width": 900, "height": 700})
    asked, wrong = [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda line: wrong.append(line.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.goto(report.as_uri())
    slider = tab.get_by_role("slider")
    slider.focus()
    seen = []
    for key in ("ArrowLeft", "ArrowRight", "PageUp", "Home", "ArrowLeft", "End"):
        tab.keyboard.press(key)
        seen.append(int(slider.get_attribute("aria-valuenow")))
    assert seen == [48, 50, 60, 0, 0, 100]
    assert slider.get_attribute("aria-valuetext") == "100 percent input"

    box = tab.locator(".slider").bounding_box()
    tab.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 10)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 10)
    tab.mouse.up()
    assert int(slider.get_attribute("aria-valuenow")) == 25
    tab.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 10)
    assert int(slider.get_attribute("aria-valuenow")) == 25  # the button is up

    def shown(x: float) -> int:
        """The gray level on the screen, at a part of the width."""
        spot = {"x": box["x"] + x * box["width"], "y": box["y"] + 0.9 * box["height"], "width": 4, "height": 4}
        return int(cv2.imdecode(np.frombuffer(tab.screenshot(clip=spot), np.uint8), cv2.IMREAD_COLOR).mean())

    assert shown(0.1) == pytest.approx(20, abs=3)
    assert shown(0.6) == pytest.approx(90, abs=3)
    tab.get_by_label("clean").check()
    assert shown(0.6) == pytest.approx(200, abs=3)
    assert tab.locator(".tag.right").inner_text() == "clean"
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    assert wrong == []
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_down_only_and_the_colors_follow_the_scheme(report, chromium, scheme):
    tab = chromium.new_page(viewport={"width": 360, "height": 640}, color_scheme=scheme)
    tab.goto(report.as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") == 360
    paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, paper[4:-1].split(","))) > 384) == (scheme == "light")
    tab.close()
