"""Comparing the password of somebody who is signed in, or holds a token of ours: the one place for all doors."""

from sqlalchemy import select

from app import database
from app.accounts import guesses, passwords, signing_in
from app.accounts.devices import Device
from app.accounts.models import User
from app.audit import trail
from app.errors import AppError

_UNSET = "This account has no password yet; POST /auth/password/forgot sets one."


class WrongPassword(AppError):
    """403, for somebody signed in. Keeps the event recorded."""

    status, code, message = 403, "WRONG_PASSWORD", "The password is not right."
    keeps = True


def compare(user_id: int, user: str, password: str | None, device: Device, field: str = "password") -> str:
    """Hold a guess against the account's password; return the hash that it matched. Begins no write transaction.

    Raises RateLimited before anything is compared, TooManyHashes, WrongPassword naming `field`.
    """
    with database.reading() as connection:
        query = select(User.email_key, User.password_hash).where(User.id == user_id)
        key, stored = connection.execute(query).one()
        at_it = signing_in.at_account(key or "", user_id, user, device, connection)
    with guesses.counting(at_it):
        if not passwords.matches(password or "", stored):
            trail.record("password.refused", user, owner=user, failed=True)
            raise WrongPassword(None if stored else _UNSET, field=field)
    return str(stored)
