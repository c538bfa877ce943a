"""`Accept` (RFC 9110 §12.5.1): which media types a client takes, and which of several it likes best.

Of the ranges that match a type the most specific one speaks for it; `q=0` refuses. A range that cannot be read is
left out, and a header of which nothing is left says nothing. What names `application/problem+json` says how errors
are to come (RFC 9457), and nothing of other answers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from werkzeug.http import parse_list_header, parse_options_header

JSON = "application/json"
PROBLEM = "application/problem+json"
PAGE = "text/html"

_LONGEST = 1024  # characters; browsers send some 150
_QUALITY = re.compile(r"[01]|[01]?\.[0-9]+|[01]\.")
_RANGE = re.compile(r"\*/\*|[!#$%&'+.^_`|~0-9a-z-]+/(?:\*|[!#$%&'+.^_`|~0-9a-z-]+)")
# Parameters that say of a type of ours what it is anyhow; with any other a range means another representation.
_GRANTED = {("charset", "utf-8"), ("profile", "http://www.w3.org/ns/json-ld#compacted")}


@dataclass(frozen=True, slots=True)
class Range:
    """One member of the header; `name` in lower case, such as `text/csv`, `text/*`, `*/*`."""

    name: str
    quality: float

    @property
    def specificity(self) -> int:
        """0 for everything, 1 for all of a type, 2 for one subtype."""
        return 2 - self.name.count("*")

    def takes(self, media_type: str) -> bool:
        return self.name in ("*/*", f"{media_type.partition('/')[0]}/*", media_type)


def ranges(header: str) -> tuple[Range, ...]:
    """What an Accept header says, in its order; of a very long one its beginning."""
    return _ranges(header[:_LONGEST])


@lru_cache(maxsize=256)
def _ranges(header: str) -> tuple[Range, ...]:
    found = (_range(item) for item in parse_list_header(header))
    return tuple(member for member in found if member)


def best(header: str, offers: Sequence[str]) -> str | None:
    """The offered type that the client likes best, None where it takes none of them.

    Of equals the one that it named more precisely, then the one that is offered first.
    """
    said = [member for member in ranges(header) if member.name != PROBLEM]
    if not said:
        return offers[0]
    quality, _, place = max((*_rank(said, offer), -place) for place, offer in enumerate(offers))
    return offers[-place] if quality else None


def prefers_problem(header: str) -> bool:
    """Whether errors shall come as RFC 9457: it is named, and liked no less than plain JSON."""
    said = ranges(header)
    quality, specificity = _rank(said, PROBLEM)
    return specificity == 2 and quality > 0 and quality >= _rank(said, JSON)[0]


def _rank(said: Sequence[Range], media_type: str) -> tuple[float, int]:
    """Quality and specificity of the range that speaks for a type; (0, -1) where none does."""
    fitting = [(member.specificity, member.quality) for member in said if member.takes(media_type)]
    specificity, quality = max(fitting, default=(-1, 0.0))
    return quality, specificity


def _range(item: str) -> Range | None:
    name, parameters = parse_options_header(item)
    quality = parameters.pop("q", "1")
    name = "*/*" if name == "*" else name.lower()  # `*` alone is old Java's
    readable = _RANGE.fullmatch(name) and _QUALITY.fullmatch(quality) and float(quality) <= 1
    if not readable:
        return None
    granted = all((key, value.lower()) in _GRANTED for key, value in parameters.items())
    return Range(name if granted else f"{name};", float(quality))
