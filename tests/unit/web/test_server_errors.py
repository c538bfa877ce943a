"""app/web/server.py: what Gunicorn's worker says to bytes that never become a request."""

import json
import logging
import socket
from email.parser import BytesParser
from typing import Any

import pytest
from gunicorn.http import errors as wire

from app.web import headers
from app.web.server import Worker


class Silent:
    log = logging.getLogger("test")


def answered(error: Exception) -> tuple[int, Any, Any]:
    """What a client reads after `error`: status, headers, and the error of the body."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        Worker.handle_error(Silent(), None, ours, ("192.0.2.1", 1), error)
        ours.shutdown(socket.SHUT_WR)
        head, _, body = theirs.makefile("rb").read().partition(b"\r\n\r\n")
    status, _, fields = head.partition(b"\r\n")
    assert status.startswith(b"HTTP/1.1 ")
    parsed = BytesParser().parsebytes(fields)
    assert int(parsed["Content-Length"]) == len(body)
    return int(status.split()[1]), parsed, json.loads(body)["error"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (wire.InvalidRequestLine("x"), 400, "VALIDATION_ERROR"),
        (wire.InvalidRequestMethod("x"), 400, "VALIDATION_ERROR"),
        (wire.InvalidHTTPVersion("x"), 400, "VALIDATION_ERROR"),
        (wire.InvalidHeader("x"), 400, "VALIDATION_ERROR"),
        (wire.InvalidHeaderName("x"), 400, "VALIDATION_ERROR"),
        (wire.ObsoleteFolding("x"), 400, "VALIDATION_ERROR"),
        (wire.InvalidChunkSize(b"x"), 400, "VALIDATION_ERROR"),
        (wire.LimitRequestLine(1, 1), 414, "URI_TOO_LONG"),
        (wire.LimitRequestHeaders("x"), 431, "HEADERS_TOO_LARGE"),
        (wire.UnsupportedTransferCoding("x"), 501, "NOT_IMPLEMENTED"),
        (wire.ForbiddenProxyRequest("x"), 403, "FORBIDDEN"),
        (wire.InvalidResponseHeader("x"), 500, "INTERNAL_ERROR"),
        (wire.InvalidResponseHeaderName("x"), 500, "INTERNAL_ERROR"),
        (wire.ConfigurationProblem("x"), 500, "INTERNAL_ERROR"),
        (RuntimeError("a secret"), 500, "INTERNAL_ERROR"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_every_refusal_of_the_server_has_the_one_shape(error: Exception, status: int, code: str) -> None:
    sent_status, sent, shape = answered(error)
    assert (sent_status, shape["code"]) == (status, code)
    assert set(shape) == {"code", "message", "field", "request_id"}
    assert shape["field"] is None
    assert (sent["X-Error-Code"], sent["X-Error-Message"]) == (code, shape["message"])
    assert sent["X-Request-ID"] == shape["request_id"]
    assert (sent["Connection"], sent["Content-Type"]) == ("close", "application/json")
    for name, value in (headers.ALWAYS | headers.UNLESS_SET).items():
        assert sent[name] == value
    assert "secret" not in json.dumps(shape)


def test_client_that_has_gone_is_no_error() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours:
        Worker.handle_error(Silent(), None, ours, ("192.0.2.1", 1), wire.InvalidRequestLine("x"))


def test_address_of_the_client_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        answered(wire.InvalidRequestLine("x"))
        answered(wire.InvalidHeader("Authorization: Bearer secret"))
    assert "InvalidRequestLine" in caplog.text
    assert "192.0.2.1" not in caplog.text
    assert "secret" not in caplog.text
