"""Guessing and racing at second factors: what is good once is good once, and codes count as guesses."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from app import database
from app.accounts import one_time_codes
from app.accounts.models import Totp, User
from tests.authenticator import Authenticator
from tests.conftest import PASSWORD, AppFactory, Caller, sign_up
from tests.factors import add_passkey, code, passkey_options, sign_in, start_totp, with_totp

RACERS = 8


@pytest.fixture
def app(make_app: AppFactory) -> Flask:
    """Where only guesses at an account are counted: each racer has an address of his own, and may wait for a turn."""
    return make_app(GUESSES_LOGIN_IP="none", WEB_THREADS="32")


def at_once(calls: Sequence[Callable[[], TestResponse]]) -> list[int]:
    """The statuses of calls that are made together, in order."""
    together = Barrier(len(calls))

    def run(call: Callable[[], TestResponse]) -> int:
        together.wait()
        return call().status_code

    with ThreadPoolExecutor(len(calls)) as pool:
        return sorted(pool.map(run, calls))


def clones(app: Flask, caller: Caller) -> list[Caller]:
    return [Caller(app.test_client(), caller.id, caller.email, caller.token) for _ in range(RACERS)]


@pytest.mark.asvs("6.5.1")
@pytest.mark.parametrize("kind", ["totp", "recovery code"])
def test_code_in_parallel_sign_ins_is_good_once(app: Flask, kind: str) -> None:
    alice = sign_up(app, "alice")
    secret, codes = with_totp(alice)
    otp = code(secret) if kind == "totp" else codes[0]
    statuses = at_once([lambda own=own: sign_in(own, otp) for own in clones(app, alice)])
    assert statuses == [200] + [401] * (RACERS - 1)


def test_parallel_confirmations_make_one_set_of_recovery_codes(app: Flask) -> None:
    alice = sign_up(app, "alice")
    first = {"code": code(start_totp(alice))}
    calls = [lambda own=own: own.post("/users/me/totp/confirm", json=first) for own in clones(app, alice)]
    assert at_once(calls) == [200] + [403] * (RACERS - 1)
    assert alice.get("/users/me/totp").json["recovery_codes_left"] == 10


def test_parallel_renewals_leave_ten_recovery_codes(app: Flask) -> None:
    alice = sign_up(app, "alice")
    with_totp(alice)
    at_once([lambda own=own: own.post("/users/me/recovery-codes") for own in clones(app, alice)])
    assert alice.get("/users/me/totp").json["recovery_codes_left"] == 10


@pytest.mark.asvs("6.7.2")
@pytest.mark.parametrize("count", [0, 1], ids=["no counter", "counter"])
def test_signature_of_a_passkey_in_parallel_is_good_once(app: Flask, count: int) -> None:
    alice = sign_up(app, "alice")
    authenticator = add_passkey(alice, Authenticator(count=count))
    body = {"credential": authenticator.get(passkey_options(alice))}
    calls = [lambda own=own: own.post("/auth/passkey", json=body) for own in clones(app, alice)]
    assert at_once(calls) == [200] + [401] * (RACERS - 1)


def test_two_copies_of_a_passkey_with_one_number_sign_in_once(app: Flask) -> None:
    alice = sign_up(app, "alice")
    authenticator = add_passkey(alice, Authenticator(count=1))
    bodies = []
    for _ in range(RACERS):
        authenticator.count = 7
        bodies.append({"credential": authenticator.get(passkey_options(alice))})
    calls = [
        lambda own=own, body=body: own.post("/auth/passkey", json=body)
        for own, body in zip(clones(app, alice), bodies, strict=True)
    ]
    assert at_once(calls) == [200] + [401] * (RACERS - 1)


@pytest.mark.asvs("6.3.1")
def test_who_has_the_password_compares_ten_codes_in_five_minutes(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever he mixes in: tries without a code are no guesses, and give no guess at a code back."""
    alice = sign_up(app, "alice")
    secret, _ = with_totp(alice)
    compared = []
    real = one_time_codes.spend

    def counting(user: User, otp: str) -> str | None:
        compared.append(otp)
        return real(user, otp)

    monkeypatch.setattr(one_time_codes, "spend", counting)
    with time_machine.travel(datetime.now(UTC)):
        calls = []
        for number, own in enumerate(clones(app, alice)):
            own.client.environ_base["HTTP_USER_AGENT"] = "Thief/1.0"
            calls.append(lambda own=own, number=number: _guess(own, number))
        statuses = at_once(calls)
        assert len(compared) == 10
        assert statuses.count(429) > 0
        thief = clones(app, alice)[0]
        thief.client.environ_base["HTTP_USER_AGENT"] = "Thief/1.0"
        assert sign_in(thief, code(secret)).status_code == 429
        assert sign_in(thief).status_code == 429


def _guess(caller: Caller, number: int) -> TestResponse:
    for turn in range(4):
        sign_in(caller)
        answer = sign_in(caller, f"{number:03}{turn:03}")
    return answer


@pytest.mark.asvs("6.3.1")
def test_codes_are_one_count_through_all_doors(app: Flask) -> None:
    alice = sign_up(app, "alice")
    secret, _ = with_totp(alice)
    account = {"password": PASSWORD}
    doors: list[Callable[[], TestResponse]] = [
        lambda: sign_in(alice, "000000"),
        lambda: sign_in(alice, "0000-0000-0000-0000"),
        lambda: alice.post("/auth/reauthenticate", json={**account, "otp": "000000"}),
        lambda: alice.post("/auth/reauthenticate", json={"password": "not the right one"}),
        lambda: alice.post("/users/me/totp/confirm", json={"code": "000000"}),
    ]
    assert [door().status_code for door in doors * 2] == [401, 401, 403, 403, 403] * 2
    assert [door().status_code for door in doors] == [429] * 5
    assert sign_in(alice, code(secret)).status_code == 429


def test_right_codes_give_their_guess_back(app: Flask) -> None:
    alice = sign_up(app, "alice")
    _, codes = with_totp(alice)
    for otp in codes:
        assert sign_in(alice).json["error"]["code"] == "OTP_REQUIRED"
        assert sign_in(alice, otp).status_code == 200


@pytest.mark.asvs("11.3.3")
def test_secret_of_one_user_makes_no_codes_in_the_row_of_another(app: Flask) -> None:
    """The control of binding: a row that was copied by somebody who may write the database opens nothing."""
    alice, bob = sign_up(app, "alice"), sign_up(app, "bob")
    known, _ = with_totp(bob)
    with_totp(alice)
    with app.app_context(), database.writing() as connection:
        ids = {row.public_id: row.id for row in connection.execute(select(User.public_id, User.id))}
        copied = connection.scalar(select(Totp.secret).where(Totp.user_id == ids[bob.id]))
        connection.execute(update(Totp).where(Totp.user_id == ids[alice.id]).values(secret=copied))
    assert sign_in(alice, code(known)).status_code == 401
    assert sign_in(bob, code(known)).status_code == 200
