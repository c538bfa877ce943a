"""Showing again who one is, before what opens the account is changed, or all of it is carried away: a stolen
token alone must not do it (ASVS 5.0 7.5.1, OWASP Multifactor Authentication Cheat Sheet, "Changing MFA Factors").

Somebody has just shown it when he signed in, or called `prove`. Where the password alone does not open the account
it does not open this either.
"""

from datetime import timedelta

from sqlalchemy import select

from app import clock, database
from app.accounts import guesses, one_time_codes, passwords, second_factor, sessions, signing_in, totp, users
from app.accounts.comparing import WrongPassword
from app.accounts.devices import Device
from app.accounts.guesses import Counted
from app.accounts.models import User
from app.accounts.one_time_codes import OtpRequired, WrongCode
from app.accounts.principals import SignedIn, confirm
from app.audit import trail
from app.errors import AppError, Forbidden
from app.extensions import db

RECENT = timedelta(minutes=5)


class ReauthenticationRequired(Forbidden):
    """403: it is too long ago, or was by one factor where there are two."""

    def __init__(self) -> None:
        message = "Show first that it is you: POST /auth/reauthenticate, or sign in anew."
        super().__init__(message, reason="reauthentication_required")


def require_recent(principal: SignedIn) -> User:
    """The caller's account, locked, if he has just shown who he is.

    Raises ReauthenticationRequired, and as `principals.confirm` does.
    """
    _refuse_late(principal)
    return require_factors(principal)


def require_factors(principal: SignedIn) -> User:
    """The caller's account, locked, if his session has all the factors that the account asks for: what the password
    alone does not open it does not change. Raises ReauthenticationRequired, and as `principals.confirm` does."""
    user = users.get(principal.user_id, lock=True)
    confirm(principal)
    _refuse_half(principal, user)
    return user


def check_recent(principal: SignedIn) -> None:
    """As `require_recent`, for a call that only reads. Raises ReauthenticationRequired.

    Locks nothing, and leaves no transaction open: what is read next is as of then.
    """
    _refuse_late(principal)
    _refuse_half(principal, users.get(principal.user_id))
    db.session.rollback()


def prove(principal: SignedIn, password: str | None, otp: str | None, device: Device) -> None:
    """Take the account's password, and a code where one is asked for, as proof that the caller is who he was.

    Raises RateLimited before anything is compared, then WrongPassword, OtpRequired or WrongCode; where the account
    has neither password nor codes ReauthenticationRequired: its way is to sign in anew.
    """
    counted = count_guess(principal, device)
    with database.reading() as connection:
        compared = connection.scalar(select(User.password_hash).where(User.id == principal.user_id))
    with guesses.kept_unless_busy(counted):
        if compared and not passwords.matches(password or "", compared):
            raise _refused(principal, WrongPassword(field="password"))
    user = users.get(principal.user_id, lock=True)
    if user.password_hash != compared:  # changed while it was compared
        raise _refused(principal, WrongPassword(field="password"))
    asks = totp.is_on(user.id)
    if asks and otp and not one_time_codes.spend(user, otp):
        raise _refused(principal, WrongCode(field="otp"))
    guesses.give_back(counted, db.session.connection())
    if asks and not otp:
        raise _refused(principal, OtpRequired())
    if not asks and not user.password_hash:
        raise ReauthenticationRequired()
    sessions.prove(principal, two_factors=asks)
    trail.record("session.reauthenticated", principal.session, owner=principal.user)


def count_guess(principal: SignedIn, device: Device) -> Counted:
    """Count a guess at a secret of the caller's account, before any is compared. Raises RateLimited."""
    with database.reading() as connection:
        key = connection.scalar(select(User.email_key).where(User.id == principal.user_id))
        at_it = signing_in.at_account(key or "", principal.user_id, principal.user, device, connection)
    return guesses.count(at_it)


def _refused(principal: SignedIn, why: AppError) -> AppError:
    trail.record("session.reauthenticated", principal.session, owner=principal.user, failed=True)
    return why


def _refuse_late(principal: SignedIn) -> None:
    if principal.proven_at <= clock.now() - RECENT:
        raise ReauthenticationRequired()


def _refuse_half(principal: SignedIn, user: User) -> None:
    if second_factor.guards(user) and not principal.two_factors:
        raise ReauthenticationRequired()
