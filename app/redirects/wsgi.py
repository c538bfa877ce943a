"""The entrance for every WSGI server: plain hits are answered in front of Flask, all else passes."""

import re
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app.redirects.entrance import FIELDS, Entrance
from app.redirects.metrics import FROM_WSGI
from app.redirects.plain import Plain, Way
from app.web.body import MAX_URI

UNKNOWN = "slugline.unknown_code"
"""In the environ of a request whose code is known to name no link."""

# With any of these a GET may be more than a plain hit: a body, a fetch ahead of a click.
_THOUGHTFUL = ("HTTP_TRANSFER_ENCODING", "HTTP_SEC_PURPOSE", "HTTP_PURPOSE", "HTTP_X_MOZ")
_FIELDS = {name: "HTTP_" + name.upper().replace("-", "_") for name in FIELDS}


class PlainHits:
    """WSGI middleware."""

    def __init__(self, entrance: Entrance, behind: WSGIApplication) -> None:
        self.behind = behind
        self._entrance = entrance
        self._path = re.compile(
            ("/" + entrance.prefix if entrance.prefix else "") + r"/([A-Za-z0-9_-]{1,64})"
        )

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        link = self._follow(environ)
        if isinstance(link, Plain):
            FROM_WSGI.inc()
            start_response(link.answer.status, [("Location", link.location), *link.answer.headers])
            return ()
        if link is Way.UNKNOWN:
            environ[UNKNOWN] = True
        return self.behind(environ, start_response)

    def _follow(self, environ: WSGIEnvironment) -> Plain | Way:
        path = self._path.fullmatch(environ["PATH_INFO"]) if environ["REQUEST_METHOD"] == "GET" else None
        if path is None or not _is_plain(environ):
            return Way.ORDINARY
        hit = self._entrance.hit(
            environ.get("HTTP_HOST", ""),
            path[1],
            environ.get("QUERY_STRING", ""),
            peer=environ.get("REMOTE_ADDR", ""),
            scheme=environ["wsgi.url_scheme"],
            said={name: environ[key] for name, key in _FIELDS.items() if key in environ},
        )
        return self._entrance.follow([hit], wait=True)[0] if hit else Way.ORDINARY


def _is_plain(environ: WSGIEnvironment) -> bool:
    if environ.get("CONTENT_LENGTH") not in (None, "", "0") or any(name in environ for name in _THOUGHTFUL):
        return False
    return (
        len(environ.get("RAW_URI") or environ["PATH_INFO"] + "?" + environ.get("QUERY_STRING", "")) <= MAX_URI
    )
