"""Cross-site request forgery: whatever a page elsewhere has a browser send, its reader's cookies do nothing for it.

The matrix: credential x method x Origin x Sec-Fetch-Site x CSRF token. A cell that gets through the gate is told that
it has an unknown parameter, so that thousands of them change nothing; that the gate is what stands between a forger
and his aim, the controls show.
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from app.api import csrf
from tests.conftest import PASSWORD, Caller
from tests.making import URL
from tests.security.browsers import EVIL, LISTED, OURS, UNLISTED, Browser, house_on_https

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
PATHS = {"POST": "/links", "PUT": "/links/abc", "DELETE": "/auth/sessions"}
ORIGINS = (None, OURS, LISTED, UNLISTED, "null")
SITES = (None, "same-origin", "none", "same-site", "cross-site")
TOKENS = ("right", "wrong", "missing", "of another's session", "of an older session")
# What a bearer brings besides does not matter: of the tokens two will do.
ROWS = [
    (credential, method, token)
    for credential, tokens in (("cookie", TOKENS), ("bearer", TOKENS[1:3]))
    for method in METHODS
    for token in tokens
]


def passes(credential: str, method: str, origin: str | None, site: str | None, token: str) -> bool:
    """What ADR 12 says of a cell."""
    if credential == "bearer":
        return True
    if origin in (UNLISTED, "null") or site == "cross-site":
        return False
    if method in ("GET", "HEAD"):
        return True
    return token == "right" and not (site == "same-site" and origin is None)


@pytest.fixture(scope="module")
def secure(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with house_on_https(sqlite_template, tmp_path_factory.mktemp("csrf")) as app:
        yield app


@pytest.fixture(scope="module")
def browser(secure: Flask) -> Browser:
    """Of somebody signed in by cookie, with a CSRF token of an older session and one of somebody else's."""
    found = Browser(secure)
    found.sign_in()
    found.older = found.csrf  # type: ignore[attr-defined]  # this module's own
    found.sign_in()
    other = Browser(secure)
    other.sign_in()
    found.anothers = other.csrf  # type: ignore[attr-defined]  # the same
    return found


def sent(browser: Browser, token: str) -> tuple[str, str | None]:
    """The CSRF cookie and header of a row; a forger who could plant the cookie plants one that fits his header."""
    planted = {
        "of another's session": browser.anothers,  # type: ignore[attr-defined]  # of `browser`
        "of an older session": browser.older,  # type: ignore[attr-defined]  # the same
        "wrong": "0" * 22 + "." + "0" * 64,
    }
    return planted.get(token, browser.csrf), planted.get(token, browser.csrf if token == "right" else None)


@pytest.mark.asvs("3.5.1")
@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_cell_passes_or_is_refused(
    browser: Browser, row: tuple[str, str, str], cell: Callable[..., None]
) -> None:
    credential, method, token = row
    cookie, header = sent(browser, token)
    bearer = {"Authorization": f"Bearer {browser.account.token}"}
    cookies = {"Cookie": f"__Host-slugline_access={browser.cookie('access')}; __Host-slugline_csrf={cookie}"}
    own = (cookies if credential == "cookie" else bearer) | ({"X-CSRF-Token": header} if header else {})
    client = browser.client.application.test_client(use_cookies=False)
    for origin, site in itertools.product(ORIGINS, SITES):
        told = {"Origin": origin, "Sec-Fetch-Site": site}
        headers = own | {name: value for name, value in told.items() if value is not None}
        path = f"/api/v1{PATHS.get(method, '/users/me')}?zzz=1"
        answer = client.open(path, method=method, base_url=OURS, headers=headers)
        expected = (400, "VALIDATION_ERROR") if passes(credential, method, origin, site, token) else None
        found = (answer.status_code, answer.headers["X-Error-Code"])
        assert found == (expected or (403, "CSRF_FAILED")), (origin, site)
        cell("CSRF")


# --- The controls: without the gate, the attack succeeds ---


def forged(browser: Browser, **headers: str) -> int:
    """What a page elsewhere gets a browser to send that knows nothing of SameSite: a link in its reader's name."""
    answer = browser.call(
        "POST",
        "/links",
        json={"url": URL},
        headers={"Origin": EVIL, "Sec-Fetch-Site": "cross-site", **headers},
    )
    return answer.status_code


@pytest.mark.asvs("3.5.1", "3.5.2")
def test_forger_makes_nothing(browser: Browser) -> None:
    assert forged(browser) == 403
    assert browser.call("GET", "/links").json["items"] == []


def test_without_the_gate_the_forger_has_his_link(secure: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Browser(secure)
    reader.sign_in()
    assert forged(reader, **{"X-CSRF-Token": reader.csrf}) == 403  # the origin alone stops him
    monkeypatch.setattr(csrf, "refuse_foreign", lambda: None)
    assert forged(reader) == 403  # and so does the token
    monkeypatch.setattr(csrf, "check", lambda *_: None)
    assert forged(reader) == 201


@pytest.mark.parametrize(
    "told",
    [
        {"Origin": EVIL},
        {
            "Origin": "http://sho.rt"
        },  # the same host in clear, where anybody on the way may have written the page
        {"Origin": "https://sho.rt.evil.example"},
        {"Origin": "https://sho.rt:8443"},
        {"Origin": f"{OURS}, {EVIL}"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "same-origin, cross-site"},
        {"Sec-Fetch-Site": ""},
        {"Sec-Fetch-Site": "Same-Origin"},
        {"X-CSRF-Token": ""},
    ],
    ids=str,
)
def test_oddities_are_refused(browser: Browser, told: dict[str, str]) -> None:
    answer = browser.change("POST", "/links", json={"url": URL}, headers=told)
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "CSRF_FAILED")


@pytest.mark.asvs("3.5.1")
def test_token_is_wanted_twice(browser: Browser) -> None:
    """The header without its cookie is not enough, though it is genuine: both come from the same jar."""
    client = browser.client.application.test_client(use_cookies=False)
    headers = {"Cookie": f"__Host-slugline_access={browser.cookie('access')}", "X-CSRF-Token": browser.csrf}
    answer = client.post("/api/v1/links", base_url=OURS, headers=headers, json={"url": URL})
    assert answer.json["error"]["code"] == "CSRF_FAILED"


def test_a_page_of_ours_makes_its_link(browser: Browser, secure: Flask) -> None:
    reader = Browser(secure)
    reader.sign_in()
    for headers in (
        {"Origin": OURS, "Sec-Fetch-Site": "same-origin"},
        {"Origin": LISTED, "Sec-Fetch-Site": "same-site"},
    ):
        assert reader.change("POST", "/links", json={"url": URL}, headers=headers).status_code == 201


# --- Login CSRF and what comes before a session ---


@pytest.mark.asvs("7.6.2")
@pytest.mark.parametrize("told", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": EVIL}, {"Origin": "null"}])
def test_foreign_page_does_not_sign_its_reader_in(secure: Flask, told: dict[str, str]) -> None:
    """Else the reader would work in the attacker's account, and tell it what is his."""
    attacker = Browser(secure)
    answer = attacker.sign_in(**told)
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "CSRF_FAILED")
    assert "Set-Cookie" not in answer.headers
    devices = attacker.account.get("/auth/sessions").json["items"]
    assert len(devices) == 1  # that of the account's own sign-up: the refused session was never stored


def test_without_the_gate_it_would(secure: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csrf, "refuse_foreign", lambda: None)
    assert Browser(secure).sign_in(Origin=EVIL).status_code == 200


def test_foreign_page_may_sign_in_by_token(secure: Flask) -> None:
    """It gets what it may have anyhow, and the browser keeps nothing."""
    answer = Browser(secure).sign_in("token", Origin=EVIL)
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers


@pytest.mark.asvs("3.5.2")
@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
def test_body_that_a_form_could_send_is_refused(secure: Flask, kind: str | None) -> None:
    body = f'{{"email": "a@example.org", "password": "{PASSWORD}", "transport": "cookie"}}'
    answer = secure.test_client().post("/api/v1/auth/login", data=body, content_type=kind)
    assert answer.status_code == 415


# --- The token itself ---


def test_each_session_has_a_token_of_its_own(secure: Flask) -> None:
    reader = Browser(secure)
    tokens = {reader.sign_in().json["csrf_token"] for _ in range(3)}
    assert len(tokens) == 3


@pytest.mark.parametrize("bad", ["", ".", "a.b", "é", "a" * 5000, "null", "undefined"])
def test_no_text_that_was_not_made_here_is_a_token(secure: Flask, bad: str) -> None:
    with secure.app_context():
        assert not csrf.is_genuine(bad, "ses_abc")
        assert not csrf.is_genuine(csrf.token_for("ses_ab"), "ses_abc")
        nonce, _, mac = csrf.token_for("ses_abc").partition(".")
        # Neither part may lend characters to its neighbour.
        assert not csrf.is_genuine(f"c!{nonce}.{mac}", "ses_ab")


def test_cookie_is_refused_beside_each_other_credential(browser: Browser) -> None:
    bob = Caller(browser.client, token=browser.account.token)
    for header in (f"Bearer {bob.token}", "Bearer x", "Basic eDp5"):
        answer = browser.change("GET", "/users/me", headers={"Authorization": header})
        assert (answer.status_code, answer.json["error"]["code"]) == (400, "VALIDATION_ERROR")
