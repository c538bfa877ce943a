"""POST /auth/login."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, update

from app import clock, database
from app.accounts import guesses, passwords, turns
from app.accounts.guesses import Guessed
from app.accounts.models import User
from app.errors import RateLimited
from tests.conftest import PASSWORD, AppFactory, Caller, sign_up
from tests.e2e.processes import PATIENCE


def test_right_password_gives_a_pair_of_tokens(alice: Caller) -> None:
    answer = alice.post("/auth/login", json={"email": alice.email, "password": PASSWORD})
    assert answer.status_code == 200
    assert set(answer.json) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 900)
    assert answer.headers["Cache-Control"] == "no-store"


def test_address_is_case_insensitive(alice: Caller) -> None:
    answer = alice.post("/auth/login", json={"email": alice.email.upper(), "password": PASSWORD})
    assert answer.status_code == 200


@pytest.mark.asvs("6.2.8")
def test_password_is_compared_after_nfkc(anonymous: Caller) -> None:
    account = {"email": "nfkc@example.org", "password": "\N{LATIN SMALL LIGATURE FI}ne words for a key"}
    assert anonymous.post("/auth/register", json=account).status_code == 201
    answer = anonymous.post("/auth/login", json={**account, "password": "fine words for a key"})
    assert answer.status_code == 200


@pytest.mark.parametrize("email", ["alice", "nobody@example.org"], ids=["wrong password", "unknown address"])
def test_bad_credentials_tell_nothing_of_which_part_is_bad(alice: Caller, email: str) -> None:
    address = alice.email if email == "alice" else email
    answer = alice.post("/auth/login", json={"email": address, "password": "not the right one"})
    assert answer.status_code == 401
    assert answer.json["error"]["code"] == "INVALID_CREDENTIALS"
    assert answer.json["error"]["message"] == "E-mail and password do not match an account."
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_disabled_user_is_refused(app: Flask, alice: Caller) -> None:
    with app.app_context(), database.writing() as connection:
        connection.execute(update(User).values(status="disabled"))
    answer = alice.post("/auth/login", json={"email": alice.email, "password": PASSWORD})
    assert answer.json["error"]["code"] == "INVALID_CREDENTIALS"


def test_sixth_guess_in_a_minute_is_429_even_when_right(alice: Caller) -> None:
    for _ in range(5):
        wrong = alice.post("/auth/login", json={"email": alice.email, "password": "not the right one"})
        assert wrong.status_code == 401
    answer = alice.post("/auth/login", json={"email": alice.email, "password": PASSWORD})
    assert answer.status_code == 429
    assert answer.json["error"]["code"] == "RATE_LIMITED"
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


def test_success_gives_its_own_count_back(alice: Caller) -> None:
    for _ in range(8):
        answer = alice.post("/auth/login", json={"email": alice.email, "password": PASSWORD})
        assert answer.status_code == 200


def test_guesses_at_one_account_are_counted_from_all_addresses(make_app: AppFactory) -> None:
    app = make_app(GUESSES_ACCOUNT="3/minute", PROXY_HOPS="1")
    alice = sign_up(app, "alice")
    statuses = [
        alice.post(
            "/auth/login",
            json={"email": alice.email, "password": "not the right one"},
            headers={"X-Forwarded-For": f"192.0.2.{host}"},
        ).status_code
        for host in range(5)
    ]
    assert statuses == [401, 401, 401, 429, 429]


def test_ipv6_guesses_are_counted_by_network(make_app: AppFactory) -> None:
    app = make_app(GUESSES_LOGIN_IP="2/minute", PROXY_HOPS="1")
    anonymous = Caller(app.test_client())
    statuses = [
        anonymous.post(
            "/auth/login",
            json={"email": f"u{host}@example.org", "password": "not the right one"},
            headers={"X-Forwarded-For": f"2001:db8::{host}"},
        ).status_code
        for host in range(1, 4)
    ]
    assert statuses == [401, 401, 429]


@pytest.mark.asvs("6.3.1")
def test_sixteen_parallel_guesses_compare_five_passwords(
    app: Flask, alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []
    real = passwords.matches

    def counting(password: str, password_hash: str | None) -> bool:
        compared.append(password)
        return real(password, password_hash)

    monkeypatch.setattr(passwords, "matches", counting)

    together = Barrier(16)

    def guess(_: int) -> int:
        body = {"email": alice.email, "password": "not the right one"}
        together.wait()
        return Caller(app.test_client()).post("/auth/login", json=body).status_code

    with ThreadPoolExecutor(16) as pool:
        statuses = sorted(pool.map(guess, range(16)))
    assert statuses == [401] * 5 + [429] * 11
    assert len(compared) == 5


@pytest.mark.parametrize(
    ("registered", "typed"),
    [
        ("jose\u0301@example.org", "jose\u0301@example.org"),
        ("jose\u0301@example.org", "jos\u00e9@example.org"),
        ("ada@b\u00fccher.example", "ada@xn--bcher-kva.example"),
        ("x@ex\uff41mple.org", "x@example.org"),
    ],
)
def test_every_spelling_of_an_address_signs_in(anonymous: Caller, registered: str, typed: str) -> None:
    account = {"email": registered, "password": PASSWORD}
    assert anonymous.post("/auth/register", json=account).status_code == 201
    assert anonymous.post("/auth/login", json={**account, "email": typed}).status_code == 200


def test_right_guess_that_ends_in_the_next_window_frees_nothing_there(app: Flask) -> None:
    tries = [Guessed("GUESSES_LOGIN_IP", ("192.0.2.1",))]
    with app.app_context(), time_machine.travel(clock.now(), tick=False) as now:
        before = [guesses.count(tries) for _ in range(5)]
        now.shift(61)
        for _ in range(5):
            guesses.count(tries)
        for counted in before:
            guesses.give_back(counted)
        with pytest.raises(RateLimited):
            guesses.count(tries)


def raise_rounds(app: Flask) -> None:
    app.config["PASSWORD_ROUNDS"] += 10


def stored_hash(app: Flask, caller: Caller) -> str:
    with app.app_context(), database.reading() as connection:
        return str(connection.scalar(select(User.password_hash).where(User.public_id == caller.id)))


def test_hash_of_fewer_rounds_is_made_anew_and_nothing_else_changes(app: Flask, alice: Caller) -> None:
    before, etag = stored_hash(app, alice), alice.get("/users/me").headers["ETag"]
    raise_rounds(app)
    account = {"email": alice.email, "password": PASSWORD}
    assert alice.post("/auth/login", json={**account, "password": "wrong password"}).status_code == 401
    assert stored_hash(app, alice) == before
    assert alice.post("/auth/login", json=account).status_code == 200
    renewed = stored_hash(app, alice)
    assert renewed.startswith(f"pbkdf2:sha256:{app.config['PASSWORD_ROUNDS']}$")
    still_signed_in = alice.get("/users/me")
    assert (still_signed_in.status_code, still_signed_in.headers["ETag"]) == (200, etag)
    assert alice.post("/auth/login", json=account).status_code == 200
    assert stored_hash(app, alice) == renewed


def test_all_who_sign_in_while_the_hash_is_made_anew_get_in(
    app: Flask, alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    raise_rounds(app)
    real, both_have_compared = passwords.renewed, Barrier(2)

    def meeting(password: str, password_hash: str) -> str | None:
        found = real(password, password_hash)
        if found:
            both_have_compared.wait(PATIENCE)
        return found

    monkeypatch.setattr(passwords, "renewed", meeting)

    def sign_in(_: int) -> int:
        account = {"email": alice.email, "password": PASSWORD}
        return Caller(app.test_client()).post("/auth/login", json=account).status_code

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(sign_in, range(2))) == [200, 200]


def test_password_changed_while_it_was_compared_opens_nothing(
    app: Flask, alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = passwords.renewed

    def changing(password: str, password_hash: str) -> str | None:
        change = {"current_password": PASSWORD, "new_password": f"another {PASSWORD}"}
        assert alice.put("/users/me/password", json=change).status_code == 204
        return real(password, password_hash)

    monkeypatch.setattr(passwords, "renewed", changing)
    answer = Caller(app.test_client()).post("/auth/login", json={"email": alice.email, "password": PASSWORD})
    assert answer.status_code == 401


@pytest.mark.asvs("15.2.2")
def test_flood_of_sign_ins_is_told_to_come_again(
    app: Flask, alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_PATIENCE", 0.01)
    app.extensions["turns"] = turns.made(at_once=1, in_line=1)
    account = {"email": alice.email, "password": PASSWORD}
    with app.extensions["turns"].take():
        answer = alice.post("/auth/login", json=account)
        assert alice.get("/users/me").status_code == 200
    assert (answer.status_code, answer.json["error"]["code"]) == (503, "UNAVAILABLE")
    assert answer.headers["Retry-After"] == "1"
    assert alice.post("/auth/login", json=account).status_code == 200
