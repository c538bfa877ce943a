"""Devices that an account was signed in from: a kind of browser in a network, as an HMAC that tells neither.

A sign-in from one that is not known is worth a notice; wrong guesses from strangers do not lock out one that is
(OWASP Authentication Cheat Sheet, "Account Lockout").
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import timedelta

from flask import current_app
from sqlalchemy import Connection, bindparam, delete, func, select, update

from app import addresses, clock, database
from app.accounts.models import KnownDevice, User
from app.extensions import db

KEPT = timedelta(days=90)  # since it was last seen
MOST = 50
"""Of one user: those seen last."""
LONGEST_USER_AGENT = 255

_NEW = timedelta(days=1)  # an older account may have forgotten all its devices
_OWN = KnownDevice.user_id == bindparam("of")
_COUNT = select(func.count()).select_from(KnownDevice).where(_OWN)
_SEE_AGAIN = (
    update(KnownDevice)
    .where(
        _OWN, KnownDevice.fingerprint == bindparam("device"), KnownDevice.last_seen_at > bindparam("horizon")
    )
    .values(last_seen_at=bindparam("now"))
)


@dataclass(frozen=True)
class Device:
    """What a request tells of the device it comes from: `User-Agent`, and the client's address."""

    user_agent: str
    address: str

    @property
    def name(self) -> str:
        """The user agent as it is shown and kept."""
        printable = "".join(char if char.isprintable() else " " for char in self.user_agent)
        return printable[:LONGEST_USER_AGENT]

    @property
    def network(self) -> str:
        """The network that may be kept of the address."""
        return addresses.truncated(self.address)

    def fingerprint(self, user: str) -> str:
        """What is kept of it for the user with this public id; the same after an update of the browser."""
        kind = re.sub(r"[0-9._]+", "", self.name)
        text = "\0".join(("device", user, self.network, kind)).encode()
        return hmac.new(current_app.config["SECRET_KEY"].encode(), text, hashlib.sha256).hexdigest()


def known(user_id: int, user: str, device: Device, within: Connection) -> str | None:
    """The device's fingerprint, if the user signed in from it before."""
    query = select(KnownDevice.fingerprint).where(
        KnownDevice.user_id == user_id,
        KnownDevice.fingerprint == device.fingerprint(user),
        KnownDevice.last_seen_at > clock.now() - KEPT,
    )
    fingerprint: str | None = within.scalar(query)
    return fingerprint


def remember(user_id: int, user: str, device: Device) -> int:
    """Note that the user has signed in from it; return how many he has with it if it is new, and 0 if it is not."""
    key = {"of": user_id, "device": device.fingerprint(user)}
    now = clock.now()
    # Past the ORM, which has no such objects to keep up to date.
    connection = db.session.connection()
    if connection.execute(_SEE_AGAIN, {**key, "now": now, "horizon": now - KEPT}).rowcount:
        return 0
    connection.execute(
        database.insert_into(KnownDevice, connection).on_conflict_do_update(
            index_elements=[KnownDevice.user_id, KnownDevice.fingerprint], set_={"last_seen_at": now}
        ),
        {"user_id": user_id, "fingerprint": key["device"], "last_seen_at": now},
    )
    count = int(connection.scalar(_COUNT, key) or 0)
    if count > MOST:
        _forget_beyond_most(user_id, connection)
    return count


def _forget_beyond_most(user_id: int, connection: Connection) -> None:
    own = KnownDevice.user_id == user_id
    kept = select(KnownDevice.fingerprint).where(own).order_by(KnownDevice.last_seen_at.desc()).limit(MOST)
    connection.execute(delete(KnownDevice).where(own, KnownDevice.fingerprint.not_in(kept)))


def is_first(user: User, count: int) -> bool:
    """Whether a new device, the user's `count`-th, is that of the first sign-in to a new account."""
    return count == 1 and user.created_at >= clock.now() - _NEW


def forget(user_id: int) -> None:
    """Forget all of the user's."""
    db.session.execute(delete(KnownDevice).where(KnownDevice.user_id == user_id))


def forget_old() -> None:
    """Delete those not seen for 90 days; the worker calls it."""
    with database.writing() as connection:
        connection.execute(delete(KnownDevice).where(KnownDevice.last_seen_at <= clock.now() - KEPT))
