"""PUT /users/me/email and POST /auth/email/confirm; notices."""

import pytest
from flask import Flask
from sqlalchemy import select

from app import database
from app.accounts import devices
from app.audit.models import AuditEvent
from tests.conftest import PASSWORD, Caller
from tests.mailbox import asked, mails, sent_token, subjects
from tests.making import let_pass

NEW = "new@example.org"


def ask(caller: Caller, email: str = NEW, password: str = PASSWORD) -> int:
    return caller.put("/users/me/email", json={"email": email, "password": password}).status_code


def confirm(caller: Caller, token: str) -> int:
    return caller.post("/auth/email/confirm", json={"token": token, "password": PASSWORD}).status_code


def test_address_changes_when_the_new_one_is_proven(app: Flask, alice: Caller) -> None:
    assert ask(alice) == 202
    assert alice.get("/users/me").json["email"] == alice.email
    assert confirm(alice, sent_token(app, NEW)) == 204
    me = alice.get("/users/me").json
    assert me["email"] == NEW and me["email_verified_at"] is not None
    assert alice.post("/auth/login", json={"email": NEW, "password": PASSWORD}).status_code == 200
    assert alice.post("/auth/login", json={"email": alice.email, "password": PASSWORD}).status_code == 401


@pytest.mark.asvs("6.3.7")
def test_old_address_is_told_before_and_after(app: Flask, alice: Caller) -> None:
    ask(alice)
    assert subjects(app, alice.email) == ["Your e-mail address is about to change"]
    confirm(alice, sent_token(app, NEW))
    assert subjects(app, alice.email) == ["Your e-mail address was changed"]


def test_address_stays_within_the_domains_of_registration(app: Flask, alice: Caller) -> None:
    """Neither asked for, nor confirmed where the setting is newer than the letter; "closed" is for new accounts."""
    assert ask(alice, "new@example.com") == 202
    token = sent_token(app, "new@example.com")
    app.config |= {"REGISTRATION": "domains", "REGISTRATION_DOMAINS": ["example.org"]}
    for answer in (
        alice.put("/users/me/email", json={"email": "newer@example.com", "password": PASSWORD}),
        alice.post("/auth/email/confirm", json={"token": token, "password": PASSWORD}),
    ):
        assert (answer.status_code, answer.json["error"]["code"]) == (403, "REGISTRATION_CLOSED")
    assert ask(alice, "newer@example.org") == 202
    app.config["REGISTRATION"] = "closed"
    assert confirm(alice, sent_token(app, "newer@example.org")) == 204


@pytest.mark.asvs("7.5.1")
def test_wrong_password_asks_for_nothing(app: Flask, alice: Caller) -> None:
    answer = alice.put("/users/me/email", json={"email": NEW, "password": "not the right one"})
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "WRONG_PASSWORD")
    assert answer.json["error"]["field"] == "password"
    assert mails(app) == []


def test_owner_stops_the_change_with_a_new_password(app: Flask, alice: Caller) -> None:
    """What the notice to the old address says."""
    ask(alice)
    strangers = sent_token(app, NEW)
    asked(alice, "/auth/password/forgot", email=alice.email)
    new = {"token": sent_token(app, alice.email), "password": "another good long secret"}
    assert alice.post("/auth/password/reset", json=new).status_code == 204
    assert confirm(alice, strangers) == 403


def test_owner_stops_a_change_that_the_worker_has_not_come_to_yet(app: Flask, alice: Caller) -> None:
    ask(alice)
    change = {"current_password": PASSWORD, "new_password": "another good long secret"}
    assert alice.put("/users/me/password", json=change).status_code == 204
    assert subjects(app) == ["Your password was changed"]


@pytest.mark.asvs("6.3.8")
def test_address_of_another_account_is_answered_alike_and_stays_with_it(
    app: Flask, alice: Caller, bob: Caller
) -> None:
    answers = [
        alice.put("/users/me/email", json={"email": email, "password": PASSWORD})
        for email in (NEW, bob.email)
    ]
    assert [(answer.status_code, answer.json) for answer in answers] == [(202, {"status": "accepted"})] * 2
    assert subjects(app, bob.email) == ["You have an account already"]
    assert bob.get("/users/me").json["email"] == bob.email


def test_of_two_who_ask_for_one_address_the_first_to_prove_it_has_it(
    app: Flask, alice: Caller, bob: Caller
) -> None:
    ask(alice)
    hers = sent_token(app, NEW)
    ask(bob)
    his = sent_token(app, NEW)
    assert confirm(bob, his) == 204
    answer = alice.post("/auth/email/confirm", json={"token": hers, "password": PASSWORD})
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "EMAIL_TAKEN")
    assert alice.get("/users/me").json["email"] == alice.email


def test_own_address_in_another_spelling_is_no_other_account(app: Flask, alice: Caller) -> None:
    ask(alice, alice.email.upper())
    assert confirm(alice, mails(app)[0].text.partition("#token=")[2].split()[0]) == 204


def test_link_is_dead_after_a_day(app: Flask, alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(alice)
    token = sent_token(app, NEW)
    let_pass(monkeypatch, hours=24, seconds=1)
    assert confirm(alice, token) == 403


def test_both_are_recorded(app: Flask, alice: Caller) -> None:
    ask(alice)
    confirm(alice, sent_token(app, NEW))
    with app.app_context(), database.reading() as connection:
        query = select(AuditEvent.action, AuditEvent.actor).where(AuditEvent.action.like("email.%"))
        assert connection.execute(query.order_by(AuditEvent.id)).all() == [
            ("email.change_requested", alice.id),
            ("email.changed", alice.id),
        ]


@pytest.mark.asvs("6.3.5")
def test_sign_in_from_a_new_device_is_told_once(app: Flask, alice: Caller) -> None:
    agent = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0 http://evil.example/"}
    assert mails(app) == []  # the first sign-in of a new account
    for _ in range(2):
        alice.post("/auth/login", json={"email": alice.email, "password": PASSWORD}, headers=agent)
    [mail] = mails(app)
    assert mail.to == alice.email
    assert "Firefox on Linux" in mail.text and "127.0.0.0/24" in mail.text and "evil" not in mail.text


@pytest.mark.asvs("6.3.5")
def test_sign_in_to_an_account_that_has_forgotten_its_devices_is_told(
    app: Flask, alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only device that is known then, as at the first sign-in of a new account."""
    let_pass(monkeypatch, days=91)
    with app.app_context():
        devices.forget_old()
    alice.post("/auth/login", json={"email": alice.email, "password": PASSWORD})
    assert subjects(app) == ["A sign-in from a new device"]


@pytest.mark.asvs("6.3.7")
def test_change_of_password_is_told(app: Flask, alice: Caller) -> None:
    change = {"current_password": PASSWORD, "new_password": "another good long secret"}
    alice.put("/users/me/password", json=change)
    assert subjects(app, alice.email) == ["Your password was changed"]


def test_notices_end_before_they_flood_a_mailbox(app: Flask, alice: Caller) -> None:
    app.config["MAILS_NOTICES"] = "2/hour"
    for name in ("Firefox", "Chrome", "Opera"):
        account = {"email": alice.email, "password": PASSWORD}
        assert alice.post("/auth/login", json=account, headers={"User-Agent": name}).status_code == 200
    assert len(mails(app)) == 2
