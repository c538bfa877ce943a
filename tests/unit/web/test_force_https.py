"""app/web/https.py: who is refused, and what stays of an address (tests/integration/web has the redirect)."""

import pytest
from flask import Flask

from app.web import errors, https


@pytest.fixture
def secure(bare: Flask) -> Flask:
    bare.config.update(FORCE_HTTPS=True, PUBLIC_URL="https://sho.rt")
    https.init_app(bare)
    errors.init_app(bare)
    return bare


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("/", "/"),
        ("/s/abc", "/s/abc"),
        ("/s/abc?", "/s/abc"),
        ("/s/abc?a=b&c=%20d+e", "/s/abc?a=b&c=%20d+e"),
        ("/s/abc?really?", "/s/abc?really?"),
        ("/s/abc?a=%0d%0aX-Evil:%201", "/s/abc?a=%0d%0aX-Evil:%201"),
        ("/s/%0D%0AX-Evil:%201", "/s/%0D%0AX-Evil:%201"),
        ("/s/a%2525b", "/s/a%2525b"),
        ("/s/a%3Fb", "/s/a%3Fb"),
        ("/s/a%23b", "/s/a%23b"),
        ("/s/%C3%A9", "/s/%C3%A9"),
        ("/s/%5C%5Cevil.example", "/s/%5C%5Cevil.example"),
        ("/%2F%2Fevil.example", "///evil.example"),
        ("/@evil.example/", "/@evil.example/"),
    ],
)
def test_path_and_query_stay_what_they_were(bare: Flask, asked: str, sent: str) -> None:
    with bare.test_request_context(asked):
        assert https._target() == sent


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_those_who_ask_from_inside_are_answered(secure: Flask, path: str) -> None:
    assert secure.test_client().get(path).status_code == 404  # no such route in this application


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
def test_api_is_refused_and_not_redirected(secure: Flask, method: str) -> None:
    answer = secure.test_client().open("/api/v1/users/me", method=method)
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (403, "HTTPS_REQUIRED")
    assert "Location" not in answer.headers


def test_https_passes(secure: Flask) -> None:
    assert secure.test_client().get("/s/x", base_url="https://sho.rt").status_code == 404


def test_nothing_is_forced_when_switched_off(bare: Flask) -> None:
    bare.config["FORCE_HTTPS"] = False
    https.init_app(bare)
    assert bare.test_client().get("/s/x").status_code == 404
