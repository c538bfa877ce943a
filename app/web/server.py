"""Gunicorn's thread worker, with its own errors (bad request line, oversized head, ...) in the one shape."""

import socket
from http import HTTPStatus
from typing import Any

import orjson
from gunicorn.http import errors as wire
from gunicorn.workers.gthread import ThreadWorker

from app import errors
from app.errors import AppError
from app.ids import opaque_id
from app.web import headers
from app.web.errors import header_text, payload


class BadRequest(AppError):
    """400 for bytes that are not HTTP."""

    status, code, message = 400, "VALIDATION_ERROR", "The request is not valid HTTP."


class HeadersTooLarge(AppError):
    status, code, message = 431, "HEADERS_TOO_LARGE", "The request has too many or too large headers."


class NotImplementedHere(AppError):
    status, code, message = 501, "NOT_IMPLEMENTED", "This transfer coding is not supported."


# In order: the first that fits.
_REFUSALS: tuple[tuple[type[Exception], type[AppError]], ...] = (
    (wire.LimitRequestLine, errors.URITooLong),
    (wire.LimitRequestHeaders, HeadersTooLarge),
    (wire.UnsupportedTransferCoding, NotImplementedHere),
    (wire.ForbiddenProxyRequest, errors.Forbidden),
    (wire.ConfigurationProblem, errors.InternalError),
    # These two are ours: a header that the application tried to send.
    (wire.InvalidResponseHeader, errors.InternalError),
    (wire.InvalidResponseHeaderName, errors.InternalError),
    (wire.ParseException, BadRequest),
)


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """gthread as it is, but for how it says no."""

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer what never became a request. The client's address is not logged (traps.md)."""
        refusal = next((found for kind, found in _REFUSALS if isinstance(exc, kind)), errors.InternalError)()
        if refusal.status == 500:
            self.log.exception("error before the application")
        else:
            self.log.info("refused before the application: %s", type(exc).__name__)
        try:
            client.sendall(_response(refusal))
        except OSError:
            self.log.debug("the client had gone")


def _response(refusal: AppError) -> bytes:
    request_id = opaque_id("req")
    body = orjson.dumps(payload(refusal, request_id))
    fields = {
        "Connection": "close",
        "Content-Type": "application/json",
        "Content-Length": len(body),
        "Cache-Control": "no-store",
        **headers.ALWAYS,
        **headers.UNLESS_SET,
        "X-Request-ID": request_id,
        "X-Error-Code": refusal.code,
        "X-Error-Message": header_text(refusal.message),
    }
    lines = [f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join((*lines, "\r\n")).encode("ascii") + body
