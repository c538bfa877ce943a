"""Between the moment that a caller is let in and the moment that his work is done something else happens: what he was
let in by ends, or loses its role. What he then does has to be worth nothing.

A body that comes slowly, a lock, or a provider that takes its time gives a thief who is being shut out as long as he
likes; here the body itself does what happens meanwhile.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select, text, update
from werkzeug.test import TestResponse

from app import clock, database
from app.accounts.models import OneTimeToken, Session, User
from app.accounts.one_time import RESET, VERIFY
from app.accounts.turns import TooManyHashes
from app.turns import Turns
from tests.authenticator import Authenticator
from tests.conftest import PASSWORD, Caller, sign_up
from tests.factors import add_passkey, code, sign_in, start_totp, with_totp
from tests.issuer import came_back, issuing, lend, linked
from tests.mailbox import issued, mails, subjects, token_of
from tests.making import events, internal_id, set_column, set_role

Meanwhile = Callable[[], object]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is not of transactions is asked of one engine."""
    return sqlite_url


class SlowBody(BytesIO):
    """A body during which something else happens, in a thread of its own, as elsewhere in the process."""

    def __init__(self, body: object, meanwhile: Meanwhile) -> None:
        super().__init__(json.dumps(body).encode())
        self._meanwhile: Meanwhile | None = meanwhile

    def _happen(self) -> None:
        if self._meanwhile is not None:
            happening, self._meanwhile = self._meanwhile, None
            with ThreadPoolExecutor(1) as elsewhere:
                elsewhere.submit(happening).result()

    def read(self, *size: Any) -> bytes:
        self._happen()
        return super().read(*size)

    def readinto(self, into: Any) -> int:
        self._happen()
        return super().readinto(into)


def slowly(caller: Caller, method: str, path: str, body: object, meanwhile: Meanwhile) -> TestResponse:
    """A call whose body comes when something else has happened."""
    stream = SlowBody(body, meanwhile)
    sent = {
        "wsgi.input": stream,
        "CONTENT_LENGTH": str(len(stream.getvalue())),
        "CONTENT_TYPE": "application/json",
    }
    return caller.call(method, path, environ_overrides=sent)


def another_session(caller: Caller) -> Caller:
    """The same person elsewhere."""
    elsewhere = Caller(caller.client.application.test_client(), caller.id, caller.email)
    elsewhere.token = sign_in(elsewhere).json["access_token"]
    return elsewhere


DOORS: dict[str, Callable[[Caller], tuple[str, str, object]]] = {
    "key made": lambda _: ("POST", "/api-keys", {"name": "k", "scopes": ["links:read"]}),
    "key opened to the world": lambda caller: (
        "PATCH",
        f"/api-keys/{caller.post('/api-keys', json={'name': 'k', 'scopes': ['links:read']}).json['id']}",
        {"allowed_networks": ["192.0.2.0/24"]},
    ),
    "passkey added": lambda caller: (
        "POST",
        "/users/me/passkeys",
        {"name": "k", "credential": Authenticator().create(caller.post("/users/me/passkey-options").json)},
    ),
    "codes switched on": lambda caller: (
        "POST",
        "/users/me/totp/confirm",
        {"code": code(start_totp(caller))},
    ),
    "address changed": lambda _: (
        "PUT",
        "/users/me/email",
        {"email": "new@example.net", "password": PASSWORD},
    ),
    "password changed": lambda _: (
        "PUT",
        "/users/me/password",
        {"current_password": PASSWORD, "new_password": "another good long secret"},
    ),
}


@pytest.mark.parametrize("door", DOORS)
def test_session_that_ends_meanwhile_changes_no_way_in(app: Flask, alice: Caller, door: str) -> None:
    owner = another_session(alice)
    method, path, body = DOORS[door](alice)
    refused = slowly(alice, method, path, body, lambda: owner.delete("/auth/sessions"))
    assert (refused.status_code, refused.json["error"]["code"]) == (401, "INVALID_TOKEN"), refused.text


def test_session_that_ends_while_the_provider_is_asked_links_nobody(app: Flask, alice: Caller) -> None:
    owner = another_session(alice)
    link = "/auth/oidc/house/link"
    with issuing() as issuer:
        lend(app, issuer)
        returned = came_back(alice, issuer, link)
        honest = issuer.sign
        issuer.sign = lambda *asked: (owner.delete("/auth/sessions"), honest(*asked))[1]
        refused = alice.post(f"{link}/complete", json=returned)
    assert refused.status_code == 401
    assert owner.get("/users/me/identities").json["items"] == []


@pytest.mark.parametrize("by", ["session", "key"])
@pytest.mark.parametrize("change", [{"role": "user"}, {"status": "disabled"}])
def test_admin_who_is_removed_meanwhile_makes_nobody_an_admin(
    app: Flask, alice: Caller, bob: Caller, change: dict[str, str], by: str
) -> None:
    accomplice = sign_up(app, "accomplice")
    for caller in (alice, bob):
        set_role(app, caller, "admin")
    if by == "key":
        scopes = {"name": "k", "scopes": ["admin", "users:write"]}
        bob.token = bob.post("/api-keys", json=scopes).json["key"]
    refused = slowly(
        bob,
        "PATCH",
        f"/users/{accomplice.id}",
        {"role": "admin"},
        lambda: alice.patch(f"/users/{bob.id}", json=change),
    )
    assert refused.status_code in (401, 403), refused.text
    assert alice.get(f"/users/{accomplice.id}").json["role"] == "user"


def test_key_does_not_wait_for_a_role_that_was_taken_meanwhile(app: Flask, alice: Caller) -> None:
    set_role(app, alice, "manager")
    body = {"name": "k", "scopes": ["admin"]}
    refused = slowly(alice, "POST", "/api-keys", body, lambda: set_role(app, alice, "user"))
    assert (refused.status_code, refused.json["error"]["code"]) == (403, "FORBIDDEN")


# --- What is left behind ---


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


WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


class TestPostgreSQL:
    @pytest.fixture
    def database_url(self, postgres_url: str) -> str:
        return postgres_url

    def test_session_that_ends_meanwhile_makes_no_key(self, app: Flask, alice: Caller) -> None:
        test_session_that_ends_meanwhile_changes_no_way_in(app, alice, "key made")

    @pytest.mark.parametrize("by", ["session", "key"])
    def test_admin_who_is_removed_meanwhile_makes_nobody_an_admin(
        self, app: Flask, alice: Caller, bob: Caller, by: str
    ) -> None:
        test_admin_who_is_removed_meanwhile_makes_nobody_an_admin(app, alice, bob, {"role": "user"}, by)

    def test_reset_waits_for_who_holds_the_user_with_nothing_in_its_hands(
        self, app: Flask, alice: Caller
    ) -> None:
        """Else it would have the token, which the other one wants, and PostgreSQL would fail one of the two."""
        body = {"token": issued(alice, RESET), "password": "another good long secret"}
        stranger = Caller(app.test_client())
        number = internal_id(app, alice)
        with ThreadPoolExecutor(1) as elsewhere, app.app_context(), database.writing() as connection:
            connection.execute(select(User.id).where(User.id == number).with_for_update())
            answer = elsewhere.submit(stranger.post, "/auth/password/reset", json=body)
            while not connection.scalar(WAITING):
                assert not answer.done()
            connection.execute(delete(OneTimeToken).where(OneTimeToken.user_id == number))
            connection.commit()
            assert answer.result().headers["X-Error-Code"] == "INVALID_ONE_TIME_TOKEN"

    def test_ending_all_others_waits_for_who_holds_the_user_with_nothing_in_its_hands(
        self, app: Flask, alice: Caller
    ) -> None:
        """Else it would have the first session, and want that of who is changing a way in, and ends the first one."""
        changing, ending = another_session(alice), another_session(alice)
        number = internal_id(app, alice)
        own = select(Session.id).where(Session.user_id == number).order_by(Session.id)
        with ThreadPoolExecutor(1) as elsewhere, app.app_context(), database.writing() as connection:
            first, second, _ = connection.scalars(own).all()
            connection.execute(select(User.id).where(User.id == number).with_for_update())
            connection.execute(select(Session.id).where(Session.id == second).with_for_update())
            answer = elsewhere.submit(ending.delete, "/auth/sessions")
            while not connection.scalar(WAITING):
                assert not answer.done()
            connection.execute(update(Session).where(Session.id == first).values(ended_at=clock.now()))
            connection.commit()
            assert answer.result().status_code == 204
        assert changing.get("/users/me").status_code == 401
