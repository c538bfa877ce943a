"""Signing in: what proves who somebody is, and the session that begins once it is proven."""

from flask import current_app
from sqlalchemy import Connection, Row, select, update

from app import addresses, database
from app.accounts import devices, guesses, one_time_codes, passwords, sessions, totp
from app.accounts.devices import Device
from app.accounts.guesses import Guessed
from app.accounts.models import User
from app.accounts.one_time_codes import OtpRequired, WrongCode
from app.accounts.tokens import TokenPair
from app.accounts.users import email_key
from app.audit import trail
from app.errors import AppError
from app.extensions import db

Stored = Row[int, str, str | None] | None
"""Id, public id and password hash of an active account; None where there is none."""


class InvalidCredentials(AppError):
    """401, the same for an unknown address, a wrong password and a disabled account; a code that is not right is told
    apart by `field`, since only who knows the password gets that far. Keeps the event recorded."""

    status, code, message = 401, "INVALID_CREDENTIALS", "E-mail and password do not match an account."
    keeps = True

    def __init__(self, message: str | None = None, *, field: str | None = None) -> None:
        super().__init__(message, field=field, headers={"WWW-Authenticate": "Bearer"})


class EmailUnverified(AppError):
    """403, told to nobody but who has proven who he is. Keeps what was counted, recorded and made."""

    status, code = 403, "EMAIL_UNVERIFIED"
    message = "Open the link that was sent to your e-mail address first."
    keeps = True


def by_password(email: str, password: str, device: Device, otp: str | None = None) -> TokenPair:
    """Begin a session. Raises RateLimited before anything is compared, InvalidCredentials or OtpRequired after.

    Raises EmailUnverified where all is right and the account waits for its address to be verified.
    """
    key = email_key(email)
    with database.reading() as connection:
        found = _stored(key, connection)
        user_id, public_id = (found.id, found.public_id) if found else (0, "")
        at_it = at_account(key, user_id, public_id, device, connection)
    by_address = Guessed("GUESSES_LOGIN_IP", (addresses.counted(device.address),))
    counted = guesses.count([by_address, *at_it])
    with guesses.kept_unless_busy(counted):
        user = _proven(key, found, password)
    asks = totp.is_on(user.id)
    method = _method_of(user, otp) if asks and otp else "password"
    # In this transaction: beside a busy worker each one more would wait for a batch of clicks.
    guesses.give_back(counted, db.session.connection())
    if asks and not otp:  # who brings no code has guessed at none
        raise refused(user.public_id, "otp", OtpRequired())
    require_verified(user, method)
    return sessions.begin(user, device, method)


def require_verified(user: User, method: str) -> None:
    """Raise EmailUnverified where the account waits for its address to be verified, whatever the proof (`method`)."""
    if not current_app.config["EMAIL_VERIFICATION"]:
        user.awaits_verification = False  # it is in use from here on
    if user.awaits_verification:
        raise refused(user.public_id, method, EmailUnverified())


def _stored(key: str, within: Connection) -> Stored:
    """What a guess at the password of the account with this address is compared with."""
    query = select(User.id, User.public_id, User.password_hash)
    return within.execute(query.where(User.email_key == key, User.status == "active")).first()


def _proven(key: str, found: Stored, password: str, *, once_more: bool = True) -> User:
    """The account with this address that the password opens, locked. Raises InvalidCredentials.

    Its hash is made anew where the rounds were raised since. That is no change of the account: neither its version
    moves, nor does a session end.
    """
    if not passwords.matches(password, found.password_hash if found else None) or found is None:
        raise refused(found.public_id if found else None, "password")
    renewed = passwords.renewed(password, found.password_hash)
    user = db.session.get(User, found.id, with_for_update=True, populate_existing=True)
    if user is None or user.status != "active":
        raise refused(found.public_id, "password")
    if user.password_hash != found.password_hash:
        # Another sign-in made the hash anew while this one compared; or the password has changed, and that must end
        # this session too. Which of the two it was is told by comparing once more, with no transaction open.
        db.session.rollback()
        if once_more:
            with database.reading() as connection:
                found_now = _stored(key, connection)
            return _proven(key, found_now, password, once_more=False)
        raise refused(found.public_id, "password")
    if renewed is not None:
        unchanged = (User.id == user.id) & (User.password_hash == found.password_hash)
        db.session.execute(update(User).where(unchanged).values(password_hash=renewed))
    return user


def _method_of(user: User, otp: str) -> str:
    """How the user, whose password is right, signs in with this code. Raises InvalidCredentials.

    A wrong code leaves the guess counted, though the password was right: so the count bounds guesses at codes too.
    """
    kind = one_time_codes.spend(user, otp)
    if kind is None:
        raise refused(user.public_id, "otp", InvalidCredentials(WrongCode.message, field="otp"))
    return f"password+{kind}"


def at_account(key: str, user_id: int, user: str, device: Device, within: Connection) -> list[Guessed]:
    """The counts of guesses at an account's secrets, whichever door they come through: a burst and a day.

    `key` is the account's `email_key`. Strangers share the counts. A device that the user signed in from before has
    its own, so that no stranger can lock the owner out (ADR 21).
    """
    return counts(key, devices.known(user_id, user, device, within) or "")


def counts(key: str, vouched_by: str = "") -> list[Guessed]:
    """Those of strangers, or of the device with this fingerprint."""
    parts = ("password", key, vouched_by)
    return [Guessed("GUESSES_ACCOUNT", parts), Guessed("GUESSES_ACCOUNT_DAY", parts)]


def refused(user: str | None, method: str, why: AppError | None = None) -> AppError:
    """Record that somebody was not let in as this user, for want of `method`; return what to raise."""
    trail.record("session.refused", user, owner=user, failed=True, after={"method": method})
    sessions.SIGN_INS.labels(method, "refused").inc()
    return why or InvalidCredentials()
