"""POST /auth/password/forgot and /auth/password/reset."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import select

from app import database
from app.accounts.models import OneTimeToken, User
from app.audit.models import AuditEvent
from app.cli.worker import answer_petitions
from app.mail.models import OutgoingMail
from tests import factors
from tests.conftest import PASSWORD, AppFactory, Caller, sign_up
from tests.factors import code, with_totp
from tests.mailbox import asked, mails, sent_token, subjects
from tests.making import let_pass, set_column

NEW = "another good long secret"


def forgot(app: Flask, caller: Caller) -> str:
    asked(caller, "/auth/password/forgot", email=caller.email)
    return sent_token(app, caller.email)


def reset(caller: Caller, token: str, password: str = NEW) -> int:
    return caller.post("/auth/password/reset", json={"token": token, "password": password}).status_code


def sign_in(caller: Caller, password: str) -> int:
    return caller.post("/auth/login", json={"email": caller.email, "password": password}).status_code


@pytest.mark.asvs("7.4.3")
def test_link_sets_a_password_and_signs_everybody_out(app: Flask, alice: Caller) -> None:
    assert reset(alice, forgot(app, alice)) == 204
    assert [sign_in(alice, password) for password in (PASSWORD, NEW)] == [401, 200]
    assert alice.get("/users/me").status_code == 401
    assert (
        alice.post("/auth/refresh", headers={"Authorization": f"Bearer {alice.refresh_token}"}).status_code
        == 401
    )


@pytest.mark.asvs("6.4.3")
def test_reset_gets_around_no_second_factor(app: Flask, alice: Caller) -> None:
    set_column(app, User, email_verified_at=datetime.now(UTC))
    secret, _ = with_totp(alice)
    assert reset(alice, forgot(app, alice)) == 204
    refused = factors.sign_in(alice, password=NEW)
    assert (refused.status_code, refused.json["error"]["code"]) == (401, "OTP_REQUIRED")
    assert factors.sign_in(alice, code(secret), NEW).status_code == 200


def test_owner_is_told_and_the_address_is_proven(app: Flask, alice: Caller) -> None:
    reset(alice, forgot(app, alice))
    assert subjects(app) == ["Your password was changed"]
    alice.token = alice.post("/auth/login", json={"email": alice.email, "password": NEW}).json["access_token"]
    assert alice.get("/users/me").json["email_verified_at"] is not None


def test_every_device_but_the_one_that_set_the_password_is_new_again(app: Flask, alice: Caller) -> None:
    elsewhere = {"User-Agent": "Mozilla/5.0 (Android 15; Mobile; rv:130.0) Firefox/130.0"}
    account = {"email": alice.email, "password": PASSWORD}
    assert alice.post("/auth/login", json=account, headers=elsewhere).status_code == 200
    token = forgot(app, alice)
    with (
        app.app_context(),
        database.writing() as connection,
    ):  # not new any more, so that it has no first device
        connection.exec_driver_sql("UPDATE users SET created_at = '2020-01-01 00:00:00'")
    reset(alice, token)
    mails(app)
    sign_in(alice, NEW)
    assert subjects(app) == []
    alice.post("/auth/login", json={**account, "password": NEW}, headers=elsewhere)
    assert subjects(app) == ["A sign-in from a new device"]


@pytest.mark.asvs("6.4.1")
def test_link_is_good_once(app: Flask, alice: Caller) -> None:
    token = forgot(app, alice)
    assert [reset(alice, token), reset(alice, token)] == [204, 403]


def test_refused_password_leaves_the_link_good(app: Flask, alice: Caller) -> None:
    token = forgot(app, alice)
    assert [reset(alice, token, "short"), reset(alice, token)] == [400, 204]


@pytest.mark.asvs("6.4.1")
def test_link_is_dead_after_half_an_hour(app: Flask, alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    token = forgot(app, alice)
    let_pass(monkeypatch, minutes=30, seconds=1)
    assert reset(alice, token) == 403


def test_link_dies_with_a_change_of_password(app: Flask, alice: Caller) -> None:
    token = forgot(app, alice)
    change = {"current_password": PASSWORD, "new_password": NEW}
    assert alice.put("/users/me/password", json=change).status_code == 204
    assert reset(alice, token, "a third good long secret") == 403


def test_link_dies_with_a_change_of_address(app: Flask, alice: Caller) -> None:
    token = forgot(app, alice)
    alice.put("/users/me/email", json={"email": "new@example.org", "password": PASSWORD})
    assert (
        alice.post(
            "/auth/email/confirm", json={"token": sent_token(app, "new@example.org"), "password": PASSWORD}
        ).status_code
        == 204
    )
    assert reset(alice, token) == 403


def test_account_that_closed_takes_no_password_and_gets_no_token(app: Flask, alice: Caller) -> None:
    token = forgot(app, alice)
    asked(alice, "/auth/password/forgot", email=alice.email)
    assert alice.delete("/users/me").status_code == 204
    assert reset(alice, token) == 403
    assert subjects(app) == ["Your account was closed"]
    with app.app_context(), database.reading() as connection:
        assert connection.execute(select(OneTimeToken.purpose)).all() == []


@pytest.mark.asvs("14.2.4")
def test_nothing_in_the_database_opens_the_account(app: Flask, alice: Caller) -> None:
    """A token is stored as its hash, a mail encrypted: who reads the database sets no password."""
    asked(alice, "/auth/password/forgot", email=alice.email)
    with app.app_context():
        answer_petitions()
        with database.reading() as connection:
            sealed = connection.execute(select(OutgoingMail.sealed)).scalar_one()
    token = sent_token(app, alice.email)
    assert token.encode() not in sealed and alice.email.encode() not in sealed
    with app.app_context(), database.reading() as connection:
        [row] = connection.execute(select(OneTimeToken.__table__)).mappings()
    assert row["token_hash"] == hashlib.sha256(token.encode()).hexdigest()
    assert token not in row.values()


def test_what_happened_is_recorded(app: Flask, alice: Caller) -> None:
    reset(alice, forgot(app, alice))
    with app.app_context(), database.reading() as connection:
        query = select(AuditEvent).where(AuditEvent.action.like("password.%")).order_by(AuditEvent.id)
        events = list(connection.execute(query).mappings())
    assert [(event["action"], event["actor"]) for event in events] == [
        ("password.reset_requested", None),
        ("password.reset", alice.id),
    ]
    assert events[0]["owner"] == events[0]["subject"] == alice.id
    assert events[0]["request_id"].startswith("req_") and events[0]["ip_prefix"] == "127.0.0.0/24"


@pytest.mark.asvs("15.4.2")
def test_eight_at_once_set_one_password(make_app: AppFactory) -> None:
    app = make_app(WEB_THREADS="32")  # so that all of them may wait for their turn at hashing
    token = forgot(app, sign_up(app, "alice"))
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(lambda n: reset(Caller(app.test_client()), token, f"{NEW} {n}"), range(8)))
    assert statuses == [204] + [403] * 7
