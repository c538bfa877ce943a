"""Ways from a mailbox, a password, an old session or an API key to the whole of an account: each was open once, or
would be if one door asked less than the others."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from app import clock, database
from app.accounts import signing_in
from app.accounts.models import Session
from app.accounts.turns import TooManyHashes
from app.turns import Turns
from tests.authenticator import Authenticator
from tests.conftest import PASSWORD, Caller, sign_up
from tests.factors import add_passkey, code, sign_in, start_totp, use_passkey, with_totp
from tests.mailbox import asked, sent_token
from tests.making import events, set_role

NEW = "another good long secret"
ELSEWHERE = {"User-Agent": "Mozilla/5.0 (Android 15; Mobile; rv:130.0) Firefox/130.0"}


def reset(app: Flask, email: str, **headers: str) -> int:
    """Set the password of the account with this address by a mail; the status."""
    stranger = Caller(app.test_client())
    asked(stranger, "/auth/password/forgot", email=email)
    body = {"token": sent_token(app, email), "password": NEW}
    return stranger.post("/auth/password/reset", json=body, headers=headers).status_code


def key_of(caller: Caller, *scopes: str, **fields: object) -> str:
    made = caller.post("/api-keys", json={"name": "k", "scopes": scopes or ["links:read"], **fields})
    assert made.status_code == 201, made.text
    return str(made.json["key"])


def by_key(app: Flask, key: str, method: str = "GET", path: str = "/links", **options: object) -> int:
    return Caller(app.test_client()).call(method, path, headers={"X-API-Key": key}, **options).status_code


def age(app: Flask, **columns: object) -> None:
    """Let every session have begun three days ago."""
    with app.app_context(), database.writing() as connection:
        old = {"created_at": clock.now() - timedelta(days=3), "reauthenticated_at": None}
        connection.execute(update(Session).values(**old, **columns))


@pytest.mark.asvs("6.4.3")
@pytest.mark.parametrize("role", ["user", "admin"])
def test_mailbox_is_no_second_factor(app: Flask, alice: Caller, role: str) -> None:
    app.config["REQUIRE_SECOND_FACTOR"] = "admins"
    secret, _ = with_totp(alice)
    set_role(app, alice, role)
    assert reset(app, alice.email) == 204
    assert sign_in(alice, password=NEW).json["error"]["code"] == "OTP_REQUIRED"
    assert sign_in(alice, code(secret), NEW).status_code == 200


def test_mailbox_takes_no_passkey_from_who_needs_one(app: Flask, alice: Caller) -> None:
    app.config["REQUIRE_SECOND_FACTOR"] = "admins"
    authenticator = add_passkey(alice)
    set_role(app, alice, "admin")
    assert reset(app, alice.email) == 204
    alice.token = sign_in(alice, password=NEW).json["access_token"]
    assert alice.get("/users").json["error"]["reason"] == "second_factor_required"
    assert alice.post("/users/me/totp").json["error"]["reason"] == "reauthentication_required"
    assert use_passkey(alice, authenticator).status_code == 200


def test_who_opened_an_account_with_a_strangers_address_cannot_have_it_proven(app: Flask) -> None:
    thief = sign_up(app, "victim")
    authenticator, key = add_passkey(thief), key_of(thief)
    asked(thief, "/auth/verify/resend", email=thief.email)
    victim = Caller(app.test_client())
    for password in (None, NEW):
        body = {"token": sent_token(app, thief.email), "password": password}
        assert victim.post("/auth/verify", json=body).json["error"]["code"] == "WRONG_PASSWORD"
        asked(thief, "/auth/verify/resend", email=thief.email)
    assert reset(app, thief.email) == 204
    assert use_passkey(thief, authenticator).status_code == 401
    assert by_key(app, key) == 401
    assert sign_in(thief).status_code == 401


def test_who_moves_his_account_to_a_strangers_address_cannot_have_it_proven(app: Flask) -> None:
    thief = sign_up(app, "thief")
    thief.put("/users/me/email", json={"email": "victim@example.net", "password": PASSWORD})
    body = {"token": sent_token(app, "victim@example.net")}
    answer = Caller(app.test_client()).post("/auth/email/confirm", json=body)
    assert answer.json["error"]["code"] == "WRONG_PASSWORD"
    assert thief.get("/users/me").json["email"] == thief.email


def test_strangers_do_not_lock_out_who_sets_a_new_password(app: Flask, alice: Caller) -> None:
    app.config["GUESSES_LOGIN_IP"] = ""
    for _ in range(11):
        alice.post("/auth/login", json={"email": alice.email, "password": "wrong"}, headers=ELSEWHERE)
    assert reset(app, alice.email, **ELSEWHERE) == 204
    account = {"email": alice.email, "password": NEW}
    assert alice.post("/auth/login", json=account, headers=ELSEWHERE).status_code == 200


@pytest.mark.asvs("7.5.1")
def test_session_of_one_factor_changes_neither_address_nor_password(app: Flask, alice: Caller) -> None:
    with_totp(alice)
    age(app, two_factors=False)
    for path, body in {
        "/users/me/email": {"email": "thief@example.net", "password": PASSWORD},
        "/users/me/password": {"current_password": PASSWORD, "new_password": NEW},
    }.items():
        answer = alice.put(path, json=body)
        assert (answer.status_code, answer.json["error"]["reason"]) == (403, "reauthentication_required")


def test_old_session_ends_no_account_and_opens_no_key_to_the_world(app: Flask, alice: Caller) -> None:
    key_of(alice, allowed_networks=["10.0.0.0/8"])
    path = f"/api-keys/{alice.get('/api-keys').json['items'][0]['id']}"
    age(app)
    for answer in (alice.delete("/users/me"), alice.patch(path, json={"allowed_networks": []})):
        assert answer.json["error"]["reason"] == "reauthentication_required"
    assert alice.patch(path, json={"name": "other"}).status_code == 200
    assert alice.post("/auth/reauthenticate", json={"password": PASSWORD}).status_code == 204
    assert alice.delete("/users/me").status_code == 204


@pytest.mark.parametrize("factors", [1, 2])
def test_key_lends_a_role_only_if_it_was_made_with_the_factors_that_it_asks_for(
    app: Flask, alice: Caller, bob: Caller, factors: int
) -> None:
    app.config["REQUIRE_SECOND_FACTOR"] = "admins"
    set_role(app, alice, "manager")
    if factors == 2:
        with_totp(alice)
    key = key_of(alice, "admin", "users:write")
    set_role(app, alice, "admin")
    promoted = by_key(app, key, "PATCH", f"/users/{bob.id}", json={"role": "admin"})
    assert promoted == (200 if factors == 2 else 403)


def test_key_neither_changes_nor_closes_its_owners_account(app: Flask, alice: Caller) -> None:
    set_role(app, alice, "admin")
    key = key_of(alice, "admin", "users:write")
    assert by_key(app, key, "PATCH", f"/users/{alice.id}", json={"role": "user"}) == 403
    assert by_key(app, key, "DELETE", f"/users/{alice.id}") == 403


def test_passkey_whose_making_began_before_codes_were_on_is_not_added(app: Flask, alice: Caller) -> None:
    thief = Caller(app.test_client(), email=alice.email, token=sign_in(alice).json["access_token"])
    begun = thief.post("/users/me/passkey-options").json
    with_totp(alice)
    body = {"name": "mine", "credential": Authenticator().create(begun)}
    answer = thief.post("/users/me/passkeys", json=body)
    assert answer.json["error"]["reason"] == "reauthentication_required"


def test_codes_that_were_begun_long_ago_are_not_switched_on(app: Flask, alice: Caller) -> None:
    secret = start_totp(alice)
    age(app)
    answer = alice.post("/users/me/totp/confirm", json={"code": code(secret)})
    assert answer.json["error"]["reason"] == "reauthentication_required"


@pytest.mark.asvs("16.3.1")
def test_right_password_without_a_code_leaves_a_trace(app: Flask, alice: Caller) -> None:
    with_totp(alice)
    sign_in(alice)
    [event] = events(app, "session.refused")
    assert (event["owner"], event["outcome"], event["after"]) == (alice.id, "failure", {"method": "otp"})


def test_rush_at_hashing_costs_nobody_a_guess(app: Flask, alice: Caller) -> None:
    app.extensions["turns"] = turns = Turns(1, 1, TooManyHashes, 0.01)
    with turns.take():
        assert [sign_in(alice).status_code for _ in range(6)] == [503] * 6
        current = {"current_password": PASSWORD, "new_password": NEW}
        assert alice.put("/users/me/password", json=current).status_code == 503
    assert sign_in(alice).status_code == 200


def test_noise_at_the_door_of_passkeys_fills_no_log(app: Flask, alice: Caller) -> None:
    stranger = Authenticator()
    stranger.create(alice.post("/users/me/passkey-options").json)
    assert use_passkey(alice, stranger).status_code == 401
    assert events(app, "session.refused") == []


def test_last_way_in_stays_whichever_door_it_is_removed_by(app: Flask, alice: Caller) -> None:
    add_passkey(alice)
    with app.app_context(), database.writing() as connection:
        connection.exec_driver_sql("UPDATE users SET password_hash = NULL")
    path = f"/users/me/passkeys/{alice.get('/users/me/passkeys').json['items'][0]['id']}"
    answer = alice.delete(path)
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "CONFLICT")
    assert alice.get("/users/me/passkeys").json["items"]


def test_counts_of_strangers_and_of_devices_have_different_names(app: Flask) -> None:
    with app.app_context():
        keys = [{guess.key for guess in signing_in.counts("a@b.c", by)} for by in ("", "fingerprint")]
    assert not keys[0] & keys[1]
