"""Bounds on what a request may carry: path and query 4 KiB, body `MAX_CONTENT_LENGTH`, chunked or not.

Werkzeug cuts a chunked body at the limit and goes on as if that were all (traps.md), so a chunked body is
read here, one byte past the limit, before anything else sees it.
"""

import io

from flask import Flask, current_app, request
from gunicorn.http.errors import ParseException

from app.errors import MalformedJSON, NotFound, PayloadTooLarge, URITooLong

MAX_URI = 4096


def init_app(app: Flask) -> None:
    app.before_request(_check)


def _check() -> None:
    if "\x00" in request.path:
        raise NotFound()  # nothing has such a name, and PostgreSQL would not even look for it
    if len(request.environ.get("RAW_URI") or request.full_path) > MAX_URI:
        raise URITooLong()
    limit = current_app.config["MAX_CONTENT_LENGTH"]
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
