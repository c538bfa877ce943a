"""Each way into an account (`tests.security.ways`), made ready: a person for whom a call is right, and the call."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from app import clock
from app.accounts import signing_keys
from app.accounts.models import User
from app.accounts.one_time import EMAIL, RESET, VERIFY
from app.extensions import db
from tests.authenticator import Authenticator
from tests.conftest import PASSWORD, Caller
from tests.factors import add_passkey, code, passkey_options, start_totp, with_totp
from tests.issuer import came_back, linked
from tests.mailbox import issued
from tests.security.people import Asked, Stage

KEY = {"name": "k", "scopes": ["links:read"]}
NEW, WRONG = "another good long secret", "not-the-right-secret"
Prepared = Callable[[Stage, Caller], Asked]


def _login(_: Stage, person: Caller) -> Asked:
    body = {"email": person.email, "password": PASSWORD}
    return Asked("POST", "/auth/login", body, body | {"password": WRONG})


def _by_recovery_code(_: Stage, person: Caller) -> Asked:
    body = {"email": person.email, "password": PASSWORD, "otp": with_totp(person)[1][0]}
    return Asked("POST", "/auth/login", body, body | {"otp": "0" * 28})


def _passkey(_: Stage, person: Caller) -> Asked:
    key = add_passkey(person)
    forged = replace(key, key=ec.generate_private_key(ec.SECP256R1())).get(passkey_options(person))
    body = {"credential": key.get(passkey_options(person))}
    return Asked("POST", "/auth/passkey", body, {"credential": forged})


def _linked_person(stage: Stage, person: Caller) -> Asked:
    linked(person, stage.issuer)
    subject = stage.issuer.claims["sub"]
    body = came_back(person, stage.issuer)
    stage.issuer.claims["sub"] = subject
    return Asked("POST", "/auth/oidc/house/complete", body, body | {"code": WRONG})


def _by_address(stage: Stage, person: Caller) -> Asked:
    stage.write(User, person, email_verified_at=clock.now())
    body = came_back(person, stage.issuer)
    stage.issuer.claims["email"] = person.email
    return Asked("POST", "/auth/oidc/house/complete", body, body | {"code": WRONG})


def _refresh(_: Stage, person: Caller) -> Asked:
    by = Caller(person.client, token=person.refresh_token)
    return Asked("POST", "/auth/refresh", is_good_once=True, by=by)


def _by_mail(path: str, purpose: str, *, to: str | None = None) -> Prepared:
    def prepared(_: Stage, person: Caller) -> Asked:
        body = {"token": issued(person, purpose, to and f"{person.id}{to}"), "password": PASSWORD}
        wrong = {"password": WRONG} if purpose != RESET else {"token": WRONG}
        chosen = {"password": NEW} if purpose == RESET else {}
        return Asked("POST", path, body | chosen, body | wrong, by=Caller(person.client))

    return prepared


def _of(
    method: str, path: str, body: dict[str, Any] | None = None, wrong: dict[str, Any] | None = None
) -> Prepared:
    """A call that needs nothing but the person."""
    return lambda _, person: Asked(method, path.format(person), body, wrong)


def _totp_confirmed(_: Stage, person: Caller) -> Asked:
    right = code(start_totp(person))
    other = f"{(int(right) + 1) % 1_000_000:06}"
    return Asked("POST", "/users/me/totp/confirm", {"code": right}, {"code": other})


def _with_totp(method: str, path: str) -> Prepared:
    def prepared(_: Stage, person: Caller) -> Asked:
        with_totp(person)
        return Asked(method, path)

    return prepared


def _passkey_added(_: Stage, person: Caller) -> Asked:
    made = Authenticator().create(person.post("/users/me/passkey-options").json)
    return Asked("POST", "/users/me/passkeys", {"credential": made}, {"credential": {**made, "response": {}}})


def _passkey_removed(_: Stage, person: Caller) -> Asked:
    add_passkey(person)
    return Asked("DELETE", f"/users/me/passkeys/{person.get('/users/me/passkeys').json['items'][0]['id']}")


def _link(stage: Stage, person: Caller) -> Asked:
    body = came_back(person, stage.issuer, "/auth/oidc/house/link")
    return Asked("POST", "/auth/oidc/house/link/complete", body, body | {"code": WRONG})


def _unlink(stage: Stage, person: Caller) -> Asked:
    return Asked("DELETE", f"/users/me/identities/{linked(person, stage.issuer)}")


def _of_a_key(method: str, rest: str = "", body: dict[str, Any] | None = None) -> Prepared:
    def prepared(_: Stage, person: Caller) -> Asked:
        return Asked(method, f"/api-keys/{person.post('/api-keys', json=KEY).json['id']}{rest}", body)

    return prepared


def _other_session(stage: Stage, person: Caller) -> Asked:
    stage.begin(person)
    return Asked("DELETE", "/auth/sessions")


def _one_session(stage: Stage, person: Caller) -> Asked:
    return Asked("DELETE", f"/auth/sessions/{stage.begin(person)}")


def _by_admin(method: str, body: dict[str, Any] | None = None, status: str = "active") -> Prepared:
    def prepared(stage: Stage, person: Caller) -> Asked:
        stage.set_status(person, status)
        return Asked(method, f"/users/{person.id}", body, by=stage.admin)

    return prepared


def _flask(*arguments: str, status: str = "active") -> Prepared:
    def prepared(stage: Stage, person: Caller) -> Asked:
        stage.set_status(person, status)
        return Asked(arguments=[part.format(person) for part in arguments])

    return prepared


def _revoked_signing_key(stage: Stage, _: Caller) -> Asked:
    with stage.app.app_context():
        kid = signing_keys.make().kid
        db.session.commit()
    return Asked(arguments=["keys", "revoke", kid])


RESENT, FORGOT = "/auth/verify/resend", "/auth/password/forgot"
PREPARED: dict[str, Prepared] = {
    "POST /auth/register": _of("POST", "/auth/register", {"email": "new@example.net", "password": PASSWORD}),
    "POST /auth/login": _login,
    "POST /auth/login by recovery code": _by_recovery_code,
    "POST /auth/passkey": _passkey,
    "POST /auth/oidc/<provider>/complete of a linked person": _linked_person,
    "POST /auth/oidc/<provider>/complete by address": _by_address,
    "POST /auth/refresh": _refresh,
    "POST /auth/reauthenticate": _of(
        "POST", "/auth/reauthenticate", {"password": PASSWORD}, {"password": WRONG}
    ),
    "POST /auth/verify/resend": lambda _, person: Asked("POST", RESENT, {"email": person.email}),
    "POST /auth/verify": _by_mail("/auth/verify", VERIFY),
    "POST /auth/password/forgot": lambda _, person: Asked("POST", FORGOT, {"email": person.email}),
    "POST /auth/password/reset": _by_mail("/auth/password/reset", RESET),
    "POST /auth/email/confirm": _by_mail("/auth/email/confirm", EMAIL, to="@example.net"),
    "PUT /users/me/password": _of(
        *("PUT", "/users/me/password"),
        {"current_password": PASSWORD, "new_password": NEW},
        {"current_password": WRONG, "new_password": NEW},
    ),
    "PUT /users/me/email": _of(
        *("PUT", "/users/me/email"),
        {"email": "new@example.com", "password": PASSWORD},
        {"email": "new@example.com", "password": WRONG},
    ),
    "POST /users/me/totp": _of("POST", "/users/me/totp"),
    "POST /users/me/totp/confirm": _totp_confirmed,
    "DELETE /users/me/totp": _with_totp("DELETE", "/users/me/totp"),
    "POST /users/me/recovery-codes": _with_totp("POST", "/users/me/recovery-codes"),
    "POST /users/me/passkey-options": _of("POST", "/users/me/passkey-options"),
    "POST /users/me/passkeys": _passkey_added,
    "DELETE /users/me/passkeys/<passkey_id>": _passkey_removed,
    "POST /auth/oidc/<provider>/link": _of("POST", "/auth/oidc/house/link", {"return_to": "/"}),
    "POST /auth/oidc/<provider>/link/complete": _link,
    "DELETE /users/me/identities/<identity_id>": _unlink,
    "POST /api-keys": _of("POST", "/api-keys", KEY),
    "PATCH /api-keys/<key_id>": _of_a_key("PATCH", "", {"name": "other"}),
    "PATCH /api-keys/<key_id> of its networks": _of_a_key("PATCH", "", {"allowed_networks": ["10.0.0.0/8"]}),
    "POST /api-keys/<key_id>/rotate": _of_a_key("POST", "/rotate", {}),
    "DELETE /api-keys/<key_id>": _of_a_key("DELETE"),
    "POST /auth/logout": _of("POST", "/auth/logout"),
    "DELETE /auth/sessions": _other_session,
    "DELETE /auth/sessions/<session_id>": _one_session,
    "DELETE /users/me": _of("DELETE", "/users/me"),
    "GET /users/me/export": _of("GET", "/users/me/export"),
    "GET /audit-events/export": _of("GET", "/audit-events/export"),
    "PATCH /users/<user_id> of the role": _by_admin("PATCH", {"role": "manager"}),
    "PATCH /users/<user_id> to disabled": _by_admin("PATCH", {"status": "disabled"}),
    "PATCH /users/<user_id> to active": _by_admin("PATCH", {"status": "active"}, "disabled"),
    "DELETE /users/<user_id>": _by_admin("DELETE"),
    "flask users create-admin": _flask(
        "users", "create-admin", "--email", "boss@example.net", "--password", PASSWORD
    ),
    "flask users set-role": _flask("users", "set-role", "{0.email}", "manager"),
    "flask users disable": _flask("users", "disable", "{0.email}"),
    "flask users enable": _flask("users", "enable", "{0.email}", status="disabled"),
    "flask users reset-factors": _flask("users", "reset-factors", "{0.email}"),
    "flask keys rotate": _flask("keys", "rotate"),
    "flask keys revoke": _revoked_signing_key,
}
"""By the name of the way."""
