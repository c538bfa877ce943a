"""Who needs a second factor, and who has one: one-time codes, or a passkey, which is two by itself."""

from flask import current_app
from sqlalchemy import exists, select

from app.accounts import one_time, totp
from app.accounts.models import Passkey, User
from app.errors import Forbidden
from app.extensions import db


class SecondFactorRequired(Forbidden):
    """403, for somebody whose role asks for a second factor."""

    def __init__(
        self, message: str = "Your role counts once you have signed in with a second factor."
    ) -> None:
        super().__init__(message, reason="second_factor_required")


def is_needed(role: str) -> bool:
    """Whether this role counts only in a session of two factors (`REQUIRE_SECOND_FACTOR`)."""
    return role == "admin" and current_app.config["REQUIRE_SECOND_FACTOR"] == "admins"


def counted(role: str, two_factors: bool) -> str:
    """The role that counts for who has it, by the factors that were shown."""
    return "user" if is_needed(role) and not two_factors else role


def guards(user: User) -> bool:
    """Whether the password alone does not open all of the account.

    A passkey beside a password that opens everything guards nothing: whoever lost it may remove it.
    """
    return totp.is_on(user.id) or (is_needed(user.role) and has_passkey(user))


def added(user: User) -> None:
    """One more factor: another address that one alone has asked for does not come any more."""
    if guards(user):
        one_time.end(user.id, one_time.EMAIL)


def refuse_none_left(user: User) -> None:
    """After one was removed. Raises SecondFactorRequired where who needs one has none left."""
    if is_needed(user.role) and not totp.is_on(user.id) and not has_passkey(user):
        raise SecondFactorRequired(
            "Your role asks for a second factor; add another before you remove the last."
        )


def has_passkey(user: User) -> bool:
    """Whether a passkey opens the account."""
    return bool(db.session.scalar(select(exists().where(Passkey.user_id == user.id))))
