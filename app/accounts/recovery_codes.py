"""Recovery codes: ten for each user with one-time codes, each of which stands in for such a code once.

140 random bits each (ASVS 5.0 11.5.1 asks for 128), so that a plain SHA-256 of one tells nothing of it and a slow
hash would guard nothing (from 112 bits on, 6.5.2). Using a code deletes its row: one statement, and of several uses
at once one is good.
"""

import hashlib
import secrets

from sqlalchemy import delete, func, insert, select

from app.accounts.models import RecoveryCode
from app.extensions import db

COUNT = 10
_ALPHABET = (
    "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: five bits each, none that looks like another
)
_LENGTH = 28
_GROUP = 4
_READ_AS = str.maketrans({"o": "0", "i": "1", "l": "1", "-": None, " ": None})


def make(user_id: int) -> list[str]:
    """Replace the user's codes; return the new ones, which nobody can read again."""
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH)) for _ in range(COUNT)]
    remove(user_id)
    db.session.execute(
        insert(RecoveryCode), [{"user_id": user_id, "code_hash": _hashed(code)} for code in codes]
    )
    return ["-".join(code[at : at + _GROUP] for at in range(0, _LENGTH, _GROUP)) for code in codes]


def spend(user_id: int, code: str) -> bool:
    """Use a code up; return whether it was good. Case, hyphens, spaces and look-alikes do not matter."""
    own = (RecoveryCode.user_id == user_id, RecoveryCode.code_hash == _hashed(code))
    return (
        db.session.execute(delete(RecoveryCode).where(*own).returning(RecoveryCode.user_id)).first()
        is not None
    )


def left(user_id: int) -> int:
    """How many were not used yet."""
    query = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.user_id == user_id)
    return db.session.scalar(query) or 0


def remove(user_id: int) -> None:
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))


def _hashed(code: str) -> str:
    return hashlib.sha256(code.lower().translate(_READ_AS).encode()).hexdigest()
