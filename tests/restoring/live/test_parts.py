"""The parts of restill live: the queue, the clock, the counters, and the addresses."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restill.errors import RestillError
from restill.restoring.live.addresses import check_source, shown
from restill.restoring.live.counters import Counters, Delays
from restill.restoring.live.frames import Picture, Size, working_size
from restill.restoring.live.newest import Newest
from restill.restoring.live.settings import Live
from restill.restoring.live.times import AHEAD, Times
from restill.video.color import ColorTags

DAY = 86_400.0


def test_a_full_queue_keeps_the_newest_and_its_writer_never_waits() -> None:
    dropped: list[int] = []
    queue: Newest[int] = Newest(3, lambda: dropped.append(1))
    for number in range(10):
        queue.put(number)
    assert [queue.get() for _ in range(4)] == [7, 8, 9, None]
    assert len(dropped) == 7
    queue.put(1)
    queue.put(2)
    queue.put(3)
    assert queue.keep(1) == 2
    assert queue.get() == 3


def test_a_closed_queue_wakes_its_reader_and_gives_what_it_holds() -> None:
    queue: Newest[int] = Newest(3, lambda: None)
    queue.put(1)
    threading.Timer(0.05, queue.close).start()
    assert queue.get(time.monotonic() + 60) == 1
    assert queue.get(time.monotonic() + 60) is None  # not after a minute
    assert queue.ended


def test_the_clock_follows_the_frame_that_came_fastest() -> None:
    times = Times(100.0)
    for time_, now in ((5.0, 100.5), (5.1, 100.4), (5.2, 100.9)):  # the second came with the least delay
        times.arrive(time_, now)
    assert times.due(5.2) == pytest.approx(100.5, abs=1e-3)
    assert times.out(5.0) == pytest.approx(0.5)  # when the first came
    assert times.out(5.2) == pytest.approx(0.7)  # the camera's own steps, however they came


@given(st.floats(-1e-4, 1e-4), st.floats(0, 0.3))
def test_for_days_a_camera_with_another_clock_does_not_look_late(drift: float, jitter: float) -> None:
    times = Times(0.0)
    for step in range(200):
        now = step * 3 * DAY / 200 + (jitter if step % 2 else 0.0)
        time_ = (now - (jitter if step % 2 else 0.0)) * (1 + drift)
        assert times.arrive(time_, now) == (step == 0)
        if step > 1:
            assert now - times.due(time_) <= jitter + 0.01 + 2e-4 * 3 * DAY / 200 * 2


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=50))
def test_time_that_is_lost_where_a_clock_is_reset_does_not_add_up(lost: list[float]) -> None:
    times, time_, now = Times(0.0), 0.0, 0.0
    for resets, gap in enumerate([0.0, *lost]):
        for _ in range(5):
            time_, now = time_ + 0.04, now + 0.04 + gap  # the times go on as if nothing were lost
            times.arrive(time_, now, resets)
            assert now - times.due(time_) <= 1e-3
            gap = 0.0


def test_times_in_the_output_never_go_back() -> None:
    times, last = Times(0.0), -1.0
    now = 0.0
    for start in (1e6, 0.0, 50.0):  # a camera that starts again, with another clock each time
        times.restart()
        for step in range(5):
            now += 0.04
            assert times.arrive(start + 0.04 * step, now) == (step == 0)
            out = times.out(start + 0.04 * step)
            assert out >= last
            last = out
        now += 3.0
    assert last == pytest.approx(now - 3.0, abs=0.1)  # it is that of this machine's clock


def test_a_clock_that_is_set_ahead_begins_anew() -> None:
    times = Times(0.0)
    times.arrive(10.0, 0.0)
    assert times.arrive(10.04 + AHEAD + 1, 0.04)
    assert times.out(10.04 + AHEAD + 1) == pytest.approx(0.04)


def test_recordings_are_due_by_their_own_clock() -> None:
    times = Times(0.0)
    times.paced = True
    times.arrive(0.0, 0.0)
    times.arrive(5.0, 0.1)  # it came at once, but is due after five seconds
    assert times.due(5.0) == pytest.approx(5.0)


@given(st.lists(st.floats(0, 3), min_size=1, max_size=50))
def test_the_median_and_the_worst_delay(values: list[float]) -> None:
    delays = Delays()
    for value in values:
        delays.add(value)
    assert delays.worst == max(values)
    assert delays.median == pytest.approx(sorted(values)[len(values) // 2], abs=1e-3)


def test_counters_say_what_is_new_and_what_is_all() -> None:
    counters = Counters()
    counters.add("frames_in", 3)
    counters.add("dropped", 2)
    counters.written(0.25)
    assert "dropped 2 (all: 2)" in counters.status()
    assert "dropped 0 (all: 2)" in counters.status()
    summary = counters.summary()
    assert (summary.frames_in, summary.frames_out, summary.dropped) == (3, 1, 2)
    assert str(summary).startswith("3 frames in, 1 out, 2 dropped; 0 reconnects; delay 0.25 s (median)")


@pytest.mark.parametrize(
    ("address", "naming"),
    [
        ("clip.mp4", "names no protocol"),
        ("file:///etc/passwd", "'file' is not a network protocol"),
        ("concat://a|b", "'concat'"),
        ("data://text", "'data'"),
    ],
)
def test_only_network_addresses_are_cameras(address: str, naming: str) -> None:
    with pytest.raises(RestillError, match="protocol") as error:
        check_source(address, real_time=False)
    assert naming in str(error.value)
    for good in ("rtsp://camera/1", "udp://127.0.0.1:1", "/dev/video0", "HTTP://camera/"):
        check_source(good, real_time=False)


def test_passwords_are_not_shown() -> None:
    assert shown("rtsp://me:secret@camera:554/x") == "rtsp://***@camera:554/x"
    assert "secret" not in shown("http://camera/live?user=a&password=secret&channel=1")


@pytest.mark.parametrize(
    ("wrong", "naming"),
    [
        ({"target": "out.webm"}, "must end in"),
        ({"target": "gopher://x"}, "cannot write to 'gopher'"),
        ({"target": "page", "pipe_format": "y4m"}, "--format"),
        ({"target": "-", "pipe_format": "avi"}, "avi"),
        ({"delay": 0.0}, "delay must be above 0"),
        ({"fps": -1.0}, "fps must be above 0"),
        ({"size": "big"}, "size 'big'"),
        ({"rotate": 45}, "rotate 45"),
        ({"crf": 90}, "crf 90"),
        ({"preset": "quick"}, "quick"),
        ({"aligner": "eyes"}, "eyes"),
        ({"strength": 3.0}, "strength 3"),
    ],
)
def test_wrong_settings_are_named(wrong: dict, naming: str) -> None:
    with pytest.raises(RestillError) as error:
        replace(Live("tcp://127.0.0.1:1", "-"), **wrong)
    assert naming in str(error.value)


def test_files_are_not_replaced_unasked(tmp_path) -> None:
    (tmp_path / "there.mkv").touch()
    with pytest.raises(RestillError, match="exists"):
        Live("tcp://127.0.0.1:1", str(tmp_path / "there.mkv"))
    Live("tcp://127.0.0.1:1", str(tmp_path / "there.mkv"), overwrite=True)
    with pytest.raises(RestillError, match="folder"):
        Live("tcp://127.0.0.1:1", str(tmp_path / "no" / "x.mkv"))


def test_the_size_to_work_in_is_even() -> None:
    picture = Picture(1281, 721, Fraction(25), "h264", ColorTags())
    assert working_size(picture, None) == (720, 1280)
    assert working_size(picture, Size.of("360")) == (360, 640)
    assert working_size(picture, Size.of("640x480")) == (480, 640)


def test_the_delay_leaves_time_for_the_frames_that_a_model_needs() -> None:
    settings = Live("tcp://127.0.0.1:1", "-")
    assert settings.bound(Fraction(25), 1) == 1.0
    assert settings.bound(Fraction(1), 1) == 3.0
    assert replace(settings, delay=0.3).bound(Fraction(25), 1) == 0.3
    with pytest.raises(RestillError, match=r"looks 1\.00 s ahead"):
        replace(settings, delay=0.3).bound(Fraction(1), 1)


def test_the_recipes_in_the_docs_are_yaml() -> None:
    yaml = pytest.importorskip("yaml")
    page = (Path(__file__).resolve().parents[3] / "docs" / "live.md").read_text(encoding="utf-8")
    recipes = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.S)]
    streams = {name for recipe in recipes for name in (recipe.get("go2rtc") or recipe)["streams"]}
    assert streams == {"yard", "yard_dry"}
    inputs = recipes[0]["cameras"]["yard"]["ffmpeg"]["inputs"]
    assert {one["path"].rpartition("/")[2] for one in inputs} == streams
