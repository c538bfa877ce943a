"""Password rules and hashing: PBKDF2-SHA256 with a salt for each, NFKC first (ASVS 5.0 6.2, NIST SP 800-63B)."""

import unicodedata
from functools import lru_cache

from flask import current_app
from werkzeug.security import check_password_hash, generate_password_hash

from app.errors import FieldError, ValidationFailed

SHORTEST, LONGEST = 12, 256  # characters, after NFKC


def accepted(password: str, field: str = "password") -> str:
    """Return the password as it is hashed. Raises ValidationFailed where it is too short or too long."""
    normal = unicodedata.normalize("NFKC", password)
    if not SHORTEST <= len(normal) <= LONGEST:
        message = f"A password has {SHORTEST} to {LONGEST} characters."
        raise ValidationFailed.of([FieldError(field, message)])
    return normal


def hashed(password: str) -> str:
    """Hash a password; about 130 ms of CPU at full strength, so never inside an open write transaction."""
    return generate_password_hash(unicodedata.normalize("NFKC", password), _method())


def matches(password: str, password_hash: str | None) -> bool:
    """Compare a guess. Where there is no hash (an unknown user) one is burnt, so that the time tells nothing."""
    guess = unicodedata.normalize("NFKC", password)
    if password_hash is None:
        check_password_hash(_dummy(_method()), guess)
        return False
    return check_password_hash(password_hash, guess)


def _method() -> str:
    return f"pbkdf2:sha256:{current_app.config['PASSWORD_ROUNDS']}"


@lru_cache(maxsize=1)
def _dummy(method: str) -> str:
    return generate_password_hash("nobody's password", method)
