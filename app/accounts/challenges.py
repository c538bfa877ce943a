"""Challenges of WebAuthn: random, good for five minutes, for one purpose and holder, and once (WebAuthn 3 §13.4.3).

Nothing is stored when one is made, since anybody may ask for one: what is in it is sealed. What is stored is that it
was answered, until it would be too old anyway.
"""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from flask import current_app
from sqlalchemy import delete

from app import clock, database, sealing
from app.accounts.models import SpentChallenge
from app.extensions import db

LIFE = timedelta(minutes=5)
_RANDOM_BYTES = 16  # WebAuthn 3 §13.4.3


class BadChallenge(ValueError):
    """One that is not ours, for something or somebody else, too old, or answered before."""


def make(purpose: str, holder: str = "") -> bytes:
    """A challenge that `spend` takes once with the same arguments."""
    expires = int((clock.now() + LIFE).timestamp()).to_bytes(8)
    return _cipher().encrypt(expires + secrets.token_bytes(_RANDOM_BYTES), _bound_to(purpose, holder))


def spend(challenge: bytes, purpose: str, holder: str = "") -> None:
    """Use a challenge up, in the session's transaction; of several at once one is good. Raises BadChallenge."""
    try:
        content = _cipher().decrypt(challenge, _bound_to(purpose, holder))
    except (InvalidTag, ValueError):  # ValueError: too short
        raise BadChallenge() from None
    expires = datetime.fromtimestamp(int.from_bytes(content[:8]), UTC)
    if expires <= clock.now():
        raise BadChallenge()
    statement = (
        database.insert_into(SpentChallenge, db.session.connection())
        .values(digest=hashlib.sha256(challenge).hexdigest(), expires_at=expires)
        .on_conflict_do_nothing()
        .returning(SpentChallenge.digest)
    )
    if db.session.execute(statement).first() is None:
        raise BadChallenge()


def forget_expired() -> None:
    """Delete what is too old to be answered again; the worker calls it."""
    with database.writing() as connection:
        connection.execute(delete(SpentChallenge).where(SpentChallenge.expires_at <= clock.now()))


def _bound_to(purpose: str, holder: str) -> list[bytes]:
    return [purpose.encode(), holder.encode()]


def _cipher() -> AESSIV:
    return sealing.cipher(current_app.config["SECRET_KEY"], "challenges")
