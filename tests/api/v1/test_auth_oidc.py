"""/auth/providers and /auth/oidc: signing in at an OpenID provider, and whom that makes an account."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import database
from app.accounts.oidc import flows
from tests.conftest import PASSWORD, Caller
from tests.issuer import Issuer, came_back, lend
from tests.making import let_pass

COMPLETE = "/auth/oidc/house/complete"


def signed_in(caller: Caller, issuer: Issuer) -> TestResponse:
    return caller.post(COMPLETE, json=came_back(caller, issuer))


def code_of(answer: TestResponse) -> tuple[int, str | None]:
    return answer.status_code, answer.headers.get("X-Error-Code")


def test_providers_are_listed_without_their_secrets(anonymous: Caller, issuer: Issuer) -> None:
    listed = anonymous.get("/auth/providers").json
    begin = {"begin": {"href": "/api/v1/auth/oidc/house"}}
    assert listed == {"items": [{"name": "house", "issuer": issuer.url, "_links": begin}]}


def test_without_providers_the_list_is_empty(anonymous: Caller) -> None:
    assert anonymous.get("/auth/providers").json == {"items": []}


def test_sign_in_answers_as_login_does(anonymous: Caller, issuer: Issuer) -> None:
    answer = signed_in(anonymous, issuer)
    assert answer.status_code == 200
    assert set(answer.json) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Max-Age=0" in answer.headers["Set-Cookie"]


def test_account_has_no_password_and_stands_all_the_same(anonymous: Caller, issuer: Issuer) -> None:
    anonymous.token = signed_in(anonymous, issuer).json["access_token"]
    email = anonymous.get("/users/me").json["email"]
    login = anonymous.post("/auth/login", json={"email": email, "password": PASSWORD})
    assert code_of(login) == (401, "INVALID_CREDENTIALS")
    change = {"current_password": PASSWORD, "new_password": f"{PASSWORD} too"}
    assert code_of(anonymous.put("/users/me/password", json=change)) == (403, "WRONG_PASSWORD")
    taken = anonymous.post("/auth/register", json={"email": email, "password": PASSWORD})
    assert code_of(taken) == (409, "EMAIL_TAKEN")
    assert anonymous.delete("/users/me").status_code == 204


@pytest.mark.asvs("10.3.3")
def test_closed_account_is_forgotten_and_may_be_made_anew(anonymous: Caller, issuer: Issuer) -> None:
    returned = came_back(anonymous, issuer)
    anonymous.token = anonymous.post(COMPLETE, json=returned).json["access_token"]
    first = anonymous.get("/users/me").json["id"]
    anonymous.delete("/users/me")
    person = dict(issuer.claims)
    again = came_back(anonymous, issuer)
    issuer.claims |= person
    anonymous.token = anonymous.post(COMPLETE, json=again).json["access_token"]
    assert anonymous.get("/users/me").json["id"] != first


@pytest.mark.parametrize(
    ("registration", "provider", "expected"),
    [
        (("open", []), (True, ()), (200, None)),
        (("open", []), (False, ()), (200, None)),
        (("open", []), (True, ("example.org",)), (200, None)),
        (("open", []), (True, ("example.com",)), (403, "FORBIDDEN")),
        (("open", []), (False, ("example.org",)), (403, "REGISTRATION_CLOSED")),
        (("domains", ["example.org"]), (True, ()), (200, None)),
        (("domains", ["example.com"]), (True, ()), (403, "REGISTRATION_CLOSED")),
        (("domains", ["example.org"]), (False, ()), (403, "REGISTRATION_CLOSED")),
        (("closed", []), (True, ("example.org",)), (403, "REGISTRATION_CLOSED")),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_who_may_sign_up(
    app: Flask,
    issuer: Issuer,
    registration: tuple[str, list[str]],
    provider: tuple[bool, tuple[str, ...]],
    expected: tuple[int, str | None],
) -> None:
    app.config["REGISTRATION"], app.config["REGISTRATION_DOMAINS"] = registration
    trusted, domains = provider
    lend(app, issuer, trust_email=trusted, domains=domains)
    assert code_of(signed_in(Caller(app.test_client()), issuer)) == expected


def test_sixteen_completions_at_once_make_one_session(app: Flask, anonymous: Caller, issuer: Issuer) -> None:
    app.config["GUESSES_LOGIN_IP"] = ""
    returned = came_back(anonymous, issuer)
    [cookie] = anonymous.client._cookies.values()
    together = Barrier(16)

    def complete(_: int) -> int:
        caller = Caller(app.test_client())
        caller.client.set_cookie(cookie.key, cookie.value)
        together.wait()
        return caller.post(COMPLETE, json=returned).status_code

    with ThreadPoolExecutor(16) as pool:
        assert sorted(pool.map(complete, range(16))) == [200] + [403] * 15


def test_sixth_bad_completion_in_a_minute_is_429_even_when_right(anonymous: Caller, issuer: Issuer) -> None:
    for _ in range(5):
        refused = anonymous.post(COMPLETE, json={"code": "x", "state": "x"})
        assert code_of(refused) == (403, "CSRF_FAILED")
    assert code_of(signed_in(anonymous, issuer)) == (429, "RATE_LIMITED")


def test_success_gives_its_own_count_back(anonymous: Caller, issuer: Issuer) -> None:
    for _ in range(7):
        assert signed_in(anonymous, issuer).status_code == 200


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_provider_that_does_not_answer_holds_no_transaction(
    app: Flask, anonymous: Caller, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite has one writer: while the provider is asked somebody else can write."""
    written = []
    asked = issuer.exchanged

    def exchanged(form: dict[str, str]) -> object:
        with app.app_context(), database.writing() as connection:
            written.append(connection.exec_driver_sql("UPDATE users SET name = 'x'").rowcount)
        return asked(form)

    monkeypatch.setattr(issuer, "exchanged", exchanged)
    assert signed_in(anonymous, issuer).status_code == 200
    assert written == [0]


def test_what_nobody_completed_is_purged(
    app: Flask, anonymous: Caller, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    came_back(anonymous, issuer)
    with app.app_context():
        flows.forget_expired()
        assert _under_way() == 1
        let_pass(monkeypatch, minutes=11)
        flows.forget_expired()
        assert _under_way() == 0


def _under_way() -> object:
    with database.reading() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM sign_in_flows").scalar()
