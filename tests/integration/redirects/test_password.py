"""Links with a password: the form, the POST, and the guesses."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import AppFactory, sign_up
from tests.integration.redirects.made import PASSWORD, TARGET, ClicksUsed, LinkFactory, Spooled

JSON = {"Accept": "application/json"}
WRONG = {"password": "open barley"}
RIGHT = {"password": PASSWORD}
FORM, OBJECT = "application/x-www-form-urlencoded", "application/json"

SAME_TEXT = [
    ("pass w\u00f6rd \ufb01", "pass wo\u0308rd fi"),  # NFKC
    ("x", "x"),
    ("\u00e9" * 128, "\u00e9" * 128),
    ("\U0001f600", "\U0001f600"),
]
BAD_BODIES: list[tuple[dict[str, Any], int, str, str | None]] = [
    ({"data": {}}, 415, "UNSUPPORTED_MEDIA_TYPE", None),
    ({"data": "password=x", "content_type": "text/plain"}, 415, "UNSUPPORTED_MEDIA_TYPE", None),
    ({"data": RIGHT, "content_type": "multipart/form-data"}, 415, "UNSUPPORTED_MEDIA_TYPE", None),
    ({"data": "", "content_type": FORM}, 400, "VALIDATION_ERROR", "password"),
    ({"data": {"password": ""}}, 400, "VALIDATION_ERROR", "password"),
    ({"data": {"password": "x" * 129}}, 400, "VALIDATION_ERROR", "password"),
    ({"data": {"other": "x"}}, 400, "VALIDATION_ERROR", "other"),
    ({"data": {"password": [PASSWORD, PASSWORD]}}, 400, "VALIDATION_ERROR", "password"),
    ({"data": RIGHT | {"next": "//evil"}}, 400, "VALIDATION_ERROR", "next"),
    ({"data": {"password": f"{PASSWORD}\0"}}, 400, "VALIDATION_ERROR", "password"),
    ({"data": b"password=\xff", "content_type": FORM}, 400, "VALIDATION_ERROR", "password"),
    ({"data": "password=%FF", "content_type": FORM}, 400, "VALIDATION_ERROR", "password"),
    ({"data": "p%61ssword=%ed%a0%80", "content_type": FORM}, 400, "VALIDATION_ERROR", "password"),
    ({"data": {"password": "x" * 300_000}}, 413, "PAYLOAD_TOO_LARGE", None),
    ({"json": {}}, 400, "VALIDATION_ERROR", "password"),
    ({"json": {"password": None}}, 400, "VALIDATION_ERROR", "password"),
    ({"json": {"password": 1}}, 400, "VALIDATION_ERROR", "password"),
    ({"json": {"password": [PASSWORD]}}, 400, "VALIDATION_ERROR", "password"),
    ({"json": {"password": f"{PASSWORD}\0"}}, 400, "VALIDATION_ERROR", "password"),
    ({"data": '{"password": "\\ud800"}', "content_type": OBJECT}, 400, "VALIDATION_ERROR", "password"),
    ({"json": RIGHT | {"next": "//evil"}}, 400, "VALIDATION_ERROR", "next"),
    ({"json": [PASSWORD]}, 400, "VALIDATION_ERROR", None),
    ({"data": "{", "content_type": OBJECT}, 400, "MALFORMED_JSON", None),
    ({"data": '{"password":"a","password":"b"}', "content_type": OBJECT}, 400, "MALFORMED_JSON", "password"),
    ({"data": "[" * 100_000, "content_type": OBJECT}, 400, "MALFORMED_JSON", None),
    ({"json": "x" * 300_000}, 413, "PAYLOAD_TOO_LARGE", None),
]
# What a browser, or no browser, says of where a POST comes from; this host is localhost, PUBLIC_URL's sho.rt.
SOURCES: list[tuple[dict[str, str], int]] = [
    ({}, 303),
    ({"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}, 303),
    ({"Sec-Fetch-Site": "none"}, 303),
    # Behind a proxy that changes Host: the browser knows best.
    ({"Sec-Fetch-Site": "same-origin", "Origin": "https://elsewhere.example"}, 303),
    ({"Origin": "http://localhost"}, 303),
    ({"Origin": "https://LOCALHOST"}, 303),
    ({"Origin": "http://sho.rt"}, 303),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site", "Origin": "http://other.localhost"}, 403),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, 403),
    ({"Sec-Fetch-Site": ""}, 403),
    ({"Origin": "https://evil.example"}, 403),
    ({"Origin": "http://localhost.evil.example"}, 403),
    ({"Origin": "http://localhost:81"}, 403),
    ({"Origin": "http://[localhost"}, 403),
    ({"Origin": "localhost"}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": ""}, 403),
]


def test_people_get_the_form(make_link: LinkFactory, browser: FlaskClient, spooled: Spooled) -> None:
    make_link("abc", PASSWORD)
    response = browser.get("/s/abc")
    assert response.status_code == 200
    assert response.mimetype == "text/html"
    assert 'type="password"' in response.text
    assert (response.headers["Cache-Control"], response.headers["X-Robots-Tag"]) == ("no-store", "noindex")
    assert spooled() == []


def test_programs_get_a_challenge(make_link: LinkFactory, client: FlaskClient) -> None:
    make_link("abc", PASSWORD)
    response = client.get("/s/abc", headers=JSON)
    assert (response.status_code, response.json["error"]["code"]) == (401, "PASSWORD_REQUIRED")
    assert response.headers["WWW-Authenticate"] == "LinkPassword"
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("body", [{"data": RIGHT}, {"json": RIGHT}])
def test_right_password_is_303_and_counted(
    body: dict[str, Any], make_link: LinkFactory, browser: FlaskClient, spooled: Spooled
) -> None:
    link = make_link("abc", PASSWORD, redirect_status=301)
    response = browser.post("/s/abc?utm=1", headers={"Referer": "http://localhost/s/abc"}, **body)
    assert response.status_code == 303
    assert dict(response.headers) == {
        "Location": TARGET,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Length": "0",
    }
    (line,) = spooled()
    assert (line.link_id, line.kind, line.query, line.referrer) == (link.id, "click", "utm=1", "")


def test_query_of_the_form_is_forwarded_where_the_link_says_so(
    make_link: LinkFactory, client: FlaskClient
) -> None:
    make_link("abc", PASSWORD, forward_query=True)
    assert client.post("/s/abc?utm=1", data=RIGHT).headers["Location"] == f"{TARGET}?utm=1"


def test_wrong_password_gives_people_the_form_again(
    make_link: LinkFactory, browser: FlaskClient, spooled: Spooled
) -> None:
    make_link("abc", PASSWORD)
    response = browser.post("/s/abc", data=WRONG)
    assert response.status_code == 403
    assert 'role="alert"' in response.text
    assert 'type="password"' in response.text
    assert WRONG["password"] not in response.text
    assert spooled() == []


def test_wrong_password_gives_programs_the_error(make_link: LinkFactory, client: FlaskClient) -> None:
    make_link("abc", PASSWORD)
    response = client.post("/s/abc", json=WRONG)
    error = response.json["error"]
    assert (response.status_code, error["code"], error["field"]) == (403, "WRONG_PASSWORD", "password")


def test_password_is_compared_as_text_not_as_bytes(make_link: LinkFactory, client: FlaskClient) -> None:
    for number, (stored, guess) in enumerate(SAME_TEXT):
        make_link(f"abc{number}", stored)
        for body in ({"data": {"password": guess}}, {"json": {"password": guess}}):
            assert client.post(f"/s/abc{number}", **body).status_code == 303, stored


def test_bad_body_is_refused(make_link: LinkFactory, client: FlaskClient, spooled: Spooled) -> None:
    make_link("abc", PASSWORD)
    wrong = []
    for options, status, code, field in BAD_BODIES:
        response = client.post("/s/abc", headers=JSON, **options)
        error = response.json["error"]
        page = client.post("/s/abc", headers={"Accept": "text/html"}, **options)
        got = (response.status_code, error["code"], error["field"], page.status_code, page.mimetype)
        if got != (status, code, field, status, "text/html"):
            wrong.append((options, got))
    assert wrong == []
    assert spooled() == []


@pytest.mark.asvs("3.5.1")
def test_post_from_another_site_is_refused(make_link: LinkFactory, client: FlaskClient) -> None:
    make_link("abc", PASSWORD)
    wrong = []
    for headers, status in SOURCES:
        response = client.post("/s/abc", data=RIGHT, headers=headers | JSON)
        refused = status == 403
        if response.status_code != status or refused != ("CSRF_FAILED" in response.text):
            wrong.append((headers, response.status, response.text))
    assert wrong == []


def test_refused_post_is_no_guess(make_link: LinkFactory, client: FlaskClient) -> None:
    make_link("abc", PASSWORD)
    for _ in range(12):
        assert client.post("/s/abc", data=WRONG, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert client.post("/s/abc", json={}).status_code == 400
    assert client.post("/s/abc", data=RIGHT).status_code == 303


def test_past_ten_wrong_guesses_even_the_right_one_is_429(
    make_link: LinkFactory, client: FlaskClient, spooled: Spooled
) -> None:
    make_link("abc", PASSWORD)
    make_link("other", PASSWORD)
    assert [client.post("/s/abc", json=WRONG).status_code for _ in range(10)] == [403] * 10
    for accept in ("text/html", "application/json"):
        response = client.post("/s/abc", data=RIGHT, headers={"Accept": accept})
        assert (response.status_code, response.mimetype) == (429, accept)
        assert 1 <= int(response.headers["Retry-After"]) <= 600
    assert spooled() == []
    assert client.post("/s/other", json=RIGHT).status_code == 303
    elsewhere = {"REMOTE_ADDR": "203.0.113.9"}
    assert client.post("/s/abc", json=RIGHT, environ_overrides=elsewhere).status_code == 303


def test_ipv6_network_is_one_guesser(make_link: LinkFactory, client: FlaskClient) -> None:
    make_link("abc", PASSWORD)
    for number in range(10):
        near = {"REMOTE_ADDR": f"2001:db8:0:1::{number}"}
        assert client.post("/s/abc", json=WRONG, environ_overrides=near).status_code == 403
    near, far = {"REMOTE_ADDR": "2001:db8:0:1:ffff::"}, {"REMOTE_ADDR": "2001:db8:0:2::1"}
    assert client.post("/s/abc", json=RIGHT, environ_overrides=near).status_code == 429
    assert client.post("/s/abc", json=RIGHT, environ_overrides=far).status_code == 303


def test_right_password_gives_its_guess_back(make_link: LinkFactory, client: FlaskClient) -> None:
    make_link("abc", PASSWORD)
    assert [client.post("/s/abc", json=WRONG).status_code for _ in range(9)] == [403] * 9
    assert [client.post("/s/abc", json=RIGHT).status_code for _ in range(5)] == [303] * 5
    assert client.post("/s/abc", json=WRONG).status_code == 403
    assert client.post("/s/abc", json=RIGHT).status_code == 429


def test_sixteen_guesses_at_once_are_compared_ten_times(make_link: LinkFactory, app: Flask) -> None:
    app.config["WEB_THREADS"] = 32  # so that all of them may wait for their turn at hashing
    make_link("abc", PASSWORD)

    def guess(_: int) -> int:
        return app.test_client().post("/s/abc", json=WRONG).status_code

    with ThreadPoolExecutor(16) as visitors:
        statuses = sorted(visitors.map(guess, range(16)))
    assert statuses == [403] * 10 + [429] * 6


def test_only_the_right_password_spends(
    make_link: LinkFactory, client: FlaskClient, clicks_used: ClicksUsed, spooled: Spooled
) -> None:
    link = make_link("abc", PASSWORD, max_clicks=2)
    client.get("/s/abc")
    client.head("/s/abc")
    client.post("/s/abc", json=WRONG)
    assert clicks_used(link.id) == 0
    assert [client.post("/s/abc", json=RIGHT).status_code for _ in range(3)] == [303, 303, 410]
    assert clicks_used(link.id) == 2
    assert len(spooled()) == 2


def test_right_passwords_are_limited_too_since_each_costs_a_hash(
    make_app: AppFactory, settings: dict[str, str]
) -> None:
    app = make_app(RATELIMIT_ENABLED="true", LIMIT_MISSES="3/minute")
    alice = sign_up(app, "alice")
    body = {"url": TARGET, "code": "locked", "password": PASSWORD}
    assert alice.post("/links", json=body).status_code == 201
    client = app.test_client()
    assert [client.post("/s/locked", data=RIGHT).status_code for _ in range(4)] == [303, 303, 303, 429]
