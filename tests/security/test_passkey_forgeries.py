"""What an authenticator, a page or a thief may do wrong with WebAuthn: nothing of it adds a passkey or signs in."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from app import database
from app.audit.models import AuditEvent
from tests.authenticator import Answer, Authenticator, text
from tests.conftest import Caller, sign_up
from tests.factors import add_passkey, passkey_options, use_passkey

Forge = Callable[[Caller, Authenticator], Answer]


def signed(**client: object) -> Forge:
    """As it should be, but for what the browser notes."""
    return lambda victim, own: own.get(passkey_options(victim), **client)


def by(**wrong: object) -> Forge:
    """By an authenticator that has this wrong."""

    def forge(victim: Caller, own: Authenticator) -> Answer:
        for name, value in wrong.items():
            setattr(own, name, value)
        return own.get(passkey_options(victim))

    return forge


def changed(part: str, value: object) -> Forge:
    """Signed as it should be, then changed; `part` of the response, or of the credential."""

    def forge(victim: Caller, own: Authenticator) -> Answer:
        credential = own.get(passkey_options(victim))
        (credential["response"] if part in credential["response"] else credential)[part] = value
        return credential

    return forge


def replayed(victim: Caller, own: Authenticator) -> Answer:
    credential = own.get(passkey_options(victim))
    assert victim.post("/auth/passkey", json={"credential": credential}).status_code == 200
    return credential


def again_with_a_new_signature(victim: Caller, own: Authenticator) -> Answer:
    options = passkey_options(victim)
    assert victim.post("/auth/passkey", json={"credential": own.get(options)}).status_code == 200
    return own.get(options)


def expired(victim: Caller, own: Authenticator) -> Answer:
    with time_machine.travel(datetime.now(UTC) - timedelta(seconds=301)):
        return own.get(passkey_options(victim))


def counted_back(victim: Caller, own: Authenticator) -> Answer:
    """A copy of the key, whose owner has used his since."""
    assert use_passkey(victim, own).status_code == 200
    own.count -= 1
    return own.get(passkey_options(victim))


FORGERIES: dict[str, Forge] = {
    "origin of a phishing page": by(origin="https://sho.rt.evil.example"),
    "origin over another scheme": by(origin="https://sho.rt"),
    "origin with another port": by(origin="http://sho.rt:8080"),
    "origin in a list": signed(origin=["http://sho.rt"]),
    "made for another domain": by(domain="evil.example"),
    "user not verified": by(verifies=False),
    "counter went back": counted_back,
    "counter stopped": by(count=-1),
    "signed by another key": by(key=ec.generate_private_key(ec.SECP256R1())),
    "unknown credential": by(id=b"x" * 32),
    "handle of nobody": by(handle=b"usr_nobody"),
    "handle with a NUL": by(handle=b"usr_\0"),
    "handle is no text": by(handle=b"\xff\xfe"),
    "credential replayed": replayed,
    "challenge answered before": again_with_a_new_signature,
    "challenge too old": expired,
    "challenge of a forger": signed(challenge=text(b"x" * 40)),
    "challenge too short": signed(challenge="AAAA"),
    "challenge is a number": signed(challenge=7),
    "challenge for adding": lambda victim, own: own.get(victim.post("/users/me/passkey-options").json),
    "made, not signed": signed(type="webauthn.create"),
    "in a frame of another site": signed(crossOrigin=True),
    "client data is no JSON": changed("clientDataJSON", text(b"{")),
    "client data is no text": changed("clientDataJSON", text(b"\xff")),
    "client data nests deeply": changed("clientDataJSON", text(b"[" * 20_000)),
    "client data is no base64": changed("clientDataJSON", "A"),
    "authenticator data is cut": changed("authenticatorData", text(b"x" * 36)),
    "signature is cut": changed("signature", text(b"0")),
    "ids differ": changed("id", "AAAA"),
}

NOBODYS = ("unknown credential", "client data is no base64")
"""Of these no account is known: anybody could fill the log with them."""


@pytest.fixture(scope="module")
def owner(house: Flask) -> Caller:
    return sign_up(house, "owner")


@pytest.fixture
def authenticator(house: Flask) -> tuple[Caller, Authenticator]:
    victim = sign_up(house, "victim")
    return victim, add_passkey(victim, Authenticator(count=5))


def post(victim: Caller, credential: Answer) -> TestResponse:
    return victim.post("/auth/passkey", json={"credential": credential})


def refusals(house: Flask, victim: Caller) -> list[tuple[str, object]]:
    """What the audit log tells the victim of sign-ins that were refused."""
    query = select(AuditEvent.outcome, AuditEvent.after)
    with house.app_context(), database.reading() as connection:
        own = query.where(AuditEvent.owner == victim.id, AuditEvent.action == "session.refused")
        return [tuple(row) for row in connection.execute(own)]


@pytest.mark.parametrize("name", FORGERIES)
def test_forgery_signs_in_nobody(
    house: Flask, authenticator: tuple[Caller, Authenticator], name: str
) -> None:
    answer = post(authenticator[0], FORGERIES[name](*authenticator))
    assert (answer.status_code, answer.json["error"]["code"]) == (401, "INVALID_CREDENTIALS")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json["error"]["message"] == "The passkey does not open an account here."
    expected = [] if name in NOBODYS else [("failure", {"method": "passkey"})]
    assert refusals(house, authenticator[0]) == expected


@pytest.mark.parametrize("forge", [signed(), by(), changed("userHandle2", "AAAA")])
def test_forgers_tools_sign_in_where_nothing_is_wrong(
    authenticator: tuple[Caller, Authenticator], forge: Forge
) -> None:
    """The control: what the others are refused for is the one thing that they change."""
    assert post(authenticator[0], forge(*authenticator)).status_code == 200


def test_passkey_of_one_does_not_sign_in_another(house: Flask, owner: Caller) -> None:
    thief = sign_up(house, "thief")
    own, theirs = add_passkey(thief), add_passkey(owner)
    own.handle = theirs.handle
    assert use_passkey(thief, own).status_code == 401


NEW: dict[str, Callable[[Caller, Caller], Answer]] = {
    "origin of a phishing page": lambda own, _: Authenticator("https://evil.example").create(asked(own)),
    "made for another domain": lambda own, _: Authenticator(domain="evil.example").create(asked(own)),
    "user not verified": lambda own, _: Authenticator(verifies=False).create(asked(own)),
    "signed, not made": lambda own, _: Authenticator().create(asked(own), type="webauthn.get"),
    "in a frame of another site": lambda own, _: Authenticator().create(asked(own), crossOrigin=True),
    "challenge of another's session": lambda _, other: Authenticator().create(asked(other)),
    "challenge for signing in": lambda own, _: Authenticator().create(
        {**asked(own), "challenge": passkey_options(own)["challenge"]}
    ),
    "challenge of a forger": lambda own, _: Authenticator().create(asked(own), challenge=text(b"x" * 40)),
    "key on no curve": lambda own, _: Authenticator(key=_OffCurve()).create(asked(own)),
}


class _OffCurve:
    """Stands where a key should, with a point that is on no curve."""

    x = y = 1

    def public_key(self) -> "_OffCurve":
        return self

    def public_numbers(self) -> "_OffCurve":
        return self


def asked(caller: Caller) -> Answer:
    options: Answer = caller.post("/users/me/passkey-options").json
    return options


@pytest.mark.parametrize("name", NEW)
def test_forgery_adds_no_passkey(house: Flask, owner: Caller, name: str) -> None:
    caller = sign_up(house, "caller")
    answer = caller.post("/users/me/passkeys", json={"credential": NEW[name](caller, owner)})
    assert (answer.status_code, answer.json["error"]["field"]) == (400, "credential")
    assert caller.get("/users/me/passkeys").json["items"] == []


@pytest.mark.asvs("6.7.2")
def test_challenge_adds_one_passkey(house: Flask) -> None:
    caller = sign_up(house, "caller")
    options = asked(caller)
    bodies = [{"credential": Authenticator().create(options)} for _ in range(2)]
    assert [caller.post("/users/me/passkeys", json=body).status_code for body in bodies] == [201, 400]


def test_challenge_of_another_session_of_ones_own_adds_nothing(house: Flask) -> None:
    """What a thief's session was refused, a challenge carried over does not give it."""
    caller = sign_up(house, "caller")
    credential = Authenticator().create(asked(caller))
    account = {"email": caller.email, "password": "correct horse battery"}
    caller.token = caller.post("/auth/login", json=account).json["access_token"]
    assert caller.post("/users/me/passkeys", json={"credential": credential}).status_code == 400
