"""What stands in the `Location` of a redirect, and the response that sends it unchanged."""

from urllib.parse import quote_from_bytes
from wsgiref.types import WSGIEnvironment

from flask import Response
from werkzeug.datastructures import Headers

# Bytes. Nginx reads an upstream's whole header into one buffer of 4 KiB by default and answers 502 when it
# does not fit; this leaves 1 KiB for the other headers, and a target of 2,048 bytes still takes a query.
MAX_LOCATION = 3_072

# Printable ASCII that the WHATWG special-query percent-encode set leaves alone. `%` is among it, so what the
# visitor has already encoded stays as it is; `#` is not, or a query could start a fragment.
_QUERY_SAFE = "".join(chr(byte) for byte in range(0x21, 0x7F) if chr(byte) not in "\"#'<>")


class Redirect(Response):
    """A 30x that sends the `Location` it was given.

    Werkzeug rewrites that header once more with `urllib.parse`'s idea of a URL: `|` in a signed query becomes
    `%7C`, an empty `?` is dropped. The visitor shall get the very bytes that were checked and stored, from
    this entrance as from those that do not run Werkzeug.
    """

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        headers = super().get_wsgi_headers(environ)
        if "Location" in self.headers:
            headers["Location"] = self.headers["Location"]
        return headers


def redirect_to(location: str, status: int) -> Redirect:
    """Return an empty response with this `Location`; raises ValueError when that cannot be a header."""
    return Redirect(status=status, headers={"Location": location})


def is_sendable(location: str) -> bool:
    """Tell whether a redirect to `location` can be built and is pure ASCII, which every server sends alike.

    A response that raises while it starts is a 500 on every click, outside Flask's error handlers.
    """
    try:
        redirect_to(location, 302).get_wsgi_headers({})
    except ValueError:  # UnicodeError is one
        return False
    return location.isascii()


def with_query(href: str, visitor_query: bytes) -> str:
    """Return the canonical `href` with the visitor's raw query string behind its own query.

    The target's own parameters come first and stay whole; scheme, host and path are out of reach because the
    addition starts behind a `?` and ends before the fragment. A result of more than MAX_LOCATION bytes
    leaves the visitor's query out: the redirect must work, and half a query is a different one.
    """
    if not visitor_query:
        return href
    base, hash_sign, fragment = href.partition("#")
    added = quote_from_bytes(visitor_query, safe=_QUERY_SAFE)
    location = f"{base}{_joint(base)}{added}{hash_sign}{fragment}"
    return location if len(location) <= MAX_LOCATION else href


def _joint(base: str) -> str:
    if "?" not in base:
        return "?"
    return "" if base.endswith(("?", "&")) else "&"
