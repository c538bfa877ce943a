"""JSON as strict on the way in as RFC 8259 and I-JSON (RFC 7493) let it be, and fast on the way out."""

import json
import re
from itertools import accumulate
from typing import Any

import orjson
from flask import Flask
from flask.json.provider import JSONProvider

from app.errors import MalformedJSON

DEEPEST = 64
# A text, closed or not: possessive, and never without a match at a quote, so that no body takes long.
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(set(range(256)) - _STEPS.keys())


class StrictJSON(JSONProvider):
    """orjson out; the standard parser in, with hooks that refuse what others silently mend."""

    def dumps(self, obj: Any, **_options: Any) -> str:
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **_options: Any) -> Any:
        return parse(s if isinstance(s, bytes) else s.encode())


def init_app(app: Flask) -> None:
    app.json = StrictJSON(app)


def parse(body: bytes) -> Any:
    """Parse a JSON text.

    Raises MalformedJSON for anything that is not UTF-8 JSON, and for duplicate keys, NaN and infinities,
    keys that are no Unicode text, and nesting of more than `DEEPEST` levels.
    """
    if _depth(body) > DEEPEST:
        raise MalformedJSON(f"The body is nested more than {DEEPEST} levels deep.")
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_Refused,
            parse_float=_finite,
        )
    except ValueError:  # JSONDecodeError, UnicodeDecodeError, and integers of thousands of digits
        raise MalformedJSON() from None
    _refuse_numbers(None, value)
    return value


def _depth(body: bytes) -> int:
    """How many levels of lists and objects stand within each other, as far as the parser will come.

    Asked before the parser, whose own bound is the stack that is left. A few brackets need no look.
    """
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return 0
    brackets = _TEXT.sub(b"", body).translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


class _Refused(str):
    """A number that JSON has no word for, kept until the key it stands under is known."""


def _finite(text: str) -> float | _Refused:
    number = float(text)
    return number if abs(number) != float("inf") else _Refused(text[:20])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if not key.isprintable() and not _is_text(key):
            raise MalformedJSON("A key in the body is not Unicode text.")
        if key in result:
            raise MalformedJSON(f"The key {key[:100]} stands twice.", field=key[:100])
        _refuse_numbers(key, value)
        result[key] = value
    return result


def _is_text(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_numbers(key: str | None, value: Any) -> None:
    """Raise MalformedJSON naming `key` for a refused number that is `value` or stands in its lists."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, _Refused):
            raise MalformedJSON(f"{found} is not a JSON number.", field=key and key[:100])
        if isinstance(found, list):
            waiting.extend(found)
