"""Between the moment that a caller is let in and the moment that his work is done something else happens: what he was
let in by ends, or loses its role. What he then does has to be worth nothing.

A body that comes slowly, a lock, or a provider that takes its time gives a thief who is being shut out as long as he
likes; here the body itself does what happens meanwhile.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, delete, select, text, update
from werkzeug.test import TestResponse

from app import clock, database
from app.accounts.models import OneTimeToken, Session, User
from app.accounts.one_time import RESET
from tests.authenticator import Authenticator
from tests.conftest import PASSWORD, Caller, sign_up
from tests.factors import add_passkey, another_session, code, start_totp
from tests.issuer import came_back, issuing, lend
from tests.mailbox import issued
from tests.making import internal_id, set_role

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


@pytest.mark.parametrize(
    ("taken_back", "status"),
    [("rotated at once", 401), ("factors reset", 403), ("rotated with an overlap", 200)],
)
def test_key_that_is_taken_back_meanwhile_makes_nobody_an_admin(
    app: Flask, alice: Caller, bob: Caller, taken_back: str, status: int
) -> None:
    """The last one is the control: there the earlier secret is still good."""
    for caller in (alice, bob):
        set_role(app, caller, "admin")
    app.config["REQUIRE_SECOND_FACTOR"] = "admins"
    add_passkey(bob)
    made = bob.post("/api-keys", json={"name": "k", "scopes": ["admin", "users:write"]}).json

    def take_back() -> None:
        if taken_back == "factors reset":
            assert app.test_cli_runner().invoke(args=["users", "reset-factors", bob.email]).exit_code == 0
        else:
            overlap = 3600 if taken_back == "rotated with an overlap" else 0
            rotated = bob.post(f"/api-keys/{made['id']}/rotate", json={"overlap": overlap})
            assert rotated.status_code == 200, rotated.text

    thief = Caller(app.test_client(), token=made["key"])
    path = f"/users/{sign_up(app, 'accomplice').id}"
    answer = slowly(thief, "PATCH", path, {"role": "admin"}, take_back)
    assert answer.status_code == status, answer.text


def test_key_does_not_wait_for_a_role_that_was_taken_meanwhile(app: Flask, alice: Caller) -> None:
    set_role(app, alice, "manager")
    body = {"name": "k", "scopes": ["admin"]}
    refused = slowly(alice, "POST", "/api-keys", body, lambda: set_role(app, alice, "user"))
    assert (refused.status_code, refused.json["error"]["code"]) == (403, "FORBIDDEN")


WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


@contextmanager
def held_up(
    app: Flask, person: Caller, call: Callable[[], TestResponse]
) -> Iterator[tuple[Connection, "Future[TestResponse]"]]:
    """A call that waits for the person's account, which the connection holds to the end of the block."""
    number = internal_id(app, person)
    with ThreadPoolExecutor(1) as elsewhere, app.app_context(), database.writing() as connection:
        connection.execute(select(User.id).where(User.id == number).with_for_update())
        answer = elsewhere.submit(call)
        while not connection.scalar(WAITING):
            assert not answer.done()
        yield connection, answer


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

    @pytest.mark.parametrize(
        ("overlap", "status"), [("rotated at once", 401), ("rotated with an overlap", 200)]
    )
    def test_key_that_is_rotated_meanwhile_makes_nobody_an_admin(
        self, app: Flask, alice: Caller, bob: Caller, overlap: str, status: int
    ) -> None:
        test_key_that_is_taken_back_meanwhile_makes_nobody_an_admin(app, alice, bob, overlap, status)

    def test_reset_waits_for_who_holds_the_user_with_nothing_in_its_hands(
        self, app: Flask, alice: Caller
    ) -> None:
        """Else it would have the token, which the other one wants, and PostgreSQL would fail one of the two."""
        body = {"token": issued(alice, RESET), "password": "another good long secret"}
        stranger = Caller(app.test_client())
        reset = partial(stranger.post, "/auth/password/reset", json=body)
        with held_up(app, alice, reset) as (connection, answer):
            connection.execute(delete(OneTimeToken))
        assert answer.result().headers["X-Error-Code"] == "INVALID_ONE_TIME_TOKEN"

    def test_admin_who_is_shut_out_while_he_waits_closes_no_account(
        self, app: Flask, alice: Caller, bob: Caller
    ) -> None:
        set_role(app, bob, "admin")
        with held_up(app, alice, partial(bob.delete, f"/users/{alice.id}")) as (connection, answer):
            own = Session.public_id == bob.get("/auth/sessions").json["items"][0]["id"]
            connection.execute(update(Session).where(own).values(ended_at=clock.now()))
        assert answer.result().status_code == 401
        assert alice.get("/users/me").status_code == 200

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
