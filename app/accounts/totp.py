"""One-time codes by time (TOTP, RFC 6238): six digits of SHA-1, a new code every 30 seconds, each good once.

A clock may be a step off (RFC 6238 §5.2). A code that was used, and every one before it, is refused: the last step
moves up in one conditional statement (ASVS 5.0 6.5.1). The secret lies encrypted, bound to its user.
"""

import hmac
from urllib.parse import urlsplit

import pyotp
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from flask import current_app
from sqlalchemy import delete, exists, select, update

from app import clock, database, sealing
from app.accounts.models import Totp, User
from app.extensions import db

DIGITS = 6
_SECONDS = 30
_STEPS_OFF = 1


def start(user: User) -> tuple[str, str] | None:
    """Give the user a new secret, which is of no use until it is confirmed; return it (base 32) and its URI
    (`otpauth:`), or None where codes are on already."""
    secret = pyotp.random_base32()
    values = {"secret": _cipher().encrypt(secret.encode(), [user.public_id.encode()]), "last_step": 0}
    statement = (
        database.insert_into(Totp, db.session.connection())
        .values(user_id=user.id, **values)
        .on_conflict_do_update(index_elements=[Totp.user_id], set_=values, where=Totp.confirmed_at.is_(None))
        .returning(Totp.user_id)
    )
    if db.session.execute(statement).first() is None:
        return None
    issuer = urlsplit(current_app.config["PUBLIC_URL"]).hostname
    return secret, pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=issuer)


def confirm(user: User, code: str) -> bool:
    """Switch codes on by the first one; of several at once one does. Return whether it is right."""
    return _use(user, code, is_on=False)


def spend(user: User, code: str) -> bool:
    """Use a code up; return whether it was good. Of several uses at once one is."""
    return _use(user, code, is_on=True)


def is_on(user_id: int) -> bool:
    """Whether signing in by password takes a code."""
    return bool(db.session.scalar(select(exists().where(Totp.user_id == user_id, _ON))))


def remove(user_id: int) -> bool:
    """Delete the secret, confirmed or not; return whether codes were on."""
    removal = delete(Totp).where(Totp.user_id == user_id).returning(Totp.confirmed_at)
    row = db.session.execute(removal).first()
    return row is not None and row.confirmed_at is not None


_ON = Totp.confirmed_at.is_not(None)


def _use(user: User, code: str, *, is_on: bool) -> bool:
    state = _ON if is_on else Totp.confirmed_at.is_(None)
    sealed = db.session.scalar(select(Totp.secret).where(Totp.user_id == user.id, state))
    step = _step_of(code, sealed, user) if sealed else None
    if step is None:
        return False
    # The same secret still: it may have been replaced since it was read.
    own = (Totp.user_id == user.id, Totp.secret == sealed, state, Totp.last_step < step)
    values = {"last_step": step} if is_on else {"last_step": step, "confirmed_at": clock.now()}
    used = update(Totp).where(*own).values(values).returning(Totp.user_id)
    return db.session.execute(used).first() is not None


def _step_of(code: str, sealed: bytes, user: User) -> int | None:
    """The latest step near the present that this is the code of."""
    try:
        secret = _cipher().decrypt(sealed, [user.public_id.encode()]).decode()
    except InvalidTag:  # SECRET_KEY is another one than it was sealed with
        return None
    now = int(clock.now().timestamp()) // _SECONDS
    codes = pyotp.TOTP(secret, digits=DIGITS)
    steps = range(now - _STEPS_OFF, now + _STEPS_OFF + 1)
    good = [step for step in steps if hmac.compare_digest(codes.generate_otp(step).encode(), code.encode())]
    return max(good, default=None)


def _cipher() -> AESSIV:
    return sealing.cipher(current_app.config["SECRET_KEY"], "totp")
