"""The parts of a page: everything is inside the file, escaped, readable without seeing, and of bounded size."""

from __future__ import annotations

import base64
import math
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.table import Table

from restill.errors import RestillError
from restill.html import parts
from restill.html.chart import chart
from restill.html.page import check_page, command_line, page, section, write_page

VOID = {"meta", "img", "input", "link"}


class Reader(HTMLParser):
    """Checks that tags are closed in order; keeps them with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def decoded(uri: str) -> np.ndarray:
    assert uri.startswith("data:image/webp;base64,")
    return cv2.imdecode(np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def noise(height: int = 6, width: int = 9) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_a_page_needs_nothing_else_and_shows_every_text_as_it_is():
    hard = "<script>alert(1)</script> & \"$title\" 'x'"
    sections = [
        section(hard, parts.text(hard), parts.code(hard), chart(hard, {hard: [(0, 1), (1, 2)]}, hard)),
        parts.pictures({hard: noise()}, hard),
        parts.slider((hard, noise()), {hard: noise(), "b": noise()}, hard),
    ]
    text = page(hard, parts.text(hard), sections)
    reader = Reader(text)
    assert "<script>alert" not in text
    assert "://" not in text
    assert all((image["src"] or "").startswith("data:") for image in reader.of("img"))
    assert not any(reader.of(tag) for tag in ("link", "iframe", "object", "video", "a"))
    assert not any("src" in script for script in reader.of("script"))
    (policy,) = [meta for meta in reader.of("meta") if "http-equiv" in meta]
    assert (policy["content"] or "").startswith("default-src 'none'")


def test_a_screen_reader_is_told_what_a_picture_a_chart_and_a_slider_show():
    reader = Reader(parts.slider(("input", noise()), {"a": noise(), "b": noise()}, "frame 3") + parts.text("x"))
    assert [image["alt"] for image in reader.of("img")] == ["input, frame 3", "a, frame 3", "b, frame 3"]
    (handle,) = [div for div in reader.of("div") if div.get("role") == "slider"]
    assert handle.keys() >= {"tabindex", "aria-label", "aria-valuemin", "aria-valuemax", "aria-valuenow"}
    assert [radio["data-label"] for radio in reader.of("input")] == ["a", "b"]
    assert not Reader(parts.slider(("input", noise()), {"a": noise()}, "frame 3")).of("input")  # nothing to choose
    drawn, *_ = Reader(chart("PSNR", {"a": [(0, 10.0), (1, 30.0)]}, "frame", "dB")).of("svg")
    assert drawn["role"] == "img"
    assert drawn["aria-label"] == "PSNR, over the frame: a: mean 20.00 dB, from 10.00 to 30.00"


def test_a_table_has_the_cells_of_the_terminal():
    table = Table()
    table.add_column("clip")
    table.add_column("PSNR", justify="right")
    table.add_row("<a>", "[bold]12.34[/bold]", end_section=True)
    table.add_row("b", "5")
    text = parts.table(table)
    assert re.findall(r">([^<>]+)</t[hd]>", text) == ["clip", "PSNR", "&lt;a&gt;", "12.34", "b", "5"]
    assert text.count('scope="row"') == text.count('scope="col"') == 2


def test_crops_keep_every_pixel_and_large_pictures_are_reduced(monkeypatch):
    assert np.array_equal(decoded(parts.data_uri(noise(), exact=True)), noise())
    wide = np.full((300, 3000, 3), 90, np.uint8)
    small = decoded(parts.data_uri(wide))
    assert small.shape == (128, parts.WIDEST, 3)
    assert abs(int(small.mean()) - 90) <= 1
    monkeypatch.setattr(parts, "MOST_BYTES", 10_000)
    hard = parts.data_uri(noise(120, 200))
    assert len(hard) < 4 / 3 * parts.MOST_BYTES + 50
    height, width, _ = decoded(hard).shape
    assert height < 120
    assert width / height == pytest.approx(200 / 120, abs=0.02)


def paths(text: str) -> list[list[tuple[float, float]]]:
    found = re.findall(r' d="M([^"]+)"', text)
    return [[tuple(map(float, p.split(","))) for p in line.split(" L")] for line in found]  # type: ignore[misc]


def test_a_long_line_is_short_and_keeps_its_peak():
    values = [(float(x), 30.0) for x in range(20_000)]
    values[4_321] = (4321.0, 10.0)
    text = chart("PSNR", {"a": values}, "frame")
    (line,) = paths(text)
    assert len(text) < 20_000
    assert [p for p in line if p[1] == max(y for _, y in line)] != []
    assert max(y for _, y in line) - min(y for _, y in line) > 100  # pixels: the peak is there
    assert line == sorted(line, key=lambda p: p[0])


def test_lines_without_numbers():
    assert chart("PSNR", {"a": [(0, math.inf)], "b": []}, "frame") == ""
    text = chart("PSNR", {"a": [(0, 5.0), (1, math.inf), (2, 5.0)], "b": [(0, math.nan)]}, "frame")
    assert len(paths(text)) == 1
    assert "b: none" in text
    assert "from 5.00 to 5.00" in text
    Reader(chart("one", {"a": [(7, 5.0)]}, "frame"))


@pytest.mark.parametrize(
    ("program", "shown"),
    [
        ("/usr/bin/restill", "restill compare 'my clip.mp4'"),
        ("/lib/restill/__main__.py", "python -m restill compare 'my clip.mp4'"),
        ("/home/me/script.py", None),
    ],
)
def test_the_command_is_the_one_that_was_typed(monkeypatch, program, shown):
    monkeypatch.setattr(sys, "argv", [program, "compare", "my clip.mp4"])
    assert command_line() == shown


def test_a_page_that_cannot_be_written(tmp_path: Path):
    with pytest.raises(RestillError, match=r"a\.mp4': a page is an HTML file; give a name that ends in \.html"):
        check_page(tmp_path / "a.mp4")
    with pytest.raises(RestillError, match="its folder does not exist"):
        check_page(tmp_path / "no" / "a.html")
    write_page(tmp_path / "a.html", "one")
    check_page(tmp_path / "a.html")
    with pytest.raises(RestillError, match=r"a\.html' exists; give another name, or --overwrite"):
        check_page(tmp_path / "a.html", overwrite=False)
    (tmp_path / "b.html").mkdir()
    with pytest.raises(RestillError, match="cannot be written"):
        write_page(tmp_path / "b.html", "one")
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.html", "b.html"]  # nothing partial
