"""The page of restill live: the pictures, for those who have the token, and for nobody else."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from cameras import HEIGHT, scene, until

from restill.errors import RestillError
from restill.planes import planes_of
from restill.restoring.live.page import VIEWERS, Page
from restill.video.color import FULL, ColorTags


@pytest.fixture
def page() -> Iterator[Page]:
    one = Page(0, ColorTags(range=FULL), HEIGHT, lambda: {"frames_out": 7, "delay": 0.1})
    yield one
    one.close()


def get(page: Page, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def test_only_the_token_opens_it(page: Page) -> None:
    for path in ("/", "/picture", "/status", "/?token=", "/?token=wrong", f"/?token={page.token}x", "/%00"):
        answer = get(page, path)
        assert answer.status == 403
        assert page.token.encode() not in answer.read()
    assert get(page, f"/?token={page.token}", Host="evil.example").status == 403  # DNS rebinding


def test_the_address_gives_a_cookie_that_opens_the_rest(page: Page) -> None:
    answer = get(page, page.address.partition(str(page.port))[2])
    assert answer.status == 200
    assert b"<img" in answer.read()
    cookie = answer.getheader("Set-Cookie", "")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "unsafe" not in answer.getheader("Content-Security-Policy", "unsafe")
    status = get(page, "/status", Cookie=cookie.partition(";")[0])
    assert json.loads(status.read()) == {"frames_out": 7, "delay": 0.1}
    for path in ("/../page.py", "/static/x", "/page.html"):
        assert get(page, path, Cookie=cookie.partition(";")[0]).status == 404


@pytest.mark.parametrize("planes", [True, False])
def test_a_viewer_gets_the_newest_pictures(page: Page, planes: bool) -> None:
    seen: list[np.ndarray] = []

    def look() -> None:
        answer = get(page, f"/picture?token={page.token}")
        assert answer.getheader("Content-Type", "").startswith("multipart/x-mixed-replace")
        while len(seen) < 3:
            line = answer.readline()
            if line.startswith(b"Content-Length"):
                answer.readline()
                data = np.frombuffer(answer.read(int(line.split(b":")[1])), np.uint8)
                seen.append(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])

    thread = threading.Thread(target=look)
    thread.start()
    until(lambda: page.viewers == 1)
    for number in range(200):
        frame = scene(number)
        page.write(planes_of(frame) if planes else frame, number / 25)
        time.sleep(0.02)
        if len(seen) == 3:
            break
    thread.join(10)
    assert np.abs(seen[0].astype(int) - frame).mean() < 40
    assert {picture.shape for picture in seen} == {frame.shape}
    assert not np.array_equal(seen[0], seen[2])


def test_frames_are_encoded_only_for_viewers(page: Page) -> None:
    page.write(scene(0), 0.0)
    first = page.number
    for number in range(5):
        page.write(scene(number), number / 25)
    assert page.number == first


def test_there_is_a_limit_of_viewers(page: Page) -> None:
    viewers = [get(page, f"/picture?token={page.token}") for _ in range(VIEWERS)]
    assert {viewer.status for viewer in viewers} == {200}
    assert get(page, f"/picture?token={page.token}").status == 503


def test_a_port_in_use_is_one_sentence(page: Page) -> None:
    with pytest.raises(RestillError, match=f"port {page.port} cannot be used"):
        Page(page.port, ColorTags(), HEIGHT, dict)
