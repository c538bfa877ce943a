"""The line that a click is in the spool: one compact JSON array and a newline.

JSON escapes line breaks, so whatever a visitor sends, one click is one line. Nothing here raises on hostile
text: lone surrogates become "?", NUL is dropped (PostgreSQL cannot hold it), the rest is cut.
"""

import re
from typing import Any, Literal, NamedTuple

import orjson

Kind = Literal["click", "prefetch"]
Fields = tuple[int, int, Kind, str, str, str, str, str]
"""Those of ClickLine, in its order."""

VERSION = 1
MAX_USER_AGENT = 512
MAX_REFERRER = 1024
MAX_QUERY = 512

_KINDS: dict[str, Kind] = {"click": "click", "prefetch": "prefetch"}
_LENGTH = 9
_is_visitor = re.compile("(?:[0-9a-f]{16})?").fullmatch
_MAX_ADDRESS = 43  # the longest IPv6 text, "/" and a length
_MAX_LINK_ID = 2**63 - 1
_MAX_TIME = 253_402_300_799_999  # the last millisecond that a datetime holds, in year 9999


class BadLine(ValueError):
    """A spool line that is not a click; the message says what is wrong, without quoting the line."""


class ClickLine(NamedTuple):
    """One answered redirect, as the web process saw it: texts in characters, `time` in ms since the epoch."""

    time: int
    link_id: int
    kind: Kind
    visitor: str
    """The daily hash, 16 hex digits; "" for who asked not to be tracked: then all but `user_agent` is "", too."""
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
    return ClickLine._make(fields_of(raw))


def fields_of(raw: bytes) -> Fields:
    """The same as a plain tuple, which the worker takes apart at once: it saves 0.3 us a line."""
    try:
        fields = orjson.loads(raw)
    except orjson.JSONDecodeError:
        fields = _repaired(raw)
    if type(fields) is not list or len(fields) != _LENGTH:
        raise BadLine("not an array of nine")
    version, time, link_id, kind, visitor, address, user_agent, referrer, query = fields
    # `isinstance` would let true pass for 1.
    if type(version) is not int or version != VERSION:
        raise BadLine("another version")
    if type(time) is not int or not 0 <= time <= _MAX_TIME:
        raise BadLine("time out of range")
    if type(link_id) is not int or not 0 <= link_id <= _MAX_LINK_ID:
        raise BadLine("link id out of range")
    if type(kind) is not str or kind not in _KINDS:
        raise BadLine("unknown kind")
    if type(visitor) is not str or not _is_visitor(visitor):
        raise BadLine("visitor is not 16 hex digits, nor empty")
    if not (type(address) is type(user_agent) is type(referrer) is type(query) is str):
        raise BadLine("a text is not a string")
    if "\0" in address or "\0" in user_agent or "\0" in referrer or "\0" in query:
        address, user_agent, referrer, query = (
            text.replace("\0", "") for text in (address, user_agent, referrer, query)
        )
    return (
        time,
        link_id,
        _KINDS[kind],
        visitor,
        address[:_MAX_ADDRESS],
        user_agent[:MAX_USER_AGENT],
        referrer[:MAX_REFERRER],
        query[:MAX_QUERY],
    )


def _encodable(field: int | str) -> int | str:
    return field.encode("utf-8", "replace").decode() if isinstance(field, str) else field


def _repaired(raw: bytes) -> Any:
    """The value of a line that may be JSON but for bytes that are no UTF-8."""
    try:
        return orjson.loads(raw.decode("utf-8", "replace"))
    except orjson.JSONDecodeError as error:
        raise BadLine("not JSON") from error
