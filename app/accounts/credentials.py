"""Changing the secret that opens an account."""

from sqlalchemy import update

from app import clock
from app.accounts import notices, one_time, passwords, sessions, users
from app.accounts.comparing import compare
from app.accounts.devices import Device
from app.accounts.models import User
from app.accounts.principals import SignedIn
from app.accounts.reauthentication import require_factors
from app.audit import trail
from app.errors import Conflict
from app.extensions import db


def change_password(principal: SignedIn, current: str, new: str, device: Device) -> None:
    """Replace the password; end the caller's other sessions, and what was sent to set or change anything.

    Raises ReauthenticationRequired where the password alone does not open the account, ValidationFailed for a new
    one that is not acceptable, RateLimited, WrongPassword, or Conflict when it was changed meanwhile.
    """
    email = users.email_of(principal.user_id)
    accepted = passwords.accepted(new, email=email, field="new_password")
    compared = compare(principal.user_id, principal.user, current, device, "current_password")
    new_hash = passwords.hashed(accepted)
    require_factors(principal)
    change = (
        update(User)
        .where(User.id == principal.user_id, User.password_hash == compared)
        .values(password_hash=new_hash, updated_at=clock.now(), version=User.version + 1)
        .returning(User.id)
    )
    if db.session.execute(change).first() is None:
        raise Conflict()
    sessions.end_others(principal)
    one_time.end(principal.user_id, one_time.RESET, one_time.EMAIL)
    notices.password_changed(principal.user_id)
    trail.record("password.changed", principal.user, owner=principal.user)
