"""app/web/headers.py"""

import re

import pytest
from flask import Flask, Response

from app.web import headers


@pytest.fixture
def guarded(bare: Flask) -> Flask:
    bare.config.update(FORCE_HTTPS=True, CORS_ORIGINS=[])
    headers.init_app(bare)
    own = {"Content-Security-Policy": "own"}
    bare.add_url_rule("/api/x", "api", lambda: "x")
    bare.add_url_rule("/page", "page", lambda: Response("x", headers=own))
    return bare


def test_every_answer_is_guarded(guarded: Flask) -> None:
    for path in ("/api/x", "/page", "/missing"):
        sent = guarded.test_client().get(path).headers
        assert sent["X-Content-Type-Options"] == "nosniff"
        assert sent["X-Frame-Options"] == "DENY"
        assert sent["Referrer-Policy"] == "no-referrer"
        assert "frame-ancestors" in sent["Content-Security-Policy"] or path == "/page"


def test_policy_of_a_page_wins(guarded: Flask) -> None:
    assert guarded.test_client().get("/page").headers.get_all("Content-Security-Policy") == ["own"]


@pytest.mark.asvs("14.2.2", "14.3.2")
def test_answers_of_the_api_are_not_stored(guarded: Flask) -> None:
    assert guarded.test_client().get("/api/x").headers["Cache-Control"] == "no-store"
    assert "Cache-Control" not in guarded.test_client().get("/page").headers


@pytest.mark.asvs("3.4.1")
@pytest.mark.parametrize(
    ("forced", "scheme", "sent"), [(True, "https", True), (True, "http", False), (False, "https", False)]
)
def test_hsts_is_sent_over_https_when_https_is_forced(
    bare: Flask, forced: bool, scheme: str, sent: bool
) -> None:
    bare.config.update(FORCE_HTTPS=forced, CORS_ORIGINS=[])
    headers.init_app(bare)
    answer = bare.test_client().get("/", base_url=f"{scheme}://sho.rt")
    assert ("Strict-Transport-Security" in answer.headers) is sent


@pytest.mark.parametrize(("origins", "varies"), [([], False), ([re.compile("https://a")], True)])
def test_answers_vary_by_origin_where_any_is_listed(
    bare: Flask, origins: list[re.Pattern[str]], varies: bool
) -> None:
    bare.config.update(FORCE_HTTPS=False, CORS_ORIGINS=origins)
    headers.init_app(bare)
    assert ("Origin" in bare.test_client().get("/api/x").headers.get("Vary", "")) is varies
    assert "Vary" not in bare.test_client().get("/page").headers
