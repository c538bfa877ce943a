"""Changing the secret that opens an account."""

from sqlalchemy import select, update

from app import clock, database
from app.accounts import guesses, letters, notices, one_time, passwords, sessions, signing_in
from app.accounts.devices import Device
from app.accounts.models import User
from app.accounts.principals import SignedIn
from app.audit import trail
from app.errors import AppError, Conflict
from app.extensions import db


class WrongPassword(AppError):
    """403, for somebody signed in. Keeps the event recorded."""

    status, code, message = 403, "WRONG_PASSWORD", "The password is not right."
    keeps = True


def change_password(principal: SignedIn, current: str, new: str, device: Device) -> None:
    """Replace the password; end the caller's other sessions, and what was sent to set or change anything.

    Raises ValidationFailed for a new one that is not acceptable, RateLimited, WrongPassword, or Conflict when
    it was changed meanwhile.
    """
    with database.reading() as connection:
        query = select(User.email, User.email_key, User.password_hash).where(User.id == principal.user_id)
        user = connection.execute(query).one()
    accepted = passwords.accepted(new, email=user.email_key or "", field="new_password")
    whose = (user.email_key or "", principal.user_id, principal.user)
    counted = guesses.count(signing_in.at_account(*whose, device))
    if not passwords.matches(current, user.password_hash):
        trail.record("password.refused", principal.user, owner=principal.user, failed=True)
        raise WrongPassword(field="current_password")
    guesses.give_back(counted)
    new_hash = passwords.hashed(accepted)
    change = (
        update(User)
        .where(User.id == principal.user_id, User.password_hash == user.password_hash)
        .values(password_hash=new_hash, updated_at=clock.now(), version=User.version + 1)
        .returning(User.id)
    )
    if db.session.execute(change).first() is None:
        raise Conflict()
    sessions.end_others(principal)
    one_time.end(principal.user_id, one_time.RESET, one_time.EMAIL)
    notices.tell(principal.user, user.email, letters.password_changed())
    trail.record("password.changed", principal.user, owner=principal.user)
