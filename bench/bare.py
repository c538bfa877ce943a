"""The least that a WSGI server can be asked for: a redirect, and nothing looked up or recorded."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment


def app(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("302 FOUND", [("Location", "https://example.org/"), ("Content-Length", "0")])
    return ()
