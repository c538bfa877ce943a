"""CORS on /api/*: browser frontends of listed origins, and nobody else's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from settings.cors import CORS_REQUEST_HEADERS, CORS_RESPONSE_HEADERS
from tests.conftest import AppFactory
from tests.sharing import shared

LISTED = "https://app.example.org"
SECOND = "http://[::1]:3000"
UNLISTED = [
    "https://evil.example",
    "https://app.example.org.evil.example",
    "https://appXexample.org",
    "https://evil.example/https://app.example.org",
    "http://app.example.org",
    "https://app.example.org:8443",
    "http://1:3000",
    "http://[::1]:30001",
    "null",
    "*",
    "https://app.example.org https://evil.example",
]
# One answer of each kind: what is asked, and its status without a credential.
ASKED = [
    ("GET", "/api/v1/users/me", 401),
    ("GET", "/api/v1/openapi.json", 200),
    ("GET", "/api/v1/nothing", 404),
    ("GET", "/api/v1/auth/login", 405),
    ("POST", "/api/v1/auth/login", 415),
    ("GET", "/api/v1/users/me?" + "q" * 5000, 414),
]


@pytest.fixture(scope="module")
def browser(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    folder = tmp_path_factory.mktemp("cors")
    with shared(sqlite_template, folder, CORS_ORIGINS=f"{LISTED}, {SECOND}") as app:
        yield app.test_client()


def preflight(
    client: FlaskClient, origin: str, path: str = "/api/v1/users/me", **headers: str
) -> TestResponse:
    asked = {"Origin": origin, "Access-Control-Request-Method": "PATCH"}
    asked |= {name.replace("_", "-"): value for name, value in headers.items()}
    return client.options(path, headers=asked)


def cors_headers(answer: TestResponse) -> dict[str, str]:
    return {name: value for name, value in answer.headers if name.startswith("Access-Control-")}


def listed(value: str) -> set[str]:
    return {part.strip() for part in value.split(",")}


@pytest.mark.parametrize("origin", [LISTED, SECOND])
def test_preflight_of_a_listed_origin_is_granted(browser: FlaskClient, origin: str) -> None:
    answer = preflight(browser, origin, Access_Control_Request_Headers=", ".join(CORS_REQUEST_HEADERS))
    assert answer.status_code == 200
    assert answer.headers.get_all("Access-Control-Allow-Origin") == [origin]
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert answer.headers["Access-Control-Max-Age"] == "86400"
    methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
    assert listed(answer.headers["Access-Control-Allow-Methods"]) == methods
    assert listed(answer.headers["Access-Control-Allow-Headers"]) == set(CORS_REQUEST_HEADERS)
    assert listed(answer.headers["Vary"]) - {"Accept"} == {"Origin"}


def test_headers_that_are_not_listed_are_not_granted(browser: FlaskClient) -> None:
    answer = preflight(
        browser, LISTED, Access_Control_Request_Headers="authorization, X-Evil, X-Forwarded-For"
    )
    assert answer.headers["Access-Control-Allow-Headers"].lower() == "authorization"


def test_method_that_is_not_listed_is_not_granted(browser: FlaskClient) -> None:
    answer = preflight(browser, LISTED, Access_Control_Request_Method="TRACE")
    assert "Access-Control-Allow-Methods" not in answer.headers


@pytest.mark.asvs("3.4.2")
@pytest.mark.parametrize("origin", UNLISTED)
def test_unlisted_origin_is_granted_nothing(browser: FlaskClient, origin: str) -> None:
    for answer in (preflight(browser, origin), browser.get("/api/v1/users/me", headers={"Origin": origin})):
        assert cors_headers(answer) == {}
        assert listed(answer.headers["Vary"]) - {"Accept"} == {"Origin"}


@pytest.mark.parametrize(("method", "path", "status"), ASKED)
def test_listed_origin_reads_every_answer(browser: FlaskClient, method: str, path: str, status: int) -> None:
    answer = browser.open(path, method=method, headers={"Origin": LISTED})
    assert answer.status_code == status
    assert answer.headers.get_all("Access-Control-Allow-Origin") == [LISTED]
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert listed(answer.headers["Access-Control-Expose-Headers"]) == set(CORS_RESPONSE_HEADERS)
    assert listed(answer.headers["Vary"]) - {"Accept"} == {"Origin"}


@pytest.mark.parametrize(("method", "path", "status"), ASKED)
def test_who_names_no_origin_learns_of_none(
    browser: FlaskClient, method: str, path: str, status: int
) -> None:
    answer = browser.open(path, method=method)
    assert answer.status_code == status
    assert cors_headers(answer) == {}
    # A cache must not hand this answer to a page of a listed origin.
    assert listed(answer.headers["Vary"]) - {"Accept"} == {"Origin"}


@pytest.mark.parametrize("path", ["/healthz", "/docs", "/robots.txt", "/s/abc", "/metrics"])
def test_nothing_but_the_api_is_shared(browser: FlaskClient, path: str) -> None:
    with browser.get(path, headers={"Origin": LISTED}) as answer:
        assert cors_headers(answer) == {}


def test_one_listed_origin_is_enough_for_caches_to_tell_apart(make_app: AppFactory) -> None:
    client = make_app(CORS_ORIGINS=LISTED).test_client()
    for origin in (LISTED, "https://evil.example"):
        answer = client.get("/api/v1/users/me", headers={"Origin": origin})
        assert ("Access-Control-Allow-Origin" in answer.headers) is (origin == LISTED)
        assert listed(answer.headers["Vary"]) - {"Accept"} == {"Origin"}


def test_too_many_requests_can_be_read(make_app: AppFactory) -> None:
    app = make_app(CORS_ORIGINS=LISTED, RATELIMIT_ENABLED="true", LIMIT_ANONYMOUS="1/minute")
    client = app.test_client()
    answers = [client.get("/api/v1/users/me", headers={"Origin": LISTED}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [401, 429]
    assert answers[1].headers["Access-Control-Allow-Origin"] == LISTED
    assert "Retry-After" in listed(answers[1].headers["Access-Control-Expose-Headers"])


def test_unexpected_error_can_be_read(make_app: AppFactory) -> None:
    app = make_app(CORS_ORIGINS=LISTED)

    def fail() -> Any:
        raise RuntimeError

    app.add_url_rule("/api/v1/fail", view_func=fail)
    answer = app.test_client().get("/api/v1/fail", headers={"Origin": LISTED})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (500, LISTED)


def test_without_listed_origins_there_is_no_cors_at_all(app: Flask) -> None:
    client = app.test_client()
    for answer in (preflight(client, LISTED), client.get("/api/v1/users/me", headers={"Origin": LISTED})):
        assert cors_headers(answer) == {}
        assert "Origin" not in answer.headers.get("Vary", "")
