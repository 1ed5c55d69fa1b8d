"""Only the page with the token may ask, and only for what is its own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.testclient import TestClient

ADDRESSES = ["/", "/api/items", "/api/events", "/static/index.html", "/files/x", "/api/items/x/result"]


@pytest.fixture
def stranger(page: Any) -> TestClient:
    """A client without the cookie."""
    return TestClient(page.server.app, base_url=str(page.client.base_url))


def test_the_address_opens_the_page(page, stranger):
    answer = stranger.get(f"/?token={page.server.token}")
    assert answer.status_code == 200
    assert "text/html" in answer.headers["content-type"]
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert stranger.get("/api/items").json() == []
    assert stranger.get("/").status_code == 200


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("token", ["", "?token=", "?token=wrong"])
def test_no_token_no_answer(stranger, address, token):
    answer = stranger.get(address + token)
    assert answer.status_code == 403
    assert "restill web" in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("address", ["/api/items?token={}", "/static/?token={}", "/?token={}&token=x"])
def test_the_token_opens_only_the_page(page, stranger, address):
    assert stranger.get(address.format(page.server.token)).status_code in (403, 404)


@pytest.mark.parametrize("given", ["Bearer wrong", "Bearer", "Basic {}", "{}", "Bearer {}x"])
def test_a_wrong_header_is_refused(page, stranger, given):
    headers = {"Authorization": given.format(page.server.token)}
    assert stranger.get("/api/items", headers=headers).status_code == 403
    assert stranger.get("/api/items", headers={"Authorization": f"Bearer {page.server.token}"}).status_code == 200


def test_a_token_for_once_opens_once(page, stranger):
    address = f"/?token={page.server.app.once()}"
    assert "set-cookie" in stranger.get(address).headers
    assert stranger.get("/api/items").status_code == 200
    stranger.cookies.clear()
    assert stranger.get(address).status_code == 403
    assert stranger.get("/?token=").status_code == 403


def test_a_wrong_cookie_is_refused(stranger):
    assert stranger.get("/api/items", headers={"Cookie": "restill-8800=wrong"}).status_code == 403
    assert stranger.get("/api/items", headers={"Cookie": "restill-8800=caf\u00e9".encode()}).status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8800", "127.0.0.1", "127.0.0.1:8801", "localhost.evil.example:8800", ""]
)
def test_a_rebound_name_is_refused(page, host):
    assert page.get("/api/items", headers={"Host": host}).status_code == 421
    assert page.get(f"/?token={page.server.token}", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8800", "localhost:8800", "LOCALHOST:8800"])
def test_own_names_are_answered(page, host):
    assert page.get("/api/items", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:8801", "https://127.0.0.1:8800", "null"])
def test_another_site_may_not_write(page, origin):
    for headers in ({"Origin": origin}, {"Origin": origin, "Authorization": f"Bearer {page.server.token}"}):
        assert page.client.post("/api/items/x/cancel", headers=headers).status_code == 403
    assert page.get("/api/items", headers={"Origin": origin}).status_code == 403


def test_writing_needs_an_origin_or_the_header(page):
    assert page.client.post("/api/items/x/cancel").status_code == 403
    bearer = {"Authorization": f"Bearer {page.server.token}"}
    assert page.client.post("/api/items/x/cancel", headers=bearer).status_code == 404
    assert page.post("/api/items/x/cancel").status_code == 404


def test_every_answer_is_guarded(page, stranger):
    for answer in (page.get("/"), page.get("/api/items"), page.get("/nothing"), stranger.get("/api/items")):
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in answer.headers


def test_a_large_body_is_refused(page):
    assert page.post("/api/items/x/start", {"student": "x" * 70_000}).status_code == 413


def test_the_secret_is_the_owners(page, tmp_path):
    assert (tmp_path / "web" / "token").stat().st_mode & 0o077 == 0
    assert (tmp_path / "web").stat().st_mode & 0o077 == 0


TRICKS = [
    "../token",
    "..%2ftoken",
    "%2e%2e/token",
    "%2e%2e%2ftoken",
    "..%5ctoken",
    "....//token",
    "%252e%252e%252ftoken",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "x%00.html",
    "..%00/token",
]


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize(
    "address", ["/static/{}", "/files/{}", "/api/items/{}/result", "/api/previews/{}", "/api/runs/{}", "/{}"]
)
def test_no_path_leads_out(page, address, trick):
    answer = page.get(address.format(trick))
    assert answer.status_code in (400, 404, 405), answer.text
    assert page.server.token not in answer.text
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    "path",
    ["/static/../../../../etc/passwd", "/static//etc/passwd", "/../token", "//token", "/static/../safety.py", "*", ""],
)
def test_raw_paths_lead_nowhere(page, path):
    """As a client sends them that does not tidy paths up."""
    sent = []
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:8800"), (b"authorization", f"Bearer {page.server.token}".encode())],
        "http_version": "1.1",
        "scheme": "http",
        "root_path": "",
    }

    async def receive() -> dict:
        return {"type": "http.request", "body": b""}

    async def send(message: dict) -> None:
        sent.append(message)

    asyncio.run(page.server.app(scope, receive, send))
    assert sent[0]["status"] in (400, 404)
    assert b"root:" not in b"".join(message.get("body", b"") for message in sent)
