"""The second factor of an account: switched on and off, its recovery codes, and who must have one."""

from dataclasses import dataclass
from datetime import datetime

import segno
from sqlalchemy import select

from app.accounts import (
    api_keys,
    guesses,
    notices,
    one_time,
    passkeys,
    reauthentication,
    recovery_codes,
    second_factor,
    sessions,
    totp,
    users,
)
from app.accounts.devices import Device
from app.accounts.letters import WayIn
from app.accounts.models import Totp, User
from app.accounts.one_time_codes import WrongCode
from app.accounts.principals import SignedIn
from app.accounts.reauthentication import require_recent
from app.audit import trail
from app.errors import Conflict, NotFound
from app.extensions import db


@dataclass(frozen=True)
class Enrolment:
    """What a generator needs, in three forms: for typing, for a link on a phone, and to be scanned."""

    secret: str
    uri: str
    qr: str
    """`uri` as a QR code: an SVG image, as a `data:` URL."""


@dataclass(frozen=True)
class Status:
    """`required`: this role counts in sessions with two factors only."""

    enabled: bool
    enabled_at: datetime | None
    recovery_codes_left: int
    required: bool


def status(principal: SignedIn) -> Status:
    """Whether one-time codes are on."""
    enabled_at = db.session.scalar(select(Totp.confirmed_at).where(Totp.user_id == principal.user_id))
    required = second_factor.is_needed(users.get(principal.user_id).role)
    left = recovery_codes.left(principal.user_id)
    return Status(enabled_at is not None, enabled_at, left, required)


def enrol(principal: SignedIn) -> Enrolment:
    """Begin to switch one-time codes on: a new secret, good once it is confirmed.

    Raises ReauthenticationRequired, or Conflict where they are on.
    """
    started = totp.start(require_recent(principal))
    if started is None:
        raise Conflict("One-time codes are on; switch them off first.")
    secret, uri = started
    return Enrolment(secret, uri, segno.make_qr(uri, error="m").svg_data_uri(scale=4))


def confirm(principal: SignedIn, code: str, device: Device) -> list[str]:
    """Switch one-time codes on by the first of them; return the recovery codes, which are shown this once.

    From here on this session is one of two factors. Raises RateLimited before anything is compared, then
    ReauthenticationRequired (the secret may have been asked for long ago, by somebody else) or WrongCode.
    """
    counted = reauthentication.count_guess(principal, device)
    user = require_recent(principal)
    if not totp.confirm(user, code):
        trail.record("totp.enabled", principal.user, owner=principal.user, failed=True)
        raise WrongCode(field="code")
    guesses.give_back(counted, db.session.connection())
    sessions.lift(principal)
    second_factor.added(user)
    trail.record("totp.enabled", principal.user, owner=principal.user)
    notices.way_in(user.id, WayIn.CODES_ON)
    return _new_codes(principal)


def remove_totp(principal: SignedIn) -> None:
    """Switch one-time codes off; the recovery codes go with them.

    Raises ReauthenticationRequired, SecondFactorRequired for who needs them, NotFound where they are not on.
    """
    user = require_recent(principal)
    if not totp.remove(user.id):
        raise NotFound()
    second_factor.refuse_none_left(user)
    recovery_codes.remove(user.id)
    trail.record("totp.removed", principal.user, owner=principal.user)
    notices.way_in(user.id, WayIn.CODES_OFF)


def renew_codes(principal: SignedIn) -> list[str]:
    """Replace the recovery codes. Raises ReauthenticationRequired, or Conflict where one-time codes are off."""
    user = require_recent(principal)
    if not totp.is_on(user.id):
        raise Conflict("Recovery codes stand in for one-time codes; switch those on first.")
    notices.way_in(user.id, WayIn.RECOVERY_CODES_MADE)
    return _new_codes(principal)


def forget(user_id: int) -> None:
    """Delete all of the user's factors, passkeys included: of an account that is closed, say."""
    totp.remove(user_id)
    recovery_codes.remove(user_id)
    passkeys.forget(user_id)


def reset(email: str) -> str:
    """For somebody who lost them: delete the factors, and end the sessions, of the account with this address; return
    its id. Its API keys lend no role any more that asks for factors.

    Who that somebody is has been checked by who calls. Raises NotFound.
    """
    user = db.session.scalar(select(User).where(User.email_key == users.email_key(email)).with_for_update())
    if user is None:
        raise NotFound("There is no account with this address.")
    forget(user.id)
    api_keys.distrust(user.id)
    sessions.end_all(user.id)
    one_time.end(user.id, one_time.RESET, one_time.EMAIL)
    trail.record("factors.reset", user.public_id, owner=user.public_id)
    notices.way_in(user.id, WayIn.FACTORS_RESET)
    return user.public_id


def _new_codes(principal: SignedIn) -> list[str]:
    codes = recovery_codes.make(principal.user_id)
    trail.record("recovery_codes.made", principal.user, owner=principal.user)
    return codes
