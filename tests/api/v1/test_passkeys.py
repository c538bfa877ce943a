"""/users/me/passkeys and /auth/passkey."""

from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import func, select

from app import database
from app.accounts import passkeys
from app.accounts.models import Passkey, RecoveryCode, Session, Totp, User
from tests.authenticator import Authenticator
from tests.conftest import AppFactory, Caller, sign_up
from tests.factors import add_passkey, events, passkey_options, sign_in, use_passkey, with_totp
from tests.making import set_column, set_role


def test_options_to_add_ask_for_a_discoverable_verified_credential(alice: Caller) -> None:
    first = add_passkey(alice)
    options = alice.post("/users/me/passkey-options").json
    assert options["rp"] == {"name": "sho.rt", "id": "sho.rt"}
    assert options["user"]["name"] == alice.email
    chosen = options["authenticatorSelection"]
    assert (chosen["residentKey"], chosen["userVerification"]) == ("required", "required")
    assert options["attestation"] == "none"
    assert len(options["excludeCredentials"]) == 1
    assert first.handle == alice.id.encode()


def test_options_to_sign_in_name_no_account(anonymous: Caller) -> None:
    options = passkey_options(anonymous)
    assert (options["rpId"], options["allowCredentials"], options["userVerification"]) == (
        "sho.rt",
        [],
        "required",
    )
    assert options["challenge"] != passkey_options(anonymous)["challenge"]


def test_added_passkey_is_listed(app: Flask, alice: Caller) -> None:
    add_passkey(alice, name="Phone")
    add_passkey(alice, name="Key")
    page = alice.get("/users/me/passkeys").json
    assert [item["name"] for item in page["items"]] == ["Key", "Phone"]
    assert set(page["items"][0]) == {"id", "name", "created_at", "last_used_at"}
    assert events(app)[-1] == ("passkey.added", "success")


def test_passkey_signs_in_without_a_name(app: Flask, alice: Caller, anonymous: Caller) -> None:
    authenticator = add_passkey(alice, Authenticator(count=1))
    for _ in range(2):
        answer = use_passkey(anonymous, authenticator)
        assert answer.status_code == 200
        anonymous.token = answer.json["access_token"]
        assert anonymous.get("/users/me").json["id"] == alice.id
    assert alice.get("/users/me/passkeys").json["items"][0]["last_used_at"] is not None
    assert events(app)[-1] == ("session.begun", "success")


def test_authenticator_without_a_counter_signs_in_again(alice: Caller, anonymous: Caller) -> None:
    authenticator = add_passkey(alice)
    assert [use_passkey(anonymous, authenticator).status_code for _ in range(2)] == [200, 200]


def test_passkey_asks_for_no_code(alice: Caller, anonymous: Caller) -> None:
    with_totp(alice)
    assert use_passkey(anonymous, add_passkey(alice)).status_code == 200


@pytest.mark.asvs("6.5.6")
def test_removed_passkey_signs_in_no_more(app: Flask, alice: Caller, anonymous: Caller) -> None:
    lost, kept = add_passkey(alice), add_passkey(alice)
    first = alice.get("/users/me/passkeys").json["items"][1]["id"]
    assert alice.delete(f"/users/me/passkeys/{first}").status_code == 204
    assert alice.delete(f"/users/me/passkeys/{first}").status_code == 404
    assert use_passkey(anonymous, lost).status_code == 401
    assert use_passkey(anonymous, kept).status_code == 200
    assert ("passkey.removed", "success") in events(app)


def test_passkeys_of_another_are_404(alice: Caller, bob: Caller) -> None:
    add_passkey(alice)
    own = alice.get("/users/me/passkeys").json["items"][0]["id"]
    assert bob.get("/users/me/passkeys").json["items"] == []
    assert bob.delete(f"/users/me/passkeys/{own}").status_code == 404
    assert len(alice.get("/users/me/passkeys").json["items"]) == 1


def test_credential_is_nobodys_second_passkey(alice: Caller, bob: Caller) -> None:
    authenticator = add_passkey(alice)
    for caller in (alice, bob):
        credential = authenticator.create(caller.post("/users/me/passkey-options").json)
        answer = caller.post("/users/me/passkeys", json={"credential": credential})
        assert (answer.status_code, answer.json["error"]["code"]) == (409, "CONFLICT")


@pytest.mark.asvs("2.3.2")
def test_passkeys_are_bounded(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passkeys, "MOST", 1)
    add_passkey(alice)
    credential = Authenticator().create(alice.post("/users/me/passkey-options").json)
    assert alice.post("/users/me/passkeys", json={"credential": credential}).status_code == 409


def test_disabled_user_is_refused(app: Flask, alice: Caller, anonymous: Caller) -> None:
    authenticator = add_passkey(alice)
    set_column(app, User, status="disabled")
    assert use_passkey(anonymous, authenticator).json["error"]["code"] == "INVALID_CREDENTIALS"


def test_closed_account_takes_its_factors_along(app: Flask, alice: Caller, anonymous: Caller) -> None:
    authenticator = add_passkey(alice)
    with_totp(alice)
    assert alice.delete("/users/me", headers={"If-Match": "*"}).status_code == 204
    assert use_passkey(anonymous, authenticator).status_code == 401
    with app.app_context(), database.reading() as connection:
        for model in (Passkey, RecoveryCode, Totp):
            assert connection.scalar(select(func.count()).select_from(model)) == 0


def test_frontend_of_a_listed_origin_below_the_domain_is_taken(make_app: AppFactory) -> None:
    origins = "https://app.example.org,https://elsewhere.test"
    app = make_app(PUBLIC_URL="https://go.example.org", PASSKEY_DOMAIN="example.org", CORS_ORIGINS=origins)
    alice, anonymous = sign_up(app, "alice"), Caller(app.test_client())
    authenticator = add_passkey(alice, Authenticator("https://app.example.org", "example.org"))
    statuses = []
    for origin in ("https://app.example.org", "https://go.example.org", "https://elsewhere.test"):
        authenticator.origin = origin
        statuses.append(use_passkey(anonymous, authenticator).status_code)
    assert statuses == [200, 200, 401]


@pytest.mark.asvs("6.3.3")
def test_password_does_not_get_an_admin_past_his_passkey(make_app: AppFactory) -> None:
    """Who has the password alone can neither use the role nor add a factor of his own."""
    app = make_app(REQUIRE_SECOND_FACTOR="admins")
    root = sign_up(app, "root")
    set_role(app, root, "admin")
    authenticator = add_passkey(root)
    assert root.post("/cache/invalidate").status_code < 300
    thief = Caller(app.test_client(), email=root.email)
    thief.token = sign_in(thief).json["access_token"]
    assert thief.post("/cache/invalidate").json["error"]["reason"] == "second_factor_required"
    for path in ("/users/me/totp", "/users/me/passkey-options"):
        assert thief.post(path).json["error"]["reason"] == "reauthentication_required"
    root.token = use_passkey(root, authenticator).json["access_token"]
    assert root.post("/cache/invalidate").status_code < 300
    only = root.get("/users/me/passkeys").json["items"][0]["id"]
    kept = root.delete(f"/users/me/passkeys/{only}")
    assert kept.json["error"]["reason"] == "second_factor_required"
    assert use_passkey(root, authenticator).status_code == 200


def test_lost_passkey_beside_a_password_can_be_removed(app: Flask, alice: Caller) -> None:
    add_passkey(alice)
    alice.token = sign_in(alice).json["access_token"]
    own = alice.get("/users/me/passkeys").json["items"][0]["id"]
    assert alice.delete(f"/users/me/passkeys/{own}").status_code == 204


def test_fresh_session_of_a_passkey_may_change_factors(app: Flask, alice: Caller) -> None:
    authenticator = add_passkey(alice)
    set_column(app, Session, created_at=datetime(2020, 1, 1, tzinfo=UTC), reauthenticated_at=None)
    assert alice.post("/users/me/totp").status_code == 403
    alice.token = use_passkey(alice, authenticator).json["access_token"]
    assert alice.post("/users/me/totp").status_code == 200
