"""Empty secrets and addresses: refused by name, before anything is looked up."""

from typing import Any

from flask import Flask

from app.accounts.models import User
from tests.conftest import PASSWORD, Caller
from tests.factors import code, with_totp
from tests.making import set_column

NEW = "another good long secret"
ADDRESS = {"email": "new@example.org"}
PROOF = {"token": "x", "password": PASSWORD}
BODIES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/auth/register", {**ADDRESS, "password": NEW}),
    ("POST", "/auth/login", {**ADDRESS, "password": PASSWORD}),
    ("POST", "/auth/verify", PROOF),
    ("POST", "/auth/verify/resend", ADDRESS),
    ("POST", "/auth/password/forgot", ADDRESS),
    ("POST", "/auth/password/reset", {"token": "x", "password": NEW}),
    ("POST", "/auth/email/confirm", PROOF),
    ("PUT", "/users/me/email", {**ADDRESS, "password": PASSWORD}),
    ("PUT", "/users/me/password", {"current_password": PASSWORD, "new_password": NEW}),
]


def test_empty_field_is_named(alice: Caller) -> None:
    wrong = []
    for method, path, body in BODIES:
        for field in body:
            answer = alice.call(method, path, json={**body, field: ""})
            named = [detail["field"] for detail in answer.json["error"].get("details", [])]
            if (answer.status_code, named) != (400, [field]):
                wrong.append((path, field, answer.status_code, answer.json["error"]["code"]))
    assert wrong == []


def test_empty_password_is_none_to_an_account_without(app: Flask, alice: Caller) -> None:
    secret, _ = with_totp(alice)
    set_column(app, User, password_hash=None)
    body = {"password": "", "otp": code(secret)}
    assert alice.post("/auth/reauthenticate", json=body).status_code == 204
