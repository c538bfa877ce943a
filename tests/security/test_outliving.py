"""What outlives a change that should have ended it, and what ends without a trace: tokens, proofs, secrets, letters
and guesses on either side of a change of the account.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from flask import Flask

from app import clock
from app.accounts.models import Session, User
from app.accounts.one_time import EMAIL, RESET, VERIFY
from app.accounts.turns import TooManyHashes
from app.turns import Turns
from tests.conftest import PASSWORD, Caller
from tests.factors import add_passkey, another_session, sign_in, with_totp
from tests.issuer import came_back, issuing, lend, linked
from tests.mailbox import issued, mails, subjects, token_of
from tests.making import events, set_column, set_role


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is not of transactions is asked of one engine."""
    return sqlite_url


def test_thief_cannot_take_the_letter_of_his_device_back(app: Flask, alice: Caller) -> None:
    """By closing the account, with which the mails about it go."""
    body = {"email": alice.email, "password": PASSWORD}
    thief = Caller(app.test_client())
    signed_in = thief.post("/auth/login", json=body, headers={"User-Agent": "Firefox/1"})
    thief.token = signed_in.json["access_token"]
    assert thief.delete("/users/me").status_code == 204
    assert subjects(app, alice.email) == ["Your account was closed"]


def test_what_a_reset_takes_away_leaves_a_trace_of_each(app: Flask, alice: Caller) -> None:
    """After a backup is restored these events say what has to be taken away again."""
    add_passkey(alice)
    key = alice.post("/api-keys", json={"name": "k", "scopes": ["links:read"]}).json["id"]
    passkey = alice.get("/users/me/passkeys").json["items"][0]["id"]
    session = alice.get("/auth/sessions").json["items"][0]["id"]
    with issuing() as issuer:
        lend(app, issuer)
        identity = linked(alice, issuer)
    body = {"token": issued(alice, RESET), "password": "another good long secret"}
    assert Caller(app.test_client()).post("/auth/password/reset", json=body).status_code == 204
    gone = events(app, "api_key.revoked", "passkey.removed", "identity.removed", "session.ended")
    assert {event["subject"] for event in gone} == {key, passkey, session, identity}
    assert {(event["owner"], event["actor"], event["outcome"]) for event in gone} == {
        (alice.id, alice.id, "success")
    }


def test_rotation_lifts_no_secret_that_was_given_out_before(app: Flask, alice: Caller) -> None:
    """A key of one factor lends no role that asks for two, nor does it once its owner rotates it in a session of two:
    the earlier secret may be in any hands."""
    set_role(app, alice, "admin")
    made = alice.post("/api-keys", json={"name": "k", "scopes": ["admin", "users:read"]}).json
    app.config["REQUIRE_SECOND_FACTOR"] = "admins"
    add_passkey(alice)
    assert alice.post(f"/api-keys/{made['id']}/rotate", json={}).status_code == 200
    thief = Caller(app.test_client(), token=made["key"])
    assert thief.get("/users").json["error"]["reason"] == "second_factor_required"


@pytest.mark.parametrize("is_answered", [True, False])
def test_change_of_address_that_one_factor_asked_for_ends_where_codes_are_switched_on(
    app: Flask, alice: Caller, is_answered: bool
) -> None:
    thief = another_session(alice)
    address = f"thief{is_answered}@example.net"
    wanted = {"email": address, "password": PASSWORD}
    assert thief.put("/users/me/email", json=wanted).status_code == 202
    found = mails(app, address) if is_answered else []
    with_totp(alice)
    token = token_of(found[0]) if found else next(map(token_of, mails(app, address)), "none")
    confirmed = thief.post("/auth/email/confirm", json={"token": token, "password": PASSWORD})
    assert confirmed.json["error"]["code"] == "INVALID_ONE_TIME_TOKEN"
    assert alice.get("/users/me").json["email"] == alice.email


@pytest.mark.parametrize("commands", [["disable", "enable"], ["reset-factors"]])
def test_operator_who_takes_an_account_back_ends_what_a_thief_had_sent(
    app: Flask, alice: Caller, commands: list[str]
) -> None:
    """Once the account is open again, its thief would move it to his address before the owner has a new password."""
    token = issued(alice, EMAIL, "thief@example.net")
    for command in commands:
        assert app.test_cli_runner().invoke(args=["users", command, alice.email]).exit_code == 0
    body = {"token": token, "password": PASSWORD}
    confirmed = Caller(app.test_client()).post("/auth/email/confirm", json=body)
    assert confirmed.json["error"]["code"] == "INVALID_ONE_TIME_TOKEN"


def test_factors_that_the_operator_removed_vouch_for_no_key(app: Flask, alice: Caller) -> None:
    """Of an account that was taken the thief's key would be an admin's again as soon as it is enabled."""
    set_role(app, alice, "admin")
    app.config["REQUIRE_SECOND_FACTOR"] = "admins"
    add_passkey(alice)
    made = alice.post("/api-keys", json={"name": "k", "scopes": ["admin", "users:read"]}).json
    thief = Caller(app.test_client(), token=made["key"])
    assert thief.get("/users").status_code == 200
    assert app.test_cli_runner().invoke(args=["users", "reset-factors", alice.email]).exit_code == 0
    assert thief.get("/users").json["error"]["reason"] == "second_factor_required"


def test_provider_that_codes_keep_out_leaves_a_trace(app: Flask, alice: Caller) -> None:
    """As the right password without a code does."""
    set_column(app, User, email_verified_at=clock.now())
    with_totp(alice)
    with issuing() as issuer:
        lend(app, issuer)
        returned = came_back(alice, issuer)
        issuer.claims["email"] = alice.email
        assert alice.post("/auth/oidc/house/complete", json=returned).status_code == 409
    [event] = events(app, "session.refused")
    assert (event["owner"], event["actor"], event["outcome"]) == (alice.id, None, "failure")


class OneTurn(Turns):
    """As many others come in between as there is room for: whoever has had a turn gets no second one."""

    def __init__(self) -> None:
        super().__init__(1, 1, TooManyHashes, 0.0)
        self._had = False

    @contextmanager
    def take(self) -> Iterator[None]:
        if self._had:
            raise TooManyHashes()
        self._had = True
        with super().take():
            yield


def test_rush_gives_no_guess_back_that_was_compared(app: Flask, alice: Caller) -> None:
    """A hash of fewer rounds than today's is refused in two steps; who comes between them has guessed."""
    app.config |= {"PASSWORD_ROUNDS": app.config["PASSWORD_ROUNDS"] + 1, "GUESSES_LOGIN_IP": None}
    answers = []
    for _ in range(11):
        app.extensions["turns"] = OneTurn()
        answers.append(sign_in(alice, password="not the right secret").status_code)
    assert answers == [401] * 10 + [429]


def test_rush_at_hashing_costs_nobody_a_try_at_a_mails_token(app: Flask, alice: Caller) -> None:
    app.config["GUESSES_ONE_TIME"] = "1/minute"
    app.extensions["turns"] = turns = Turns(1, 1, TooManyHashes, 0.01)
    stranger = Caller(app.test_client())
    doors = {"/auth/password/reset": RESET, "/auth/verify": VERIFY}
    tokens = {path: issued(alice, purpose) for path, purpose in doors.items()}
    for path, token in tokens.items():
        with turns.take():
            assert stranger.post(path, json={"token": token, "password": PASSWORD}).status_code == 503
    body = {"token": tokens["/auth/verify"], "password": PASSWORD}
    assert stranger.post("/auth/verify", json=body).status_code == 204


@pytest.mark.parametrize("add", [add_passkey, with_totp])
def test_factor_that_is_added_is_no_proof_of_who_adds_it(
    app: Flask, alice: Caller, add: Callable[[Caller], object]
) -> None:
    """Else a thief would prolong the five minutes of a sign-in by one new factor after the other."""
    set_column(app, Session, created_at=clock.now() - timedelta(minutes=4))
    add(alice)
    assert alice.post("/users/me/passkey-options").status_code == 200  # it is a session of two factors
    set_column(app, Session, created_at=clock.now() - timedelta(minutes=6))
    refused = alice.post("/users/me/passkey-options")
    assert refused.json["error"]["reason"] == "reauthentication_required"


def test_answer_to_one_reader_of_a_browser_is_not_the_next_ones(app: Flask, alice: Caller) -> None:
    answer = alice.get("/users/me")
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert {"Authorization", "X-API-Key", "Cookie"} <= set(answer.vary)
