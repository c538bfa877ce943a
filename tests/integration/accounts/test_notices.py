"""What the owner of an account is told by mail, because it may have been somebody else."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask

from app.accounts.models import User
from tests.conftest import PASSWORD, Caller
from tests.factors import add_passkey, sign_in, start_totp, with_totp
from tests.issuer import Issuer, came_back, issuing, lend, linked
from tests.mailbox import asked, mails, sent_token, subjects
from tests.making import from_now, set_column

NEW = "another good long secret"


def make_key(caller: Caller, **fields: str) -> str:
    body = {"name": "CI", "scopes": ["links:read"], **fields}
    return str(caller.post("/api-keys", json=body).json["id"])


def reset(app: Flask, caller: Caller) -> None:
    asked(caller, "/auth/password/forgot", email=caller.email)
    body = {"token": sent_token(app, caller.email), "password": NEW}
    assert caller.post("/auth/password/reset", json=body).status_code == 204


@pytest.mark.asvs("6.3.7")
def test_passkeys_that_come_and_go_are_told(app: Flask, alice: Caller) -> None:
    add_passkey(alice)
    [added] = mails(app)
    assert added.to == alice.email
    assert "A passkey was added to your account at http://sho.rt." in added.text
    [passkey] = alice.get("/users/me/passkeys").json["items"]
    assert alice.delete(f"/users/me/passkeys/{passkey['id']}").status_code == 204
    assert subjects(app, alice.email) == ["A passkey was removed from your account"]


@pytest.mark.asvs("6.3.7")
def test_one_time_codes_switched_on_used_up_and_off_are_told(app: Flask, alice: Caller) -> None:
    start_totp(alice)
    assert mails(app) == []  # nothing is on yet
    _, codes = with_totp(alice)
    assert subjects(app) == ["One-time codes were switched on for your account"]
    assert sign_in(alice, codes[0]).status_code == 200
    assert subjects(app) == ["A recovery code was used for your account"]
    assert alice.post("/users/me/recovery-codes").status_code == 200
    assert subjects(app) == ["New recovery codes were made for your account"]
    assert alice.delete("/users/me/totp").status_code == 204
    assert subjects(app) == ["One-time codes were switched off for your account"]


def test_factors_that_the_operator_removed_are_told(app: Flask, alice: Caller) -> None:
    assert app.test_cli_runner().invoke(args=["users", "reset-factors", alice.email]).exit_code == 0
    assert subjects(app, alice.email) == [
        "The operator removed one-time codes and passkeys from your account"
    ]


def test_api_keys_made_moved_rotated_and_revoked_are_told(app: Flask, alice: Caller) -> None:
    key = make_key(alice)
    assert subjects(app, alice.email) == ["An API key was made for your account"]
    assert alice.post(f"/api-keys/{key}/rotate", json={}).status_code == 200
    assert subjects(app, alice.email) == ["A new secret was made for an API key of your account"]
    assert alice.patch(f"/api-keys/{key}", json={"name": "other"}).status_code == 200
    assert subjects(app, alice.email) == []
    assert alice.patch(f"/api-keys/{key}", json={"allowed_networks": ["10.0.0.0/8"]}).status_code == 200
    assert subjects(app, alice.email) == ["An API key of your account may be used from other networks"]
    assert alice.delete(f"/api-keys/{key}").status_code == 204
    assert subjects(app, alice.email) == ["An API key of your account was revoked"]


def test_identities_linked_and_removed_are_told(app: Flask, alice: Caller) -> None:
    with issuing() as issuer:
        lend(app, issuer)
        identity = linked(alice, issuer)
        assert subjects(app, alice.email) == ["A sign-in at a provider was linked to your account"]
        assert alice.delete(f"/users/me/identities/{identity}").status_code == 204
        assert subjects(app, alice.email) == ["A sign-in at a provider was removed from your account"]
        joined(app, issuer, alice)
        assert "A sign-in at a provider was linked to your account" in subjects(app, alice.email)


def test_who_signs_up_at_a_provider_is_not_told_of_it(app: Flask, anonymous: Caller) -> None:
    with issuing() as issuer:
        lend(app, issuer)
        answer = anonymous.post("/auth/oidc/house/complete", json=came_back(anonymous, issuer))
        assert answer.status_code == 200
    assert mails(app) == []


def joined(app: Flask, issuer: Issuer, owner: Caller) -> None:
    """Let the owner's proven address open the account at the provider."""
    set_column(app, User, email_verified_at=datetime.now(UTC))
    caller = Caller(app.test_client())
    returned = came_back(caller, issuer)
    issuer.claims["email"] = owner.email
    assert caller.post("/auth/oidc/house/complete", json=returned).status_code == 200


def test_letter_of_a_reset_lists_what_opens_the_account_still(app: Flask, alice: Caller) -> None:
    set_column(app, User, email_verified_at=datetime.now(UTC))  # else the reset takes all of it away
    add_passkey(alice)
    for _ in range(2):
        make_key(alice)
    mails(app)
    reset(app, alice)
    [letter] = mails(app)
    assert re.findall(r"^  ([\w -]+\w) +(\d+)$", letter.text, re.MULTILINE) == [
        ("passkeys", "1"),
        ("API keys", "2"),
    ]


def test_letter_of_a_changed_password_lists_nothing_where_nothing_else_opens_the_account(
    app: Flask, alice: Caller
) -> None:
    make_key(alice, expires_at=from_now(minutes=1))
    mails(app)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=2)):
        change = {"current_password": PASSWORD, "new_password": NEW}
        assert alice.put("/users/me/password", json=change).status_code == 204
    [letter] = mails(app)
    assert letter.subject.startswith("Your password was changed")
    assert "open it still" not in letter.text


def test_many_new_devices_leave_nothing_else_untold(app: Flask, alice: Caller) -> None:
    """Whoever knows the password could use the notices up first, and then take the account in silence."""
    app.config["MAILS_NOTICES"] = "1/hour"
    for name in ("Firefox", "Chrome"):
        answer = alice.post(
            "/auth/login", json={"email": alice.email, "password": PASSWORD}, headers={"User-Agent": name}
        )
        assert answer.status_code == 200
    assert subjects(app) == ["A sign-in from a new device"]
    add_passkey(alice)
    make_key(alice)
    alice.put("/users/me/email", json={"email": "thief@example.net", "password": PASSWORD})
    token = sent_token(app, "thief@example.net")
    assert alice.post("/auth/email/confirm", json={"token": token, "password": PASSWORD}).status_code == 204
    assert subjects(app, alice.email) == [
        "A passkey was added to your account",
        "An API key was made for your account",
        "Your e-mail address is about to change",
        "Your e-mail address was changed",
    ]
