"""Which URLs a link may lead to, and the one spelling of each that is stored and sent.

The text is parsed once, by a WHATWG parser, as browsers do; its `href` is what we keep, and every check about
the target runs on that. Only what the parser would silently repair is looked for in the text itself.
"""

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from ada_url import URL

from app.errors import FieldError, ValidationFailed
from app.links import hosts
from app.links.location import is_sendable

MAX_TARGET = 2_048  # bytes, of the text and of the href

# What a paste brings along. Other control characters stay and are refused.
_STRIPPED = " \t\r\n\N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}"
# Scheme and authority. The first character matters: ada reads http:///evil.com and http:\\evil as
# http://evil.com/. ASCII matters: with IGNORECASE alone U+017F matches `s`.
_START = re.compile(r"https?://([^/\\][^/\\?#]*)", re.ASCII | re.IGNORECASE)
# C0, DEL and C1; U+2028 and U+2029 break lines as well.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # UAX #9, explicit formatting and marks
_DEFAULT_PORTS = {"http:": 80, "https:": 443}


class InvalidTarget(ValidationFailed):
    """400: a link cannot lead there. `field` is `url` unless the caller's input has another name."""

    def __init__(self, message: str, *, field: str = "url") -> None:
        super().__init__(message, field=field, details=[FieldError(field, message)])


class _Refused(Exception):
    """The reason, on its way to the one place that knows the field."""


@dataclass(frozen=True)
class TargetRules:
    """What this installation refuses beyond what is wrong everywhere; plain values, made by `of`.

    `own_hosts` are spelled by `hosts.machine`; `own_ports` are where our door is reached on any of them;
    `short_prefix` may be empty; slashes at its ends say nothing.
    """

    own_hosts: frozenset[str]
    own_ports: frozenset[int]
    short_prefix: str
    allow_private: bool

    @classmethod
    def of(cls, own_urls: Iterable[str], *, short_prefix: str, allow_private: bool) -> "TargetRules":
        """Read hosts and ports from base URLs (`https://sho.rt`) or bare hosts (`localhost:8000`).

        80 and 443 are always among the ports: a proxy in front answers on both. Raises ValueError for text
        that is no URL; these come from settings and domain rows, checked before, never from a request.
        """
        urls = [URL(text if "://" in text else f"http://{text}") for text in own_urls]
        return cls(
            own_hosts=frozenset(hosts.machine(url.hostname) for url in urls),
            own_ports=frozenset(_DEFAULT_PORTS.values()) | {_port(url) for url in urls},
            short_prefix=short_prefix,
            allow_private=allow_private,
        )


def canonical_target(raw: str, rules: TargetRules, *, field: str = "url") -> str:
    """Return the href to store for `raw`: pure ASCII, at most 2,048 bytes, sendable as `Location`.

    Query and fragment are kept. Percent-encoded bytes in path, query and fragment are kept too, whatever
    they decode to: they are the target's data (`text=a%0Ab`, Arabic with marks), and every page of ours
    shows the ASCII href. Raises InvalidTarget with a sentence that says which rule was broken.
    """
    text = raw.strip(_STRIPPED)
    try:
        _check_text(text)
        url = _parse(text)
        _check_target(url, rules)
    except _Refused as refused:
        raise InvalidTarget(str(refused), field=field) from None
    return url.href


def _check_text(text: str) -> None:
    """Refuse what would be gone or changed after parsing."""
    _check_characters(text)
    if len(text.encode()) > MAX_TARGET:
        raise _Refused("The URL is longer than 2,048 bytes.")
    start = _START.match(text)
    if start is None:
        raise _Refused("The URL must start with http:// or https:// and a host.")
    authority = start[1]
    if "@" in authority:  # the parser drops an empty one, as in http://@host/
        raise _Refused("The URL must not contain a user name or password.")
    _check_characters(unquote(authority))


def _check_characters(text: str) -> None:
    if _SURROGATE.search(text):
        raise _Refused("The URL is not valid Unicode text.")
    if _CONTROL.search(text):
        raise _Refused("The URL must not contain control characters.")
    if _BIDI.search(text):
        raise _Refused("The URL must not contain characters that change the direction of text.")


def _parse(text: str) -> URL:
    try:
        return URL(text)
    except ValueError:
        raise _Refused("The URL is not valid: its host or port cannot be read.") from None


def _check_target(url: URL, rules: TargetRules) -> None:
    if len(url.href) > MAX_TARGET:
        raise _Refused("The URL is longer than 2,048 bytes once it is percent-encoded.")
    # All that Werkzeug was seen to raise for is the host; building the redirect catches what was not seen.
    if not hosts.is_well_formed(url.hostname) or not is_sendable(url.href):
        raise _Refused("The host of the URL is not a valid name.")
    if _is_own_door(url, rules):
        raise _Refused("The URL is a short link of this service; use the URL it leads to.")
    if not rules.allow_private and hosts.is_private(url.hostname):
        raise _Refused("The URL leads to a private or local address, which is not allowed here.")


def _is_own_door(url: URL, rules: TargetRules) -> bool:
    """Tell whether our own redirect door would answer `url`: a loop, or a chain that hides the target."""
    if hosts.machine(url.hostname) not in rules.own_hosts or _port(url) not in rules.own_ports:
        return False
    segments = _segments(url.pathname)
    prefix = _segments(rules.short_prefix)
    if not prefix:
        return len(segments) == 1
    return segments[: len(prefix)] == prefix and len(segments) > len(prefix)


def _segments(path: str) -> list[str]:
    """Split `path` as servers do: WSGI decodes it once, Werkzeug merges slashes, proxies resolve dots."""
    return [segment for segment in posixpath.normpath("/" + unquote(path)).split("/") if segment]


def _port(url: URL) -> int:
    return int(url.port) if url.port else _DEFAULT_PORTS[url.protocol]
