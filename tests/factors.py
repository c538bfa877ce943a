"""People with second factors and passkeys, past the steps that a test is not about."""

from datetime import UTC, datetime

import pyotp
import time_machine
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from app import database
from app.audit.models import AuditEvent
from tests.authenticator import Answer, Authenticator
from tests.conftest import PASSWORD, Caller


def code(secret: str, *, steps: int = 0) -> str:
    """The code of the present, or of so many steps after it."""
    return pyotp.TOTP(secret).at(datetime.now(UTC), counter_offset=steps)


def start_totp(caller: Caller) -> str:
    """Ask for a secret; return it."""
    answer = caller.post("/users/me/totp")
    assert answer.status_code == 200, answer.text
    return str(answer.json["secret"])


def with_totp(caller: Caller) -> tuple[str, list[str]]:
    """Switch codes on by that of the step before, so that the present one is still good; return secret and recovery
    codes."""
    secret = start_totp(caller)
    with time_machine.travel(datetime.now(UTC), tick=False):  # the step must not end in between
        answer = caller.post("/users/me/totp/confirm", json={"code": code(secret, steps=-1)})
    assert answer.status_code == 200, answer.text
    return secret, list(answer.json["recovery_codes"])


def sign_in(caller: Caller, otp: str | None = None, password: str = PASSWORD) -> TestResponse:
    body = {"email": caller.email, "password": password}
    return caller.post("/auth/login", json=body | ({} if otp is None else {"otp": otp}))


def another_session(caller: Caller) -> Caller:
    """The same person elsewhere."""
    elsewhere = Caller(caller.client.application.test_client(), caller.id, caller.email)
    elsewhere.token = sign_in(elsewhere).json["access_token"]
    return elsewhere


def add_passkey(
    caller: Caller, authenticator: Authenticator | None = None, name: str = "Key"
) -> Authenticator:
    """Add a passkey; return what holds it."""
    authenticator = authenticator or Authenticator()
    options = caller.post("/users/me/passkey-options")
    assert options.status_code == 200, options.text
    made = {"name": name, "credential": authenticator.create(options.json)}
    answer = caller.post("/users/me/passkeys", json=made)
    assert answer.status_code == 201, answer.text
    return authenticator


def passkey_options(caller: Caller) -> Answer:
    options: Answer = caller.post("/auth/passkey/options").json
    return options


def use_passkey(caller: Caller, authenticator: Authenticator, **client: object) -> TestResponse:
    """Sign in by it."""
    credential = authenticator.get(passkey_options(caller), **client)
    return caller.post("/auth/passkey", json={"credential": credential})


def events(app: Flask) -> list[tuple[str, str]]:
    """Action and outcome of every event, in order."""
    with app.app_context(), database.reading() as connection:
        query = select(AuditEvent.action, AuditEvent.outcome).order_by(AuditEvent.id)
        return [(row.action, row.outcome) for row in connection.execute(query)]
