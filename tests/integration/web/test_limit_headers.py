"""RateLimit, RateLimit-Policy, X-RateLimit-* on every answer of the API, and true: whatever answers, one is spent."""

import io
import sqlite3
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.extensions import db
from tests.conftest import AppFactory, Caller, sign_up
from tests.integration.web.conftest import Shape
from tests.making import make_link, set_role

ON = {"RATELIMIT_ENABLED": "true", "CORS_ORIGINS": "https://app.example.org"}
NAMES = ("RateLimit-Policy", "RateLimit", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
CHUNKED = {"wsgi.input": io.BytesIO(b"x" * 300_000), "wsgi.input_terminated": True}
# What is answered before, beside and by a view.
ASKED: list[tuple[str, str, dict[str, Any], int]] = [
    ("GET", "/users/me", {}, 200),
    ("HEAD", "/users/me", {}, 200),
    ("POST", "/links", {"json": {"url": "https://example.com"}}, 201),
    ("POST", "/links", {"json": {}}, 400),
    ("POST", "/links", {"data": "x"}, 415),
    ("POST", "/links", {"data": b"x" * 300_000}, 413),
    ("POST", "/links", {"environ_overrides": CHUNKED}, 413),
    ("GET", "/links/nothing", {}, 404),
    ("GET", "/nothing", {}, 404),
    ("POST", "/nothing/at/all", {"json": {}}, 404),
    ("OPTIONS", "/nothing", {}, 404),
    ("PUT", "/links", {}, 405),
    ("POST", "/openapi.json", {}, 405),
    ("GET", "/users/me", {"headers": {"Accept": "text/html"}}, 406),
    ("GET", "/users/me?" + "q" * 5000, {}, 414),
    ("GET", "/nothing%00", {}, 404),
]


def remaining(answer: TestResponse) -> int:
    for name in NAMES:
        assert name in answer.headers, name
    return int(answer.headers["X-RateLimit-Remaining"])


def test_each_answer_to_a_user_spends_one_of_the_users(make_app: AppFactory) -> None:
    alice = sign_up(make_app(**ON, LIMIT_USER="100/hour", LIMIT_CREATE="none"), "alice")
    for number, (method, path, options, status) in enumerate(ASKED, start=1):
        answer = alice.call(method, path, **options)
        assert answer.status_code == status, (method, path)
        assert remaining(answer) == 100 - number, (method, path)
        assert answer.headers["RateLimit-Policy"] == '"user-3600";q=100;w=3600'


@pytest.mark.parametrize("token", [None, "forged"])
def test_each_answer_to_a_stranger_spends_one_of_the_addresss(
    make_app: AppFactory, token: str | None
) -> None:
    stranger = Caller(make_app(**ON, LIMIT_ANONYMOUS="100/hour").test_client(), token=token)
    for number, (method, path, options, _) in enumerate(ASKED, start=1):
        answer = stranger.call(method, path, **options)
        assert answer.status_code >= 400
        assert remaining(answer) == 100 - number, (method, path)
        assert answer.headers["RateLimit-Policy"] == '"anonymous-3600";q=100;w=3600'


def test_scan_of_unknown_paths_is_limited(make_app: AppFactory, one_shape: Shape) -> None:
    stranger = Caller(make_app(**ON, LIMIT_ANONYMOUS="5/minute").test_client())
    assert [stranger.get(f"/users/me/{n}").status_code for n in range(5)] == [404] * 5
    refused = stranger.get("/wp-admin.php")
    one_shape(refused, 429, "RATE_LIMITED")
    assert remaining(refused) == 0
    assert "Retry-After" in refused.headers
    assert stranger.post("/auth/login", json={}).status_code == 429


def test_caller_without_limits_is_told_of_none(make_app: AppFactory) -> None:
    app = make_app(**ON)
    admin = sign_up(app, "admin")
    set_role(app, admin, "admin")
    for path in ("/users/me", "/nothing"):
        assert not [name for name in admin.get(path).headers if "RateLimit" in name]


def test_preflights_and_options_are_free(make_app: AppFactory) -> None:
    stranger = Caller(make_app(**ON, LIMIT_ANONYMOUS="1/minute").test_client())
    asked = {"Origin": "https://app.example.org", "Access-Control-Request-Method": "POST"}
    for _ in range(3):
        answer = stranger.call("OPTIONS", "/links", headers=asked)
        assert answer.status_code == 200
        assert not [name for name in answer.headers if "RateLimit" in name]


def test_https_refusal_spends_too(make_app: AppFactory) -> None:
    app = make_app(**ON, FORCE_HTTPS="true", PUBLIC_URL="https://sho.rt", LIMIT_ANONYMOUS="2/minute")
    stranger = Caller(app.test_client())
    assert [stranger.get("/users/me").status_code for _ in range(3)] == [403, 403, 429]


def test_fault_spends_from_the_address(make_app: AppFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(**ON, LIMIT_ANONYMOUS="50/minute")
    alice = sign_up(app, "alice")
    _cut_off(app, monkeypatch)
    answer = alice.get("/users/me")
    assert answer.status_code == 503
    assert "anonymous-60" in answer.headers["RateLimit"]
    assert alice.get("/nothing").status_code == 404


def test_retry_after_stands_on_429_and_503_alone(make_app: AppFactory) -> None:
    app = make_app(**ON, LIMIT_USER="300/minute", LIMIT_CREATE="none")
    alice = sign_up(app, "alice")
    make_link(alice, code="x")
    for method, path, options, _ in ASKED:
        assert "Retry-After" not in alice.call(method, path, **options).headers


def _cut_off(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.app_context():
        engine = db.engine
    engine.dispose()
    monkeypatch.setattr(engine.dialect, "connect", _refuse)


def _refuse(*_args: object, **_kwargs: object) -> None:
    raise sqlite3.OperationalError("unable to open database file")
