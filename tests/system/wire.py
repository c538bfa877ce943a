"""Requests to Nginx byte by byte, and what every error of it must look like."""

import http.client
import json
import socket
from typing import NamedTuple

from app.web import headers
from tests.e2e.processes import PATIENCE
from tests.system.proxy import Proxy

API = "/api/v1"
VISITOR = "127.9.8.7"  # a loopback address that no other process here uses


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def error(self) -> dict[str, object]:
        error: dict[str, object] = json.loads(self.body)["error"]
        return error


def call(connection: socket.socket, text: str, body: bytes = b"") -> Answer:
    """Send a request head (its lines ended by line feeds here) and body as they are; read the answer."""
    lines = text.strip().replace("\n", "\r\n")
    connection.sendall(f"{lines}\r\nHost: 127.0.0.1\r\n\r\n".encode() + body)
    return read(connection, text.split(None, 1)[0])


def read(connection: socket.socket, method: str = "GET") -> Answer:
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    return Answer(response.status, response.headers, response.read())


def get(proxy: Proxy, path: str, *lines: str, source: str = "127.0.0.1") -> Answer:
    with proxy.connect(source) as connection:
        return call(connection, "\n".join((f"GET {path} HTTP/1.1", *lines)))


def post(proxy: Proxy, path: str, body: object, *lines: str, source: str = "127.0.0.1") -> Answer:
    return send(proxy, "POST", path, body, *lines, source=source)


def send(
    proxy: Proxy, method: str, path: str, body: object, *lines: str, source: str = "127.0.0.1"
) -> Answer:
    data = json.dumps(body).encode()
    head = (
        f"{method} {path} HTTP/1.1",
        "Content-Type: application/json",
        f"Content-Length: {len(data)}",
        *lines,
    )
    with proxy.connect(source) as connection:
        return call(connection, "\n".join(head), data)


def plain(proxy: Proxy, text: str) -> Answer:
    with socket.create_connection(("127.0.0.1", proxy.http), PATIENCE) as connection:
        return call(connection, text)


def assert_one_shape(answer: Answer, status: int, code: str) -> None:
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/json"
    error = answer.error
    assert set(error) == {"code", "message", "field", "request_id"}
    assert (error["code"], error["field"]) == (code, None)
    assert answer.headers["X-Error-Code"] == code
    assert answer.headers["X-Error-Message"] == error["message"]
    assert answer.headers["X-Request-ID"] == error["request_id"]
    assert str(error["request_id"]).startswith("req_")
    for name, value in (headers.ALWAYS | headers.UNLESS_SET).items():
        assert answer.headers[name] == value
    assert answer.headers["Cache-Control"] == "no-store"
