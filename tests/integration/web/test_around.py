"""What surrounds every call: request ids, security headers, HTTPS, proxies, what happens when all breaks."""

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import make_url, text

from app import database
from app.logs import dict_config
from app.web import headers
from tests import servers
from tests.conftest import PASSWORD, AppFactory, Caller
from tests.integration.web.conftest import Shape
from tests.making import add_domain

OVER_HTTPS = {"FORCE_HTTPS": "true", "PUBLIC_URL": "https://sho.rt"}
ACCOUNT = {"email": "ada@example.org", "password": PASSWORD}


@pytest.fixture
def log(app: Flask) -> Iterator[io.StringIO]:
    """What is written to the log, as it is written in production."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    made = dict_config("INFO")["formatters"]["json"]
    factory = made.pop("()")
    handler.setFormatter(factory(**made))
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


@pytest.mark.parametrize(
    "path", ["/api/v1/users/me", "/api/v1/nothing", "/healthz", "/robots.txt", "/nothing"]
)
def test_every_answer_has_a_request_id(app: Flask, path: str) -> None:
    client = app.test_client()
    made, kept = client.get(path), client.get(path, headers={"X-Request-ID": "trace-12345678"})
    assert re.fullmatch(r"req_\w{22}", made.headers["X-Request-ID"])
    assert kept.headers["X-Request-ID"] == "trace-12345678"


@pytest.mark.asvs("16.2.1", "16.3.2")
def test_log_line_has_the_request_id_and_no_query(alice: Caller, log: io.StringIO) -> None:
    alice.get("/auth/sessions?secret=1", headers={"X-Request-ID": "trace-12345678"})
    [line] = [line for line in lines(log) if line["event"] == "request"]
    assert line["request_id"] == "trace-12345678"
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/v1/auth/sessions", 400)
    assert line["user"] == alice.id
    assert "secret" not in log.getvalue()


def test_line_of_one_request_has_nothing_of_the_one_before(alice: Caller, log: io.StringIO) -> None:
    alice.get("/users/me", headers={"X-Request-ID": "trace-12345678"})
    Caller(alice.client).get("/users/me")
    second = lines(log)[-1]
    assert second["user"] is None
    assert second["request_id"] != "trace-12345678"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/healthz"),
        ("GET", "/nothing"),
        ("GET", "/api/v1/nothing"),
        ("POST", "/healthz"),
        ("GET", "/docs"),
        ("GET", "/s/nothing"),
        ("OPTIONS", "/api/v1/users/me"),
        ("POST", "/api/v1/auth/login"),
    ],
)
def test_every_answer_is_guarded(app: Flask, method: str, path: str) -> None:
    with app.test_client().open(path, method=method) as answer:
        for name in headers.ALWAYS | headers.UNLESS_SET:
            assert answer.headers.get_all(name), name
        assert "unsafe-eval" not in answer.headers["Content-Security-Policy"]
        assert "Server" not in answer.headers
        assert ("no-store" in answer.headers.get("Cache-Control", "")) or not path.startswith("/api")


@pytest.mark.asvs("4.1.2")
def test_over_http_the_api_is_refused_before_it_reads_a_secret(
    make_app: AppFactory, one_shape: Shape
) -> None:
    app = make_app(**OVER_HTTPS)
    answer = Caller(app.test_client()).post("/auth/register", json=ACCOUNT)
    one_shape(answer, 403, "HTTPS_REQUIRED")
    with app.app_context(), database.reading() as connection:
        assert connection.scalar(text("SELECT count(*) FROM users")) == 0


@pytest.mark.parametrize(("hops", "status"), [("0", 403), ("1", 401), ("2", 403)])
def test_proxy_may_vouch_for_https_where_it_is_trusted(make_app: AppFactory, hops: str, status: int) -> None:
    anonymous = Caller(make_app(**OVER_HTTPS, PROXY_HOPS=hops).test_client())
    answer = anonymous.get("/users/me", headers={"X-Forwarded-Proto": "https"})
    assert answer.status_code == status
    assert ("Strict-Transport-Security" in answer.headers) is (status == 401)


@pytest.mark.asvs("4.1.3")
def test_who_lies_before_the_proxy_is_not_believed(make_app: AppFactory) -> None:
    anonymous = Caller(make_app(**OVER_HTTPS, PROXY_HOPS="1").test_client())
    answer = anonymous.get("/users/me", headers={"X-Forwarded-Proto": "https, http"})
    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_health_is_told_over_http(make_app: AppFactory, path: str) -> None:
    assert make_app(**OVER_HTTPS).test_client().get(path).status_code == 200


@pytest.mark.asvs("4.1.2")
@pytest.mark.parametrize("path", ["/docs", "/s/abc?x=1", "/robots.txt", "/nothing"])
def test_readers_and_visitors_are_sent_to_https(make_app: AppFactory, path: str) -> None:
    answer = make_app(**OVER_HTTPS).test_client().get(path, headers={"Host": "evil.example"})
    assert (answer.status_code, answer.headers["Location"]) == (301, f"https://sho.rt{path}")


@pytest.mark.parametrize("path", ["/s/abc", "/s/%0D%0AX-Evil:%201?a=%0d%0aX:1", "/s/a%2525b?really?"])
def test_visitors_of_another_domain_of_ours_stay_on_it(make_app: AppFactory, path: str) -> None:
    app = make_app(**OVER_HTTPS)
    add_domain(app, "go.example")
    for host, origin in (("go.example", "https://go.example"), ("went.example", "https://sho.rt")):
        answer = app.test_client().get(path, headers={"Host": host})
        assert (answer.status_code, answer.headers["Location"]) == (301, f"{origin}{path}")


@pytest.mark.parametrize(("hops", "prefix"), [("0", "127.0.0.0/24"), ("1", "198.51.100.0/24")])
def test_session_shows_the_network_of_whom_the_proxy_saw(
    make_app: AppFactory, hops: str, prefix: str
) -> None:
    caller = Caller(make_app(PROXY_HOPS=hops).test_client())
    forwarded = {"X-Forwarded-For": "6.6.6.6, 198.51.100.9"}
    caller.post("/auth/register", json=ACCOUNT)
    caller.token = caller.post("/auth/login", json=ACCOUNT, headers=forwarded).json["access_token"]
    assert caller.get("/auth/sessions").json["items"][0]["ip_prefix"] == prefix


@pytest.mark.asvs("16.3.4", "16.5.1")
def test_unexpected_error_says_nothing_and_is_logged_under_its_id(
    app: Flask, alice: Caller, one_shape: Shape, log: io.StringIO
) -> None:
    def fail() -> None:
        raise RuntimeError("the inside")

    app.view_functions["v1_users.get_me"] = fail
    answer = alice.get("/users/me")
    error = one_shape(answer, 500, "INTERNAL_ERROR")
    assert "inside" not in answer.text
    [logged] = [line for line in lines(log) if line["event"] == "unexpected error"]
    assert logged["request_id"] == error["request_id"]
    assert logged["exception"][0]["exc_type"] == "RuntimeError"


def test_database_that_is_away_is_503_with_retry_after(make_app: AppFactory, one_shape: Shape) -> None:
    app = make_app(DATABASE_URL=f"postgresql://nobody@127.0.0.1:{servers.free_port()}/none")
    answer = Caller(app.test_client()).post("/auth/login", json=ACCOUNT)
    one_shape(answer, 503, "UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) >= 1
    assert "127.0.0.1" not in answer.text


def test_damaged_database_is_503_and_not_a_traceback(app: Flask, alice: Caller, one_shape: Shape) -> None:
    with app.app_context():
        app.extensions["sqlalchemy"].engine.dispose()
    path = Path(make_url(app.config["SQLALCHEMY_DATABASE_URI"]).database or "")
    for file in path.parent.glob("slugline.db-*"):
        file.unlink()
    path.write_bytes(b"This is no database. " * 1000)
    answer = alice.get("/users/me")
    assert answer.status_code in (500, 503)
    one_shape(answer, answer.status_code, answer.headers["X-Error-Code"])


@pytest.mark.asvs("3.7.2")
@pytest.mark.parametrize("path", ["//evil.example/..", "/api//v1/users/me", "/docs//x", "/docs/"])
def test_doubled_slashes_are_other_paths_and_no_redirects(app: Flask, path: str) -> None:
    answer = app.test_client().open(environ_overrides={"PATH_INFO": path, "RAW_URI": path})
    assert answer.status_code == 404
    assert "Location" not in answer.headers


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "a b",
        "<script>",
        "[::1",
        "x" * 3000,
        "\u00e9",
        "a:b:c",
        "sho.rt:99999999",
        "a\x00b",
    ],
)
def test_no_host_header_breaks_anything_or_shows_up(alice: Caller, host: str) -> None:
    answer = alice.client.get(
        "/api/v1/users/me",
        headers={"Authorization": f"Bearer {alice.token}"},
        environ_overrides={"HTTP_HOST": host.encode().decode("latin-1")},
    )
    assert answer.status_code in (200, 400)
    assert not host or host not in answer.text
