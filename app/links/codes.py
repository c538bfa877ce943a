"""The codes of links: made at random, or chosen and checked; compared by case."""

import re
import secrets
from collections.abc import Iterator

from werkzeug.routing import Map

from app.errors import AppError, FieldError, ValidationFailed

# 41 characters. Left out: what is misread for another (0 O o Q, 1 I l i, 2 Z, 5 S s, 8, u v), and vowels, so
# that no word appears by chance. 41 ** 7 = 194,754,273,881: with ten million links a new code meets a
# taken one 5 times in 100,000, which the unique index tells and a second try mends.
ALPHABET = "34679BCDFGHJKLMNPRTVWXYbcdfghjkmnpqrtwxyz"
LENGTH = 7

_CODE = re.compile(r"[A-Za-z0-9_-]{1,64}")  # only ever with fullmatch: `$` would let "abc\n" pass


class InvalidCode(ValidationFailed):
    """400: the chosen code cannot be one. `field` is `code` unless the caller's input has another name."""

    def __init__(self, message: str, *, field: str = "code") -> None:
        super().__init__(message, field=field, details=[FieldError(field, message)])


class CodeTaken(AppError):
    """409: the domain has a link with this code, perhaps somebody else's or a deleted one."""

    status, code, message = 409, "CODE_TAKEN", "This code is already taken; choose another."

    def __init__(self, *, field: str = "code") -> None:
        super().__init__(field=field)


def generate(reserved: frozenset[str] = frozenset(), length: int = LENGTH) -> str:
    """Return a random code of `length` characters of ALPHABET that is not in `reserved` (lower case)."""
    while True:
        number = secrets.randbelow(len(ALPHABET) ** length)  # asked once: the system's chance is not cheap
        code = "".join(ALPHABET[number // len(ALPHABET) ** digit % len(ALPHABET)] for digit in range(length))
        if code.lower() not in reserved:
            return code


def checked(code: str, reserved: frozenset[str], *, field: str = "code") -> str:
    """Return `code` if a link may have it; raises InvalidCode. `reserved` is in lower case."""
    if not _CODE.fullmatch(code):
        raise InvalidCode("A code is 1 to 64 letters, digits, hyphens or underscores.", field=field)
    if code.lower() in reserved:
        raise InvalidCode("This code is reserved; choose another.", field=field)
    return code


def reserved_codes(url_map: Map, short_prefix: str) -> frozenset[str]:
    """Return, in lower case, the codes that a route of ours shadows or might come to shadow.

    A rule below the prefix gives its next segment, as `/s/help` would; any other rule its first, as
    `/docs` does. The latter shadow a link only when the prefix is empty, but the prefix is a setting:
    whoever empties it later must not lose links.
    """
    prefix = _segments(short_prefix)
    return frozenset(_heads(url_map, prefix))


def _heads(url_map: Map, prefix: list[str]) -> Iterator[str]:
    for rule in url_map.iter_rules():
        segments = _segments(rule.rule)
        if segments[: len(prefix)] == prefix:
            segments = segments[len(prefix) :]
        if segments and "<" not in segments[0]:
            yield segments[0].lower()


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]
