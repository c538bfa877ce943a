"""Proving that one reads what is sent to an address: verifying it, changing it, setting a forgotten password."""

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app import clock, database
from app.accounts import (
    api_keys,
    devices,
    factors,
    guesses,
    letters,
    notices,
    one_time,
    passwords,
    petitions,
    sessions,
    users,
)
from app.accounts.credentials import WrongPassword
from app.accounts.devices import Device
from app.accounts.models import User
from app.accounts.oidc import identities
from app.accounts.one_time import EMAIL, RESET, VERIFY, InvalidOneTimeToken
from app.accounts.principals import SignedIn
from app.accounts.signing_in import at_account
from app.accounts.users import EmailTaken
from app.audit import trail
from app.extensions import db


def verify(token: str, device: Device) -> None:
    """Take the address of an account for proven. Raises RateLimited or InvalidOneTimeToken."""
    user, address = one_time.redeem(one_time.examine(token, VERIFY, device))
    _require(user, address)
    _prove(user)
    trail.record("email.verified", user.public_id, owner=user.public_id, actor=user.public_id)


def reset_password(token: str, password: str, device: Device) -> None:
    """Set a new password, which proves the address too; ends all sessions, forgets all devices.

    Raises ValidationFailed, RateLimited or InvalidOneTimeToken.
    """
    examined = one_time.examine(token, RESET, device)
    password_hash = passwords.hashed(passwords.accepted(password, email=examined.address))
    user, address = one_time.redeem(examined)
    _require(user, address)
    if not users.is_proven(user):
        _disown(user)
    user.password_hash = password_hash
    _prove(user)
    one_time.end(user.id)
    sessions.end_all(user.id)
    # One of them may be the thief's, whose next sign-in is worth a notice.
    devices.forget(user.id)
    notices.tell(user.public_id, address, letters.password_changed())
    trail.record("password.reset", user.public_id, owner=user.public_id, actor=user.public_id)


def request_change(principal: SignedIn, email: str, password: str, device: Device) -> None:
    """Ask for another address; it is proven before it counts (`confirm_change`), and the old one is told.

    Raises ValidationFailed, RateLimited, WrongPassword or MailOff.
    """
    address = users.checked_email(email)
    with database.reading() as connection:
        query = select(User.email_key, User.password_hash).where(User.id == principal.user_id)
        user = connection.execute(query).one()
    whose = (user.email_key or "", principal.user_id, principal.user)
    counted = guesses.count(at_account(*whose, device))
    if not passwords.matches(password, user.password_hash):
        raise WrongPassword(field="password")
    guesses.give_back(counted)
    petitions.change_email(principal.user, address, device)
    trail.record("email.change_requested", principal.user, owner=principal.user)


def confirm_change(token: str, device: Device) -> None:
    """Give the account the address that the token was sent to.

    Raises RateLimited, InvalidOneTimeToken, or EmailTaken where another account got it meanwhile.
    """
    user, address = one_time.redeem(one_time.examine(token, EMAIL, device))
    old = user.email
    try:
        with db.session.begin_nested():
            user.email, user.email_key = address, users.email_key(address)
            _prove(user)
    except IntegrityError:
        raise EmailTaken() from None
    one_time.end(user.id)
    notices.tell(user.public_id, old, letters.changed())
    trail.record("email.changed", user.public_id, owner=user.public_id, actor=user.public_id)


def _require(user: User, address: str) -> None:
    """Raises InvalidOneTimeToken where the account has another address by now."""
    if user.email != address:
        raise InvalidOneTimeToken()


def _disown(user: User) -> None:
    """Take every way in away that was there before the address was proven: whoever opened the account first may not
    be its reader ("pre-hijacking", MSRC 2022)."""
    identities.forget(user.id)
    factors.forget(user.id)
    api_keys.revoke_all(user.id)


def _prove(user: User) -> None:
    user.email_verified_at = user.updated_at = clock.now()
    user.awaits_verification = False
    user.version += 1
