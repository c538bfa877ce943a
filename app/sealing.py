"""Sealing: encrypting and authenticating what leaves our hands and comes back, or has to be read again.

AES-SIV (RFC 5297) needs no nonce, and what it seals is bound to the `associated` data that it is opened with.
"""

import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from flask import current_app

_NONCE = 16  # bytes


class BadSeal(ValueError):
    """What was not sealed here, for another purpose, or under another SECRET_KEY."""


def cipher(secret: str, purpose: str) -> AESSIV:
    """A cipher keyed by `secret` (SECRET_KEY), and for each purpose apart from all else that it keys."""
    return AESSIV(hmac.digest(secret.encode(), purpose.encode(), "sha512"))


def seal(purpose: str, data: bytes) -> bytes:
    """Return `data`, readable by `unseal` with the same purpose alone; other bytes each time."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + _own(purpose).encrypt(data, [nonce])


def unseal(purpose: str, sealed: bytes) -> bytes:
    """What `seal` was given. Raises BadSeal."""
    try:
        return _own(purpose).decrypt(sealed[_NONCE:], [sealed[:_NONCE]])
    except (ValueError, InvalidTag):  # ValueError: too short to hold anything
        raise BadSeal() from None


def _own(purpose: str) -> AESSIV:
    return cipher(current_app.config["SECRET_KEY"], purpose)
