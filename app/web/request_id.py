"""Each request has an id: the client's own when it is sane, else a new one. It is in logs and in errors."""

import re

import structlog
from flask import Flask, Response, g, has_request_context, request

from app.ids import opaque_id

HEADER = "X-Request-ID"
_SANE = re.compile(r"[A-Za-z0-9._-]{8,128}")


def init_app(app: Flask) -> None:
    app.before_request(_assign)
    app.after_request(_send)


def current() -> str:
    """This request's id; a new one where a request failed before it got one."""
    if not has_request_context():
        return opaque_id("req")
    if "request_id" not in g:
        _assign()
    return str(g.request_id)


def _assign() -> None:
    sent = request.headers.get(HEADER, "")
    g.request_id = sent if _SANE.fullmatch(sent) else opaque_id("req")
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _send(response: Response) -> Response:
    response.headers.setdefault(HEADER, current())
    return response
