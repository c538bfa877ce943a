"""The line that a click is in the spool: one compact JSON array and a newline.

JSON escapes line breaks, so whatever a visitor sends, one click is one line. Nothing here raises on hostile
text: lone surrogates become "?", NUL is dropped (PostgreSQL cannot hold it), the rest is cut.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

import orjson

Kind = Literal["click", "prefetch"]

VERSION = 1
MAX_USER_AGENT = 512
MAX_REFERRER = 1024
MAX_QUERY = 512

_KINDS: dict[str, Kind] = {"click": "click", "prefetch": "prefetch"}
_MAX_ADDRESS = 43  # the longest IPv6 text, "/" and a length
_MAX_LINK_ID = 2**63 - 1
_MAX_TIME = 253_402_300_799_999  # the last millisecond that a datetime holds, in year 9999


class BadLine(ValueError):
    """A spool line that is not a click; the message says what is wrong, without quoting the line."""


@dataclass(frozen=True, slots=True)
class ClickLine:
    """One answered redirect, as the web process saw it: texts in characters, `time` in ms since the epoch."""

    time: int
    link_id: int
    kind: Kind
    visitor: str
    """The daily hash, 16 hex digits."""
    address: str
    """The client's network such as 203.0.113.0/24, never its address; "" when unknown."""
    user_agent: str
    referrer: str
    query: str


def encode(line: ClickLine) -> bytes:
    """Return the spool line, at most some 12 kB, ending in the only newline in it."""
    fields: list[int | str] = [
        VERSION,
        line.time,
        line.link_id,
        line.kind,
        line.visitor,
        line.address,
        line.user_agent[:MAX_USER_AGENT],
        line.referrer[:MAX_REFERRER],
        line.query[:MAX_QUERY],
    ]
    try:
        return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:  # a lone surrogate; too rare to look for it in each click
        return orjson.dumps([_encodable(field) for field in fields], option=orjson.OPT_APPEND_NEWLINE)


def decode(raw: bytes) -> ClickLine:
    """Read one line, with or without its newline. Raises BadLine on whatever `encode` would not write."""
    try:
        fields = orjson.loads(raw.decode("utf-8", "replace"))
    except orjson.JSONDecodeError as error:
        raise BadLine("not JSON") from error
    if not isinstance(fields, list) or len(fields) != 9:
        raise BadLine("not an array of nine")
    version, time, link_id, kind, visitor, *texts = fields
    if not _is_whole(version, VERSION) or version != VERSION:
        raise BadLine("another version")
    if not _is_whole(time, _MAX_TIME):
        raise BadLine("time out of range")
    if not _is_whole(link_id, _MAX_LINK_ID):
        raise BadLine("link id out of range")
    address, user_agent, referrer, query = _texts(texts)
    return ClickLine(time, link_id, _kind(kind), _visitor(visitor), address, user_agent, referrer, query)


def _encodable(field: int | str) -> int | str:
    return field.encode("utf-8", "replace").decode() if isinstance(field, str) else field


def _is_whole(value: Any, most: int) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= most  # `isinstance` would let true pass for 1


def _kind(value: Any) -> Kind:
    if not isinstance(value, str) or value not in _KINDS:
        raise BadLine("unknown kind")
    return _KINDS[value]


def _visitor(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 16 or not set(value) <= set("0123456789abcdef"):
        raise BadLine("visitor is not 16 hex digits")
    return value


def _texts(values: list[Any]) -> list[str]:
    if not all(isinstance(value, str) for value in values):
        raise BadLine("a text is not a string")
    limits = (_MAX_ADDRESS, MAX_USER_AGENT, MAX_REFERRER, MAX_QUERY)
    return [value.replace("\0", "")[:limit] for value, limit in zip(values, limits, strict=True)]
