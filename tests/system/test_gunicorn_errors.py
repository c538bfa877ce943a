"""Gunicorn as configured, byte by byte: what is no HTTP, what is too large, and what it does at a signal."""

import http.client
import json
import signal
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from app.web import headers
from tests.conftest import PASSWORD, environment
from tests.e2e.gunicorns import connect, head
from tests.e2e.processes import PATIENCE, eventually
from tests.e2e.traffic import Traffic
from tests.service import Service

JSON = "Content-Type: application/json"


@contextmanager
def web_alone(url: str, folder: Path, **changes: str) -> Iterator[Service]:
    """Gunicorn without a worker, on a migrated database, with cheap passwords; ends cleanly at a TERM."""
    service = Service({**environment(url, folder), **changes}, folder)
    try:
        service.web.start()
        service.wait_for_web()
        yield service
        assert service.web.stop() == 0
    except BaseException as error:
        error.add_note(service.web.tail())
        raise
    finally:
        service.close()


@pytest.fixture(scope="module")
def gunicorn(
    new_database: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with web_alone(new_database("sqlite"), tmp_path_factory.mktemp("web"), LOG_LEVEL="DEBUG") as service:
        yield service
        assert service.web.says("Traceback") == service.web.says('"exc_type"') == 0


@dataclass
class Raw:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def exchange(service: Service, sent: bytes) -> Raw:
    """Send bytes on a new connection; read one answer."""
    with socket.create_connection(("127.0.0.1", service.port), PATIENCE) as connection:
        with suppress(OSError):  # of what is too large not all is read; the answer is there all the same
            connection.sendall(sent)
        answer = http.client.HTTPResponse(connection, method="GET")
        answer.begin()
        return Raw(answer.status, answer.headers, answer.read())


def request(line: str, *lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join((line, "Host: sho.rt", *lines, "\r\n")).encode("latin-1") + body


def chunks(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + end


def post(*lines: str, body: bytes = b"", path: str = "/api/v1/auth/login") -> bytes:
    return request(f"POST {path} HTTP/1.1", JSON, *lines, body=body)


GET = "GET /api/v1/users/me HTTP/1.1"
CHUNKED = "Transfer-Encoding: chunked"
REFUSED: dict[str, tuple[bytes, int, str]] = {
    "no HTTP at all": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "VALIDATION_ERROR"),
    "bad request line": (b"GET\r\n\r\n", 400, "VALIDATION_ERROR"),
    "bad method": (request("G@T / HTTP/1.1"), 400, "VALIDATION_ERROR"),
    "bad version": (request("GET / HTTP/9.9"), 400, "VALIDATION_ERROR"),
    "no version number": (request("GET / HTTP/x"), 400, "VALIDATION_ERROR"),
    "blank in the path": (request("GET /a b HTTP/1.1"), 400, "VALIDATION_ERROR"),
    "header without a name": (request(GET, ": x"), 400, "VALIDATION_ERROR"),
    "blank before the colon": (request(GET, "Authorization : x"), 400, "VALIDATION_ERROR"),
    "folded header": (request(GET, "X-A: 1", " 2"), 400, "VALIDATION_ERROR"),
    "NUL in a header": (request(GET, "X-A: a\x00b"), 400, "VALIDATION_ERROR"),
    "two lengths": (post("Content-Length: 2", "Content-Length: 3", body=b"{}"), 400, "VALIDATION_ERROR"),
    "length and chunks": (post("Content-Length: 2", CHUNKED, body=chunks(b"{}")), 400, "VALIDATION_ERROR"),
    "negative length": (post("Content-Length: -1"), 400, "VALIDATION_ERROR"),
    "length with a sign": (post("Content-Length: +2", body=b"{}"), 400, "VALIDATION_ERROR"),
    "65 headers": (request(GET, *(f"X-{n}: 1" for n in range(64))), 431, "HEADERS_TOO_LARGE"),
    "large header": (request(GET, "X-A: " + "a" * 9000), 431, "HEADERS_TOO_LARGE"),
    "huge header": (request(GET, "X-A: " + "a" * 60_000), 431, "HEADERS_TOO_LARGE"),
    "long address": (request("GET /?" + "q" * 5000 + " HTTP/1.1"), 414, "URI_TOO_LONG"),
    "longer than a line": (request("GET /?" + "q" * 9000 + " HTTP/1.1"), 414, "URI_TOO_LONG"),
    "endless line": (b"GET /" + b"q" * 60_000, 414, "URI_TOO_LONG"),
    "unknown coding": (post("Transfer-Encoding: br", body=b"x"), 501, "NOT_IMPLEMENTED"),
    "chunk size is no number": (post(CHUNKED, body=b"zz\r\n{}\r\n0\r\n\r\n"), 400, "MALFORMED_JSON"),
    "chunk size is negative": (post(CHUNKED, body=b"-2\r\n{}\r\n0\r\n\r\n"), 400, "MALFORMED_JSON"),
    "chunk is longer than said": (post(CHUNKED, body=b"1\r\n{}\r\n0\r\n\r\n"), 400, "MALFORMED_JSON"),
    "chunks of half a text": (post(CHUNKED, body=chunks(b'{"email": ')), 400, "MALFORMED_JSON"),
    "large body": (post("Content-Length: 1000000", body=b"x" * 1_000_000), 413, "PAYLOAD_TOO_LARGE"),
    "large body, announced": (post("Content-Length: 99999999999"), 413, "PAYLOAD_TOO_LARGE"),
    "large body in chunks": (post(CHUNKED, body=chunks(*[b"x" * 4096] * 100)), 413, "PAYLOAD_TOO_LARGE"),
    "large body in one chunk": (post(CHUNKED, body=chunks(b"x" * 300_000)), 413, "PAYLOAD_TOO_LARGE"),
    "a byte too much in chunks": (post(CHUNKED, body=chunks(b" " * 262_144, b" ")), 413, "PAYLOAD_TOO_LARGE"),
    "no such page": (request("GET /%00%ff HTTP/1.1"), 404, "NOT_FOUND"),
    "asterisk": (request("OPTIONS * HTTP/1.1"), 404, "NOT_FOUND"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusal_has_the_one_shape(gunicorn: Service, name: str) -> None:
    sent, status, code = REFUSED[name]
    answer = exchange(gunicorn, sent)
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/json"
    error = json.loads(answer.body)["error"]
    assert set(error) - {"details"} == {"code", "message", "field", "request_id"}
    assert (error["code"], answer.headers["X-Error-Code"]) == (code, code)
    assert answer.headers["X-Request-ID"] == error["request_id"]
    assert answer.headers["X-Error-Message"] == error["message"]
    for header, value in (headers.ALWAYS | headers.UNLESS_SET).items():
        assert answer.headers[header] == value
    assert b"gunicorn" not in answer.body.lower()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request(GET, *(f"X-{n}: 1" for n in range(63))), 401),
        (request(GET, "X-A: " + "a" * 8000), 401),
        (request("GET /healthz?" + "q" * 4000 + " HTTP/1.1"), 200),
        (post(CHUNKED, body=chunks(b'{"email": "a@example', b'.org", "password": "x"}')), 401),
        (post(CHUNKED, body=chunks(b"{}" + b" " * 200_000)), 400),
        (request("GET /healthz HTTP/1.0"), 200),
        (request("GET http://other.example/healthz HTTP/1.1"), 200),
        (request(GET, "Authorization: Bearer a.b.c", "Authorization: Bearer d.e.f"), 401),
    ],
    ids=[
        "64 headers",
        "8 KB header",
        "4 KB address",
        "chunks",
        "long chunks",
        "HTTP/1.0",
        "absolute",
        "two credentials",
    ],
)
def test_what_is_just_within_bounds_is_answered(gunicorn: Service, sent: bytes, status: int) -> None:
    assert exchange(gunicorn, sent).status == status


@pytest.mark.parametrize(
    "host", ["", "evil.example", "a b", "[::1", "<script>", "sho.rt:99999999", "\xe9", "x" * 3000]
)
@pytest.mark.parametrize("path", ["/api/v1/users/me", "/healthz", "/s/nothing", "/docs"])
def test_no_host_header_is_an_error_of_ours(gunicorn: Service, host: str, path: str) -> None:
    sent = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("latin-1")
    assert exchange(gunicorn, sent).status in (200, 400, 401, 404)


def test_connection_goes_on_after_a_refusal_of_the_application(gunicorn: Service) -> None:
    with socket.create_connection(("127.0.0.1", gunicorn.port), PATIENCE) as connection:
        for _ in range(3):
            connection.sendall(post("Content-Length: 1", body=b"{"))
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert (answer.status, answer.read()[:10]) == (400, b'{"error":{')


@pytest.mark.asvs("4.2.1")
def test_unread_body_is_not_taken_for_the_next_request(gunicorn: Service) -> None:
    """Request smuggling: what looks like a request within a refused body must not be answered."""
    hidden = request("GET /healthz HTTP/1.1")
    with socket.create_connection(("127.0.0.1", gunicorn.port), PATIENCE) as connection:
        connection.sendall(
            request(
                "POST /nothing HTTP/1.1", f"Content-Length: {len(hidden)}", "Connection: close", body=hidden
            )
        )
        received = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert received.count(b"HTTP/1.1 ") == 1
    assert b'"ok"' not in received


def test_client_that_leaves_amid_its_body_costs_nothing(gunicorn: Service) -> None:
    for sent in (post("Content-Length: 100", body=b"{"), post(CHUNKED, body=b"5\r\n{")):
        with socket.create_connection(("127.0.0.1", gunicorn.port), PATIENCE) as connection:
            connection.sendall(sent)
    assert gunicorn.call("GET", "/healthz").status == 200


@pytest.mark.asvs("16.2.4", "16.4.1")
def test_every_line_of_the_log_is_json(gunicorn: Service) -> None:
    lines = gunicorn.web.log.read_text().splitlines()
    assert len(lines) > 5
    for line in lines:
        assert {"event", "level", "timestamp"} <= set(json.loads(line))


class TestSecretsInTheLog:
    """Passwords, tokens and addresses never get there, whatever goes wrong, at the most talkative level."""

    CANARY = "canary-7f3a9c"

    @pytest.fixture(params=["sqlite", "postgresql"])
    def broken(
        self, request: pytest.FixtureRequest, new_database: Callable[[str], str], tmp_path: Path
    ) -> Iterator[Service]:
        with web_alone(new_database(request.param), tmp_path, LOG_LEVEL="DEBUG") as service:
            yield service

    def change(self, service: Service, *statements: str) -> None:
        """Break the schema under the running process."""
        url = make_url(service.variables["DATABASE_URL"])
        if url.drivername == "sqlite":
            with sqlite3.connect(url.database or "") as connection:
                for statement in statements:
                    connection.execute(statement)
            connection.close()
            return
        engine = create_engine(url)
        with engine.begin() as other:
            for statement in statements:
                other.execute(text(statement))
        engine.dispose()

    @pytest.mark.asvs("16.2.5")
    def test_neither_errors_nor_requests_tell_secrets(self, broken: Service) -> None:
        email, password = f"{self.CANARY}-mail@example.org", f"{self.CANARY}-password"
        account: dict[str, Any] = {"email": email, "password": password, "name": f"{self.CANARY}-name"}
        assert broken.call("POST", "/api/v1/auth/register", body=account).status == 201
        login = {"email": email, "password": password}
        tokens = broken.call("POST", "/api/v1/auth/login", body=login).json
        access, refresh = tokens["access_token"], tokens["refresh_token"]
        statuses = [
            broken.call(
                "POST", "/api/v1/auth/login", body={**login, "password": f"{self.CANARY}-wrong"}
            ).status,
            broken.call("GET", f"/api/v1/users/me?token={self.CANARY}-query", token=access).status,
            broken.call("GET", "/api/v1/users/me", token=f"{self.CANARY}.token.x").status,
            broken.call("POST", "/api/v1/auth/refresh", token=refresh).status,
            exchange(broken, request("GET / HTTP/1.1", f"Bad Header: {self.CANARY}-header")).status,
            exchange(broken, f"BAD /{self.CANARY}-line\r\n\r\n".encode()).status,
        ]
        assert statuses == [401, 400, 401, 200, 400, 400]
        # A row that the database refuses, with all that it holds, and then a table that is gone.
        postgresql = "postgresql" in broken.variables["DATABASE_URL"]
        refuse = (
            "ALTER TABLE users ADD CONSTRAINT evil CHECK (name IS NOT NULL) NOT VALID"
            if postgresql
            else "CREATE TRIGGER evil BEFORE UPDATE ON users BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
        self.change(broken, refuse)
        assert broken.call("PATCH", "/api/v1/users/me", token=access, body={"name": None}).status == 500
        self.change(broken, "DROP TABLE guesses")
        assert broken.call("POST", "/api/v1/auth/login", body=login).status >= 500
        log = broken.web.log.read_text()
        assert log.count('"exc_type"') >= 1
        for secret in (
            self.CANARY,
            PASSWORD,
            access,
            refresh,
            access.rpartition(".")[2],
            "pbkdf2",
            '127.0.0.1"',
        ):
            assert secret not in log, log[max(0, log.find(secret) - 500) : log.find(secret) + 100]


def is_about_to_end(kept: socket.socket) -> bool:
    """Whether the process that answers on this connection says so, or has hung up on who asks too seldom."""
    with suppress(OSError):
        kept.sendall(request("HEAD /healthz HTTP/1.1"))
    told = head(kept)
    return not told or b"\r\nConnection: close\r\n" in told


class TestSignals:
    @pytest.fixture
    def running(self, new_database: Callable[[str], str], tmp_path: Path) -> Iterator[Service]:
        with web_alone(new_database("sqlite"), tmp_path) as service:
            yield service

    def test_reloads_lose_no_request(self, running: Service) -> None:
        with Traffic(running, "/healthz", 200) as traffic:
            for _ in range(3):
                before = set(running.web_processes())
                running.web._send(signal.SIGHUP)
                eventually(lambda before=before: not before & set(running.web_processes()))
                traffic.go_on()
        assert traffic.lost == []

    def test_request_that_is_being_answered_ends_before_the_process(self, running: Service) -> None:
        account = {"email": "ada@example.org", "password": PASSWORD}
        assert running.call("POST", "/api/v1/auth/register", body=account).status == 201
        body = json.dumps(account).encode()
        beginning = post(f"Content-Length: {len(body)}", "Expect: 100-continue")
        with ExitStack() as stack, connect(running) as kept:
            logins = [stack.enter_context(connect(running)) for _ in range(2)]
            for login in logins:
                login.sendall(beginning)
                assert b" 100 " in head(login)  # a thread waits for the rest
            running.web.terminate()
            eventually(lambda: is_about_to_end(kept))
            for login in logins:
                login.sendall(body)
                assert b" 200 " in head(login)
        assert running.web.wait() == 0

    def test_restart_loses_no_request(self, running: Service) -> None:
        """The socket is inherited, so who comes while no process runs waits in the backlog."""
        with Traffic(running, "/healthz", 200) as traffic:
            traffic.go_on()
            assert running.web.stop() == 0
            running.web.start()
            traffic.go_on()
        assert traffic.lost == []
