"""Opaque public ids: a prefix that names the resource, and at least 128 random bits."""

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 22  # log2(62 ** 22) = 131 bits


def opaque_id(prefix: str) -> str:
    """Return a new id such as ``usr_4kTb…``: unguessable, so it tells neither order nor number."""
    number, digits = secrets.randbelow(len(_ALPHABET) ** _LENGTH), ""
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits += _ALPHABET[digit]
    return f"{prefix}_{digits}"
