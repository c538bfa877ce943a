"""What the forgers of tokens work with, and a house whose tokens they forge: one for each way to sign."""

import base64
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from flask import Flask
from sqlalchemy import update

from app import clock, database
from app.accounts import signing_keys
from app.accounts.models import SigningKey
from app.accounts.signing_keys import Key
from app.extensions import db
from tests.conftest import SECRETS, Caller, sign_up
from tests.sharing import shared

KEY = SECRETS["JWT_SECRET"]
OTHER_KEY = "b1946ac92492d2347c6235b4d2611184b1946ac92492d2347c6235b4d2611184"
SIGNERS = ("JWT_SECRET", "HS256", "RS256", "EdDSA")
"""JWT_SECRET is what signs while there is no ring."""


@dataclass(frozen=True)
class House:
    """An application and somebody signed in there.

    `key` signs; `other` is of another algorithm, and good as well where there is a ring; `revoked` was in it.
    """

    app: Flask
    victim: Caller
    key: Key
    other: Key
    revoked: Key

    @property
    def fields(self) -> dict[str, str]:
        """The header of a good token."""
        return {"alg": self.key.algorithm, "typ": "JWT", "kid": self.key.kid}

    @property
    def public_forms(self) -> list[bytes | str]:
        """What a careless verifier might take the public key for: a secret."""
        if isinstance(self.key.public, (bytes, str)):
            return []
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        forms = (serialization.Encoding.PEM, serialization.Encoding.DER)
        return [
            *(self.key.public.public_bytes(form, spki) for form in forms),
            json.dumps(_jwks(self.app)[0]),
        ]


@contextmanager
def house(signer: str, template: Path, folder: Path) -> Iterator[House]:
    """A house whose tokens `signer` signs. With a ring the key of another algorithm is its predecessor."""
    algorithm = "HS256" if signer == "JWT_SECRET" else signer
    with shared(template, folder, JWT_ALGORITHM=algorithm) as app:
        with app.app_context():
            if signer == "JWT_SECRET":
                other = revoked = signing_keys._made("EdDSA", clock.now())[0]
            else:
                other, revoked = _make_ring(app)
        victim = sign_up(app, "victim")
        with app.app_context():
            key = signing_keys.signer()
        yield House(app, victim, key, other, revoked)


def _make_ring(app: Flask) -> tuple[Key, Key]:
    """A ring of three keys, the first of another algorithm, the second revoked, the third the one that signs."""
    algorithm = app.config["JWT_ALGORITHM"]
    other = _add(app, "EdDSA" if algorithm == "HS256" else "HS256")
    revoked = _add(app, algorithm)
    signing_keys.revoke(revoked.kid)
    _add(app, algorithm)
    with database.writing() as connection:  # as it is some seconds later
        retired = SigningKey.retired_at.is_not(None)
        connection.execute(update(SigningKey).where(retired).values(retired_at=clock.now()))
    signing_keys.ring()
    return other, revoked


def _add(app: Flask, algorithm: str) -> Key:
    wanted = app.config["JWT_ALGORITHM"]
    app.config["JWT_ALGORITHM"] = algorithm
    key = signing_keys.make()
    db.session.commit()
    app.config["JWT_ALGORITHM"] = wanted
    return key


def _jwks(app: Flask) -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = app.test_client().get("/.well-known/jwks.json").json["keys"]
    return keys


def b64(data: bytes | str | dict[str, Any]) -> str:
    if isinstance(data, dict):
        data = json.dumps(data)
    raw = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def signed(
    claims: dict[str, Any], key: Any = KEY, algorithm: str = "HS256", headers: dict[str, Any] | None = None
) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # forgers don't mind short keys
        return jwt.encode(claims, key, algorithm, headers)


def with_signature(head: str, body: str, key: Any, algorithm: str) -> str:
    """A token whose parts are ours to choose, signed as `algorithm` has it, whatever the header says."""
    signer = jwt.get_algorithm_by_name(algorithm)
    if isinstance(key, str):
        key = key.encode()
    signature = signer.sign(f"{head}.{body}".encode(), key)
    return f"{head}.{body}.{b64(signature)}"
