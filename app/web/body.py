"""Bounds on what a request may carry: path and query 4 KiB, body `MAX_CONTENT_LENGTH` unless the route says
otherwise, chunked or not.

Werkzeug cuts a chunked body at the limit and goes on as if that were all (traps.md), so a chunked body is
read here, one byte past the limit, before anything else sees it.
"""

import io
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, current_app, request
from gunicorn.http.errors import ParseException

from app.errors import MalformedJSON, NotFound, PayloadTooLarge, URITooLong

MAX_URI = 4096

View = TypeVar("View", bound=Callable[..., Any])


def at_most(size: int) -> Callable[[View], View]:
    """Let the bodies of this route have up to `size` bytes."""

    def decorator(view: View) -> View:
        view._largest_body = size  # type: ignore[attr-defined]  # a mark; Callable has no attributes
        return view

    return decorator


def largest(view: Callable[..., Any] | None) -> int:
    """How many bytes the body of a request to this view may have."""
    return int(getattr(view, "_largest_body", current_app.config["MAX_CONTENT_LENGTH"]))


def init_app(app: Flask) -> None:
    app.before_request(_check)


def _check() -> None:
    if "\x00" in request.path:
        raise NotFound()  # nothing has such a name, and PostgreSQL would not even look for it
    if len(request.environ.get("RAW_URI") or request.full_path) > MAX_URI:
        raise URITooLong()
    limit = largest(current_app.view_functions.get(request.endpoint or ""))
    request.max_content_length = limit
    if (request.content_length or 0) > limit:
        raise PayloadTooLarge()
    if request.content_length is None and request.environ.get("wsgi.input_terminated"):
        _read_chunked(limit)


def _read_chunked(limit: int) -> None:
    try:
        data = request.environ["wsgi.input"].read(limit + 1)
    except (OSError, ParseException) as error:
        raise MalformedJSON("The chunked body is malformed.") from error
    if len(data) > limit:
        raise PayloadTooLarge()
    request.environ.pop("HTTP_TRANSFER_ENCODING", None)
    request.environ["CONTENT_LENGTH"] = str(len(data))
    request.environ["wsgi.input"] = io.BytesIO(data)
