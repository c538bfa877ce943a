"""Password rules and hashing: PBKDF2-SHA256 with a salt for each, NFKC first (ASVS 5.0 6.2, NIST SP 800-63B)."""

import hmac
import secrets
import unicodedata

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from flask import current_app

from app.errors import FieldError, ValidationFailed

SHORTEST, LONGEST = 12, 256  # characters, after NFKC

_SALT_BYTES = 16  # NIST SP 800-132 asks for 128 bits


def accepted(password: str, field: str = "password") -> str:
    """Return the password as it is hashed. Raises ValidationFailed where it is too short or too long."""
    normal = unicodedata.normalize("NFKC", password)
    if not SHORTEST <= len(normal) <= LONGEST:
        message = f"A password has {SHORTEST} to {LONGEST} characters."
        raise ValidationFailed.of([FieldError(field, message)])
    return normal


def hashed(password: str) -> str:
    """Hash a password; some 70 ms of CPU at full strength, so never inside an open write transaction.

    In the form that Werkzeug writes: ``pbkdf2:sha256:<rounds>$<salt>$<hex>``.
    """
    rounds, salt = current_app.config["PASSWORD_ROUNDS"], secrets.token_urlsafe(_SALT_BYTES)
    return f"pbkdf2:sha256:{rounds}${salt}${_derived(password, salt, rounds).hex()}"


def matches(password: str, password_hash: str | None) -> bool:
    """Compare a guess. Where there is no hash (an unknown user) one is burnt, so that the time tells nothing."""
    if password_hash is None:
        _derived(password, "nobody's salt", current_app.config["PASSWORD_ROUNDS"])
        return False
    method, salt, expected = password_hash.split("$")
    rounds = int(method.removeprefix("pbkdf2:sha256:"))
    return hmac.compare_digest(_derived(password, salt, rounds).hex(), expected)


def _derived(password: str, salt: str, rounds: int) -> bytes:
    """32 bytes by PBKDF2-SHA256, in half the time of `hashlib` and with the GIL released."""
    normal = unicodedata.normalize("NFKC", password)
    return PBKDF2HMAC(hashes.SHA256(), 32, salt.encode(), rounds).derive(normal.encode())
