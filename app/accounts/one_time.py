"""One-time tokens: sent to an e-mail address, brought back once by whoever reads what is sent there.

Random (192 bits), stored as SHA-256, short-lived, bound to user, purpose and address; a newer one ends the older of
its purpose (ASVS 5.0 6.4.1, OWASP Forgot Password Cheat Sheet). Redeemed by one DELETE ... RETURNING.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, select

from app import addresses, clock, database
from app.accounts import guesses
from app.accounts.devices import Device
from app.accounts.guesses import Counted, Guessed
from app.accounts.models import OneTimeToken, User
from app.errors import AppError
from app.extensions import db

VERIFY, RESET, EMAIL = "verify", "reset", "email"
LIFE = {VERIFY: timedelta(hours=24), RESET: timedelta(minutes=30), EMAIL: timedelta(hours=24)}

_BYTES = 24


class InvalidOneTimeToken(AppError):
    """403, the same for one that never was, was used, replaced, or is too old."""

    status, code = 403, "INVALID_ONE_TIME_TOKEN"
    message = "This link is not good (any more): it was used or replaced, or is too old."


@dataclass(frozen=True)
class Examined:
    """A token that is good as yet, and the guess that was counted for it."""

    purpose: str
    token_hash: str
    address: str
    """Whose reader it speaks for."""
    user_id: int
    user: str
    """Its public id."""
    counted: Counted


def issue(user_id: int, purpose: str, address: str) -> str:
    """A new token for who reads what is sent to `address`; the user's older one of this purpose is dead."""
    token = secrets.token_urlsafe(_BYTES)
    values = {
        "token_hash": _hash(token),
        "address": address,
        "expires_at": clock.now() + LIFE[purpose],
    }
    statement = (
        database.insert_into(OneTimeToken, db.session.connection())
        .values(user_id=user_id, purpose=purpose, **values)
        .on_conflict_do_update(index_elements=[OneTimeToken.user_id, OneTimeToken.purpose], set_=values)
    )
    db.session.execute(statement)
    return token


def examine(token: str, purpose: str, device: Device) -> Examined:
    """Count a guess, then look whether the token is good. Begins no write transaction of the session.

    Raises RateLimited or InvalidOneTimeToken.
    """
    tries = [Guessed("GUESSES_ONE_TIME", (addresses.counted(device.address),))]
    counted, token_hash = guesses.count(tries), _hash(token)
    good = (
        select(OneTimeToken.address, User.id, User.public_id)
        .join(User, User.id == OneTimeToken.user_id)
        .where(
            OneTimeToken.token_hash == token_hash,
            OneTimeToken.purpose == purpose,
            OneTimeToken.expires_at > clock.now(),
        )
    )
    with database.reading() as connection:
        found = connection.execute(good).first()
    if found is None:
        raise InvalidOneTimeToken()
    return Examined(purpose, token_hash, *found, counted)


def redeem(examined: Examined) -> tuple[User, str]:
    """Use the token up; return whose it is, locked, and the address that is proven by it.

    Raises InvalidOneTimeToken where somebody else was faster, or the account is not active.
    """
    use = (
        delete(OneTimeToken)
        .where(
            OneTimeToken.token_hash == examined.token_hash,
            OneTimeToken.purpose == examined.purpose,
            OneTimeToken.expires_at > clock.now(),
        )
        .returning(OneTimeToken.address)
    )
    # The user first, as everybody does who ends tokens or makes them: else two would wait for each other.
    user = db.session.get(User, examined.user_id, with_for_update=True)
    address: str | None = db.session.scalar(use)
    if address is None or user is None or user.status != "active":
        raise InvalidOneTimeToken()
    guesses.give_back(examined.counted, db.session.connection())
    return user, address


def end(user_id: int, *purposes: str) -> None:
    """End the user's tokens of these purposes; of all where none is named."""
    which = OneTimeToken.purpose.in_(purposes or LIFE)
    db.session.execute(delete(OneTimeToken).where(OneTimeToken.user_id == user_id, which))


def forget_expired() -> None:
    """Delete those that are too old; the worker calls it."""
    with database.writing() as connection:
        connection.execute(delete(OneTimeToken).where(OneTimeToken.expires_at <= clock.now()))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
