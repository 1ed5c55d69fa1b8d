"""The page in a real Chromium, with a real server: drop, try a moment, compare, pause, cancel, download."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import av
import numpy as np
import pytest
from browser import ARGUMENTS, CHROMIUM, PATIENCE, drop, nearest, seen, serving, swipe_up
from page_inputs import HEIGHT, WIDTH, repeat, write_run, write_with_sound
from typer.testing import CliRunner

from restill.cli import app
from restill.video import read_frames
from restill.video.pictures import write_picture

pytest.importorskip("fastapi", reason="the page needs the extra 'web'")
playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need Playwright: the extra 'dev'")
if CHROMIUM is None:
    pytest.skip("the browser tests need Debian's Chromium: apt-get install chromium", allow_module_level=True)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    runs = tmp_path_factory.mktemp("runs")
    write_run(runs / "small-student")
    with serving(tmp_path_factory.mktemp("page"), "--runs", str(runs)) as address:
        yield address


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def new_page(chromium: Any, address: str) -> Iterator[Any]:
    """Opens the page in a browser of its own; in the end nothing was asked of others, and no script failed."""
    contexts, problems = [], []

    def open_it(**options: Any) -> Any:
        contexts.append(chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **options}))
        contexts[-1].set_default_timeout(PATIENCE)
        page = contexts[-1].new_page()
        own = re.match(r"http://[^/]+/", address)[0]
        page.on(
            "request", lambda request: request.url.startswith((own, "data:", "blob:")) or problems.append(request.url)
        )
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(address)
        page.wait_for_selector("body:not(.loading)")
        return page

    yield open_it
    for context in contexts:
        for page in context.pages:
            page.evaluate(
                "fetch('/api/items').then(r => r.json()).then(all => Promise.all(all.map(({id}) => "
                "fetch(`/api/items/${id}`, {method: 'DELETE'}))))"
            )
        context.close()
    assert problems == []


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "rainy clip.mp4"
    write_with_sound(path)
    return path


@pytest.fixture(scope="module")
def frames(clip: Path) -> list[np.ndarray]:
    return list(read_frames(clip))


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other).mean())


def until(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + PATIENCE / 1000
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def shown(page: Any, frames: list[np.ndarray], number: int) -> np.ndarray:
    """Wait until the picture shows a frame, or what was made of it; returns what it shows."""
    until(lambda: nearest(seen(page, HEIGHT, WIDTH), frames) == number)
    return seen(page, HEIGHT, WIDTH)


def state(page: Any, words: str) -> None:
    """Wait until the first file of the list is in a state."""
    page.locator(".queue:visible .state").first.filter(has_text=words).wait_for()


def test_drop_try_compare_start_and_download(new_page, clip, frames, tmp_path):
    page = new_page()
    assert page.locator("h1:visible").inner_text() == "Drop a rainy video here, and get it back without the rain."
    drop(page, clip)
    slider = page.get_by_role("slider", name="Before and after")
    slider.wait_for()  # a moment is tried without a click
    assert "0:02 · with sound" in page.locator(".facts").first.inner_text()
    page.get_by_role("button", name="Pause", exact=True).click()
    both_sides_are_in_step(page, slider, frames)
    the_divider_moves(page, slider)
    the_picture_comes_nearer(page, slider)

    page.get_by_role("radio", name="Best").check(force=True)
    with page.expect_response(lambda answer: "/watch/done-0.mp4" in answer.url and answer.ok):
        page.get_by_role("button", name="Remove the rain").click()
    assert page.get_by_role("status").inner_text() == "rainy clip.mp4 is done"
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "rainy_clip.derained.mp4"
    got, own = tmp_path / "got.mp4", tmp_path / "own.mp4"
    download.value.save_as(got)
    told = CliRunner().invoke(app, ["derain", str(clip), "-o", str(own), "--crf", "14"])
    assert told.exit_code == 0, told.output
    made = list(read_frames(got))
    assert np.array_equal(made, list(read_frames(own)))
    with av.open(str(got)) as media:
        assert [stream.type for stream in media.streams] == ["video", "audio"]

    # the page now shows the result, not the moment that was tried
    slider.press("Home")
    page.get_by_role("slider", name="Time", exact=True).fill("10")
    assert difference(shown(page, made, 10), made[10]) < 4


def both_sides_are_in_step(page: Any, slider: Any, frames: list[np.ndarray]) -> None:
    """Left of the divider is the frame before, and right of it the same frame after."""
    where = page.get_by_role("slider", name="Time", exact=True)
    where.fill("20")
    for step in (20, 21, 22):
        slider.press("End")
        before = shown(page, frames, step)
        slider.press("Home")
        after = shown(page, frames, step)
        assert where.input_value() == str(step)
        assert difference(before, frames[step]) < difference(after, frames[step])
        page.get_by_role("button", name="One frame on").click()
    page.get_by_role("button", name="One frame back").click()
    shown(page, frames, 22)
    for _ in range(5):
        slider.press("PageUp")
    edge = 3  # columns at the line
    left, right = np.s_[:, : WIDTH // 2 - edge], np.s_[:, WIDTH // 2 + edge :]
    both = seen(page, HEIGHT, WIDTH)
    assert difference(both[left], before[left]) < 0.2 * difference(both[left], after[left])
    assert difference(both[right], after[right]) < 0.2 * difference(both[right], before[right])


def the_divider_moves(page: Any, slider: Any) -> None:
    """By keys and by the pointer, and it says where it is."""
    moves = {"Home": "0", "ArrowRight": "2", "PageUp": "12", "End": "100", "ArrowLeft": "98", "PageDown": "88"}
    for key, value in moves.items():
        slider.press(key)
        assert slider.get_attribute("aria-valuenow") == value
    assert slider.get_attribute("aria-valuetext") == "Before 88 %, after 12 %"
    box = page.locator(".compare:visible").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.88, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    assert slider.get_attribute("aria-valuenow") == "50"


def the_picture_comes_nearer(page: Any, slider: Any) -> None:
    """With the wheel, and back with a key."""
    whole = seen(page, HEIGHT, WIDTH)
    page.mouse.wheel(0, -600)
    until(lambda: difference(seen(page, HEIGHT, WIDTH), whole) > 5)
    slider.press("0")
    assert np.array_equal(seen(page, HEIGHT, WIDTH), whole)


def test_pause_resume_and_cancel(new_page, clip, tmp_path):
    long = tmp_path / "long.mp4"
    repeat(clip, long, 50)
    page = new_page()
    drop(page, long)
    page.get_by_role("combobox", name="Network").select_option("rill-xl")  # the slowest
    page.get_by_role("button", name="Remove the rain").click()
    page.locator(".job:visible .line", has_text="frames a second").wait_for()
    page.get_by_role("button", name="Pause", exact=True).last.click()
    state(page, "Paused at")
    page.get_by_role("button", name="Resume").click()
    state(page, "left")
    page.get_by_role("button", name="Cancel").click()
    state(page, "Cancelled")
    page.get_by_role("button", name="Remove the rain").wait_for()
    page.get_by_role("button", name="Remove long.mp4").click()
    page.locator("h1", has_text="Drop a rainy video").wait_for()


def test_an_upload_goes_on_after_a_break(new_page, tmp_path):
    path = tmp_path / "large.mp4"
    path.write_bytes(bytes(5_000_000))
    page = new_page()
    offsets: list[str] = []

    def lose(route: Any) -> None:
        if route.request.method == "PATCH":
            offsets.append(route.request.headers["upload-offset"])
        if len(offsets) == 2:
            route.abort()
            page.unroute("**/files/*", lose)
            page.on("request", lambda request: offsets.append(request.headers.get("upload-offset", request.method)))
        else:
            route.continue_()

    page.route("**/files/*", lose)
    drop(page, path)
    state(page, "Did not work")  # all of it is there, and it is no video
    assert [offset for offset in offsets if offset != "GET"] == ["0", "4194304", "HEAD", "4194304"]
    assert "large.mp4" in page.locator(".notice:visible").inner_text()


def test_rain_on_a_folder_of_pictures_on_a_phone(new_page, frames, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, frame in enumerate(frames[:6]):
        write_picture(folder / f"{number:03d}.png", frame)
    (folder / "notes.txt").write_text("no picture")
    page = new_page(viewport={"width": 390, "height": 844}, reduced_motion="reduce", has_touch=True)
    page.get_by_role("tab", name="Remove rain").press("ArrowRight")
    assert page.get_by_role("tab", name="Make rain").get_attribute("aria-selected") == "true"
    drop(page, folder)
    page.get_by_role("slider", name="Dry and rain").wait_for()
    assert page.locator(".queue:visible .name").all_inner_texts() == ["pictures"]
    assert page.get_by_role("button", name="Play").is_visible()  # it does not move by itself
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    slider = page.get_by_role("slider", name="Dry and rain")
    slider.press("Home")
    box = page.locator(".compare:visible").bounding_box()
    swipe_up(page, box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.8)
    until(lambda: page.evaluate("scrollY") > 0)  # a finger on the picture scrolls the page, and moves no divider
    assert slider.get_attribute("aria-valuenow") == "0"
    page.get_by_text("Settings").locator("visible=true").click()
    page.get_by_role("combobox", name="Rain").select_option("storm")
    page.get_by_role("button", name="Make it rain").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    with ZipFile(download.value.path()) as archive:
        assert len(archive.namelist()) == 6


def test_a_training_run_is_followed(new_page):
    page = new_page()
    page.get_by_role("tab", name="Training").click()
    page.get_by_role("img", name="PSNR on held-out clips: 31.0 dB at step 300").wait_for()
    page.get_by_role("img", name="reconstruction: 0.25 at step 300").wait_for()
    assert "Step 300 of 400" in page.locator(".line:visible").inner_text()
    page.get_by_role("slider", name="Before and after").press("Home")
    until(lambda: difference(seen(page, HEIGHT, WIDTH), np.full((HEIGHT, WIDTH, 3), 160)) < 2)
    page.get_by_role("combobox", name="What to compare").select_option("After and clean")
    until(lambda: difference(seen(page, HEIGHT, WIDTH), np.full((HEIGHT, WIDTH, 3), 220)) < 2)
