"""Password rules and hashing: PBKDF2-SHA256 with a salt for each, NFKC first (ASVS 5.0 6.2, NIST SP 800-63B)."""

import hmac
import re
import secrets
import unicodedata
from contextlib import suppress
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from flask import current_app

from app.accounts import strength, turns
from app.accounts.turns import TooManyHashes
from app.errors import FieldError, ValidationFailed
from app.turns import Turns

SHORTEST, LONGEST = 12, 256  # characters, after NFKC
SHORTEST_COMPOSED = 8  # where PASSWORD_RULES asks for kinds of characters instead (ADR 15)

_SALT_BYTES = 16  # NIST SP 800-132 asks for 128 bits
_SHORTEST_WORD = 3  # characters of a part of the context
_PRODUCT = "slugline"
_METHOD = "pbkdf2:sha256:"
_MESSAGES = {
    "composition": "A password has an upper-case and a lower-case letter, a digit and a special character.",
    "common": "This password is too easily guessed: add words, or take one that is less like those of others.",
    "context": "This password is made of your e-mail address or of the name of this service.",
}


def accepted(password: str, *, email: str, field: str = "password") -> str:
    """Return a new password of the account with this address, as it is hashed.

    Raises ValidationFailed, whose `reason` is "length", "composition", "common" (leaked, or soon guessed) or
    "context" (made of the address, the product's name or the host's).
    """
    normal = unicodedata.normalize("NFKC", password)
    if not shortest() <= len(normal) <= LONGEST:
        raise _refused(field, "length", f"A password has {shortest()} to {LONGEST} characters.")
    if _asks_composition() and not _is_composed(normal):
        raise _refused(field, "composition")
    if reason := strength.weakness(_folded(normal), _context(email)):
        raise _refused(field, reason)
    return normal


def shortest() -> int:
    """The fewest characters of a new password here."""
    return SHORTEST_COMPOSED if _asks_composition() else SHORTEST


def hashed(password: str) -> str:
    """Hash a password; some 70 ms of CPU at full strength, so never inside an open write transaction.

    In the form that Werkzeug writes: ``pbkdf2:sha256:<rounds>$<salt>$<hex>``. Raises TooManyHashes.
    """
    rounds, salt = current_app.config["PASSWORD_ROUNDS"], secrets.token_urlsafe(_SALT_BYTES)
    with _turns().take():
        return f"{_METHOD}{rounds}${salt}${_derived(password, salt, rounds).hex()}"


def matches(password: str, password_hash: str | None) -> bool:
    """Compare a guess. Where there is no hash (an unknown user) one is burnt, so that the time tells nothing.

    Raises TooManyHashes, and then nothing was compared: all of it is done in one turn.
    """
    full = current_app.config["PASSWORD_ROUNDS"]
    with _turns().take():
        if password_hash is None:
            _derived(password, "nobody's salt", full)
            return False
        rounds, salt, expected = _parts(password_hash)
        if hmac.compare_digest(_derived(password, salt, rounds).hex(), expected):
            return True
        if rounds < full:  # one of fewer rounds is refused as slowly as nobody's
            _derived(password, salt, full - rounds)
        return False


def renewed(password: str, password_hash: str) -> str | None:
    """The hash of a password that matched, by the rounds of today; None where it has them, or nobody has the time."""
    if _parts(password_hash)[0] >= current_app.config["PASSWORD_ROUNDS"]:
        return None
    with suppress(TooManyHashes):
        return hashed(password)
    return None


def _refused(field: str, reason: str, message: str | None = None) -> ValidationFailed:
    told = message or _MESSAGES[reason]
    return ValidationFailed(told, field=field, details=[FieldError(field, told)], reason=reason)


def _asks_composition() -> bool:
    return bool(current_app.config["PASSWORD_RULES"] == "composition")


def _is_composed(password: str) -> bool:
    kinds = (str.isupper, str.islower, str.isdecimal, lambda char: not char.isalnum())
    return all(any(map(kind, password)) for kind in kinds)


def _context(email: str) -> list[str]:
    """What a guesser knows of this account: the address, the product, the host, and the parts of each."""
    local, _, domain = email.rpartition("@")
    wholes = (email, local, domain, urlsplit(current_app.config["PUBLIC_URL"]).hostname or "", _PRODUCT)
    known = [_folded(unicodedata.normalize("NFKC", whole)) for whole in wholes]
    parts = (part for whole in known for part in re.split(r"[\W_]+", whole))
    return list(dict.fromkeys(word for word in (*known, *parts) if len(word) >= _SHORTEST_WORD))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text.casefold())


def _parts(password_hash: str) -> tuple[int, str, str]:
    method, salt, expected = password_hash.split("$")
    return int(method.removeprefix(_METHOD)), salt, expected


def _derived(password: str, salt: str, rounds: int) -> bytes:
    """32 bytes by PBKDF2-SHA256, in half the time of `hashlib` and with the GIL released."""
    normal = unicodedata.normalize("NFKC", password)
    return PBKDF2HMAC(hashes.SHA256(), 32, salt.encode(), rounds).derive(normal.encode())


def _turns() -> Turns:
    """Those of this process, made at the first hash: after Gunicorn's fork."""
    config, extensions = current_app.config, current_app.extensions
    if "turns" not in extensions:
        extensions.setdefault("turns", turns.fair(config["WEB_WORKERS"], config["WEB_THREADS"]))
    found: Turns = extensions["turns"]
    return found
