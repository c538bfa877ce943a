"""Links that are not to be followed, at every door; and what a refusal looks like to people and to programs."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import clock
from app.redirects import routes
from tests.conftest import AppFactory
from tests.integration.redirects.made import PASSWORD, ClicksUsed, LinkFactory, Spooled

NOW = clock.now()
DAY = timedelta(days=1)  # more than all tests take
JSON = {"Accept": "application/json"}

STATES: dict[str, tuple[dict[str, Any], int, str]] = {
    "blocked": ({"blocked_reason": "phishing"}, 451, "BLOCKED"),
    "deleted": ({"deleted_at": NOW}, 410, "LINK_DELETED"),
    "disabled": ({"enabled": False}, 410, "LINK_DISABLED"),
    "scheduled": ({"starts_at": NOW + DAY}, 404, "NOT_FOUND"),
    "expired": ({"expires_at": NOW - DAY}, 410, "LINK_EXPIRED"),
    "exhausted": ({"max_clicks": 3, "clicks_used": 3}, 410, "LINK_EXHAUSTED"),
}
DOORS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "GET": ("GET", "", {}),
    "HEAD": ("HEAD", "", {}),
    "prefetch": ("GET", "", {"headers": {"Sec-Purpose": "prefetch"}}),
    "preview agent": ("GET", "", {"headers": {"User-Agent": "Twitterbot/1.0"}}),
    "password": ("POST", "", {"data": {"password": PASSWORD}}),
    "password as JSON": ("POST", "", {"json": {"password": PASSWORD}}),
    "preview": ("GET", "+", {}),
    "preview by HEAD": ("HEAD", "+", {}),
    "preview by POST": ("POST", "+", {"data": {"password": PASSWORD}}),
}
NO_CODES = [
    "nope",
    "a/b",
    "abc/",
    "",
    "/abc",
    "%20abc",
    "abc%0A",
    "abc%00",
    "abc++",
    "%C3%A9",
    "%FF",
    "a.b",
    "x" * 65,
]
PREFERENCES = {
    "": "text/html",
    "*/*": "text/html",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": "text/html",
    "text/html, application/json": "text/html",
    "application/json;q=0.5, text/html": "text/html",
    "image/png": "text/html",
    "application/json;q=0": "text/html",
    ";,;q=x": "text/html",
    "application/json": "application/json",
    "application/json, text/plain, */*": "application/json",
    "application/json, text/html;q=0.9": "application/json",
    "application/*": "application/json",
    "Application/JSON; charset=utf-8": "application/json",
}


@pytest.mark.parametrize("state", STATES)
def test_state_refuses_at_every_door(
    state: str, make_link: LinkFactory, client: FlaskClient, spooled: Spooled, clicks_used: ClicksUsed
) -> None:
    columns, status, code = STATES[state]
    links = [make_link("open", **columns), make_link("protected", password=PASSWORD, **columns)]
    spent = [clicks_used(link.id) for link in links]
    wrong = []
    for link in links:
        for door, (method, suffix, options) in DOORS.items():
            for accept in ("application/json", "text/html"):
                response = _open(client, method, f"/s/{link.code}{suffix}", accept, options)
                if not _refused(response, method, accept, status, code):
                    wrong.append((link.code, door, accept, response.status, response.text))
    assert wrong == []
    assert spooled() == []
    assert [clicks_used(link.id) for link in links] == spent


def test_negative_control_open_links_are_not_refused(make_link: LinkFactory, client: FlaskClient) -> None:
    make_link("open")
    make_link("protected", password=PASSWORD)
    found = {
        (code, door): _open(client, method, f"/s/{code}{suffix}", "text/html", options).status_code
        for code in ("open", "protected")
        for door, (method, suffix, options) in DOORS.items()
    }
    assert {found["open", door] for door in ("GET", "HEAD", "prefetch", "preview agent")} == {302}
    assert {found["protected", door] for door in ("password", "password as JSON")} == {303}
    assert {
        found[code, door] for code in ("open", "protected") for door in ("preview", "preview by HEAD")
    } == {200}
    refused = [("open", "password"), ("open", "preview by POST"), ("protected", "preview by POST")]
    assert [found[door] for door in refused] == [405] * 3


def test_whatever_is_no_code_is_404(make_link: LinkFactory, client: FlaskClient) -> None:
    make_link("abc")
    wrong = []
    for path in NO_CODES:
        for method in ("GET", "HEAD", "POST"):
            for accept in ("text/html", "application/json"):
                response = _open(client, method, f"/s/{path}", accept, {})
                if not _refused(response, method, accept, 404, "NOT_FOUND"):
                    wrong.append((path, method, accept, response.status))
    assert wrong == []


def test_codes_differ_by_case(make_link: LinkFactory, client: FlaskClient) -> None:
    make_link("abc")
    assert client.get("/s/ABC").status_code == 404


def test_people_get_a_page_and_programs_json(client: FlaskClient) -> None:
    types = {
        accept: client.get("/s/nope", headers={"Accept": accept} if accept else {}).mimetype
        for accept in PREFERENCES
    }
    assert types == PREFERENCES


def test_post_of_json_is_answered_with_json_unless_a_page_is_asked_for(client: FlaskClient) -> None:
    assert client.post("/s/nope", json={}).mimetype == "application/json"
    assert client.post("/s/nope", json={}, headers={"Accept": "*/*"}).mimetype == "application/json"
    assert client.post("/s/nope", json={}, headers={"Accept": "text/html"}).mimetype == "text/html"


def test_post_to_a_link_without_password_is_405(make_link: LinkFactory, client: FlaskClient) -> None:
    make_link("abc")
    response = client.post("/s/abc", data={"password": "x"})
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.asvs("4.1.4")
def test_other_methods_are_405(make_link: LinkFactory, client: FlaskClient, spooled: Spooled) -> None:
    make_link("abc")
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
        response = client.open("/s/abc", method=method)
        assert response.status_code == 405
        assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}
    assert spooled() == []


def test_overlong_query_gets_a_page(make_link: LinkFactory, client: FlaskClient) -> None:
    make_link("abc")
    response = client.get("/s/abc?" + "x" * 5000)
    assert _refused(response, "GET", "text/html", 414, "URI_TOO_LONG")


@pytest.mark.asvs("2.4.1")
def test_misses_are_limited_for_each_address_and_hits_are_not(
    make_app: AppFactory, make_link: LinkFactory
) -> None:
    make_link("abc")
    make_link("soon", starts_at=NOW + DAY)
    make_link("gone", deleted_at=NOW)
    client = make_app(RATELIMIT_ENABLED="true", LIMIT_MISSES="3/minute").test_client()
    gone = [client.get("/s/gone").status_code for _ in range(5)]
    misses = [
        client.get(path).status_code for path in ("/s/nope", "/s/soon", "/s/a/b", "/s/nope", "/s/soon+")
    ]
    assert gone == [410] * 5
    assert misses == [404, 404, 404, 429, 429]
    for accept in ("text/html", "application/json"):
        response = client.get("/s/nope", headers={"Accept": accept})
        assert _refused(response, "GET", accept, 429, "RATE_LIMITED")
        assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert [client.get("/s/abc").status_code for _ in range(5)] == [302] * 5
    assert client.get("/s/nope", environ_overrides={"REMOTE_ADDR": "203.0.113.9"}).status_code == 404


def test_database_out_of_reach_is_503(make_app: AppFactory, tmp_path: Path) -> None:
    client = make_app(DATABASE_URL=f"sqlite:///{tmp_path / 'nowhere' / 'x.db'}").test_client()
    for accept in ("text/html", "application/json"):
        response = client.get("/s/abc", headers={"Accept": accept})
        assert _refused(response, "GET", accept, 503, "UNAVAILABLE")
        assert response.headers["Retry-After"]


@pytest.mark.asvs("16.5.1")
def test_unexpected_error_gets_a_page_that_names_the_request_and_nothing_else(
    make_link: LinkFactory, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    make_link("abc", password="open sesame")
    monkeypatch.setattr(routes, "resolve", broken)
    response = client.get("/s/abc", headers={"X-Request-ID": "req_12345678"})
    assert response.status_code == 500
    assert response.mimetype == "text/html"
    assert "req_12345678" in response.text
    assert "secret detail" not in response.text


def test_restored_link_works_at_once(
    make_link: LinkFactory, change_link: Callable[..., None], client: FlaskClient
) -> None:
    link = make_link("abc", deleted_at=NOW)
    assert client.get("/s/abc").status_code == 410
    change_link(link.id, deleted_at=None)
    assert client.get("/s/abc").status_code == 302
    change_link(link.id, enabled=False)
    assert client.get("/s/abc").status_code == 410


def _open(client: FlaskClient, method: str, path: str, accept: str, options: dict[str, Any]) -> TestResponse:
    headers = {"Accept": accept, **options.get("headers", {})}
    return client.open(path, method=method, **(options | {"headers": headers}))


def _refused(response: TestResponse, method: str, accept: str, status: int, code: str) -> bool:
    """Whether this is the refusal in the right shape, with nothing of the target, and not to be kept."""
    headers = response.headers
    shape = response.mimetype == accept and response.status_code == status
    private = (headers["Cache-Control"], headers["X-Robots-Tag"]) == ("no-store", "noindex")
    silent = "Location" not in headers and b"example.com" not in response.data
    if method == "HEAD":
        return shape and private and silent and response.data == b""
    told = response.json["error"]["code"] == code if accept == "application/json" else "<h1>" in response.text
    return shape and private and silent and told
