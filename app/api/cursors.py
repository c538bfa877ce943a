"""Cursors: where a page begins, sealed.

A cursor holds what the keys of a list's order hold in one row, internal ids among them. It is encrypted and
authenticated by AES-SIV (RFC 5297), bound to the list it was made for: it shows nothing but its length, and none of
another list, and none that was written by hand, gets to the database. AES-SIV needs no nonce, so that a page has the
same cursors whenever it is read.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from app import sealing
from app.keyset import Edge

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BLOCK = 16  # bytes that the length of a cursor is rounded to: digits of an id would tell of its size


class BadCursor(ValueError):
    """A cursor that was not made here, or for another list."""


def seal(edge: Edge, of: Sequence[Any], secret: str) -> str:
    """Return the cursor for an edge of the list that `of` tells from all others, in characters that a URL needs no
    escapes for."""
    values = [
        [(value - _EPOCH) // _MICROSECOND] if isinstance(value, datetime) else value
        for value in edge.position
    ]
    text = json.dumps(
        [int(edge.backward) + 2 * int(edge.inclusive), *values], ensure_ascii=False, separators=(",", ":")
    ).encode()
    padded = text.ljust(-(-len(text) // _BLOCK) * _BLOCK)
    return urlsafe_b64encode(_cipher(secret).encrypt(padded, [_bytes(of)])).decode().rstrip("=")


def unseal(cursor: str, of: Sequence[Any], secret: str) -> Edge:
    """The edge that `seal` was given. Raises BadCursor."""
    try:
        sealed = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        flags, *values = json.loads(_cipher(secret).decrypt(sealed, [_bytes(of)]))
    except (ValueError, InvalidTag):  # ValueError: no ASCII, no base64, too short to hold anything
        raise BadCursor() from None
    position = (_EPOCH + value[0] * _MICROSECOND if isinstance(value, list) else value for value in values)
    return Edge(tuple(position), backward=bool(flags & 1), inclusive=bool(flags & 2))


def _cipher(secret: str) -> AESSIV:
    return sealing.cipher(secret, "cursors")


def _bytes(of: Sequence[Any]) -> bytes:
    return json.dumps(of).encode()
