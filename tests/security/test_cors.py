"""CORS as a matrix: whose page may read which answer, and who is told that it may send cookies along.

Rules and oddities of origins: tests/integration/web/test_cors.py.
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from settings.cors import CORS_REQUEST_HEADERS, CORS_RESPONSE_HEADERS
from tests.security.browsers import LISTED, OURS, UNLISTED, Browser, house_on_https

ORIGINS = {"listed": LISTED, "unlisted": UNLISTED, "null": "null", "none": None}
KINDS = ("simple", "preflight", "credentialed")
# One answer of each kind: method, path, its status without a credential and by cookie.
ANSWERS = [
    ("GET", "/api/v1/users/me", 401, 200),
    ("GET", "/api/v1/openapi.json", 200, 200),
    ("GET", "/api/v1/links?zzz=1", 401, 400),
    ("POST", "/api/v1/links", 401, 403),  # by cookie, without the CSRF token
    ("GET", "/api/v1/nothing", 404, 404),
    ("DELETE", "/api/v1/auth/login", 405, 405),
    ("GET", "/api/v1/users/me?" + "q" * 5000, 414, 414),
    ("POST", "/api/v1/auth/login", 415, 415),
]


@pytest.fixture(scope="module")
def browser(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with house_on_https(sqlite_template, tmp_path_factory.mktemp("cors-matrix")) as app:
        found = Browser(app)
        found.sign_in()
        yield found


def listed(value: str) -> set[str]:
    return {part.strip() for part in value.split(",")}


@pytest.mark.asvs("1.2.9", "3.4.2")
@pytest.mark.parametrize(("kind", "origin"), list(itertools.product(KINDS, ORIGINS)))
def test_only_a_listed_origin_is_let_in(
    browser: Browser, kind: str, origin: str, cell: Callable[..., None]
) -> None:
    sent = {"Origin": ORIGINS[origin]} if ORIGINS[origin] else {}
    for method, path, anonymous, by_cookie in ANSWERS:
        client = browser.client if kind == "credentialed" else browser.client.application.test_client()
        asked = sent | ({"Access-Control-Request-Method": method} if kind == "preflight" else {})
        answer = client.open(
            path, method="OPTIONS" if kind == "preflight" else method, base_url=OURS, headers=asked
        )
        allowed = {name: value for name, value in answer.headers if name.startswith("Access-Control-")}
        assert "Origin" in listed(answer.headers["Vary"]), path  # for caches, whoever asked
        if origin != "listed":
            assert allowed == {}, path
        else:
            assert allowed["Access-Control-Allow-Origin"] == LISTED
            assert allowed["Access-Control-Allow-Credentials"] == "true"
            assert listed(allowed["Access-Control-Expose-Headers"]) == set(CORS_RESPONSE_HEADERS)
        if kind == "simple":
            assert answer.status_code == anonymous
        elif kind == "credentialed" and origin in ("listed", "none"):
            assert answer.status_code == by_cookie
        elif kind == "credentialed":  # the cookie does nothing for it
            assert answer.status_code == (403 if by_cookie in (200, 400) and anonymous == 401 else by_cookie)
        cell("CORS")


def test_page_of_a_listed_origin_may_send_the_csrf_token(browser: Browser) -> None:
    asked = {
        "Origin": LISTED,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, x-csrf-token",
    }
    answer = browser.call("OPTIONS", "/links", headers=asked)
    assert listed(answer.headers["Access-Control-Allow-Headers"].lower()) == {"content-type", "x-csrf-token"}
    assert "X-CSRF-Token" in CORS_REQUEST_HEADERS
