"""Gunicorn alone, with options of its own; clients that speak to it byte by byte; and what it recorded."""

import json
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.conftest import environment
from tests.e2e.processes import PATIENCE, eventually
from tests.service import Service

HOT = "app.redirects.worker.Worker"
PLAIN = "app.web.server.Worker"
PROBE = b"GET /healthz HTTP/1.1\r\nHost: sho.rt\r\nConnection: close\r\n\r\n"
_VARYING = (
    (re.compile(rb"\r\nDate: [^\r]+"), b"\r\nDate: now"),
    (re.compile(rb"req_[A-Za-z0-9_-]+"), b"req_id"),
    (re.compile(rb"127\.0\.0\.1:[0-9]{4,5}"), b"127.0.0.1:port"),
)
_LENGTH = re.compile(rb"\r\nContent-Length: ([0-9]+)\r\n")
_HANDED_OUT = re.compile(r'^slugline_redirects_total\{entrance="worker"\} ([0-9.e+]+)$', re.MULTILINE)


@contextmanager
def gunicorn(
    url: str, folder: Path, worker: str = HOT, *options: str, ready: bool = True, **changes: str
) -> Iterator[Service]:
    """Gunicorn with this worker class and command line `options`, on a migrated database, and no ingester.

    `changes` are settings. `ready=False` does not wait: where it listens elsewhere, or speaks no plain HTTP.
    """
    own = {"GUNICORN_CMD_ARGS": " ".join(("--worker-class", worker, *options))}
    service = Service({**environment(url, folder), **own, **changes}, folder)
    try:
        service.web.start()
        if ready:
            service.wait_for_web()
            service.visit(
                "plain"
            )  # the first click opens the spool, which the poller thread leaves to others
        yield service
    except BaseException as error:
        error.add_note(service.web.tail())
        raise
    finally:
        service.close()


def connect(service: Service) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", service.port), PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def send(connection: socket.socket, pieces: Sequence[bytes]) -> None:
    """Send each piece in a segment of its own, once the server has read the one before.

    However early it hangs up.
    """
    with suppress(OSError):
        for number, piece in enumerate(pieces):
            if number:
                eventually(lambda: _under_way(connection) == 0)
            connection.sendall(piece)


def _under_way(connection: socket.socket) -> int:
    """Bytes that were sent and not read yet: unacknowledged here, or waiting at the other end on this machine."""
    here, there = (_named(*address) for address in (connection.getsockname(), connection.getpeername()))
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    queues = {(line[1], line[2]): [int(size, 16) for size in line[4].split(":")] for line in lines}
    sent, _ = queues.get((here, there), (0, 0))
    _, unread = queues.get((there, here), (0, 0))  # none where it hung up
    return sent + unread


def _named(address: str, port: int) -> str:
    """As in /proc/net/tcp."""
    return f"{int.from_bytes(socket.inet_aton(address), 'little'):08X}:{port:04X}"


def read(connection: socket.socket, size: int = -1) -> bytes:
    """`size` bytes, or all up to the end; a reset is an end too."""
    received = b""
    with suppress(ConnectionError):
        while len(received) != size and (
            more := connection.recv(size - len(received) if size > 0 else 65_536)
        ):
            received += more
    return received


def head(connection: socket.socket) -> bytes:
    """The next answer up to its empty line, which is all of a redirect; nothing when the peer went before it."""
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        if not (more := read(connection, 1)):
            return b""
        received += more
    return received


def answer(connection: socket.socket) -> bytes:
    """The whole of the next answer."""
    first = head(connection)
    length = _LENGTH.search(first)
    return first + (read(connection, int(length[1])) if length and int(length[1]) else b"")


def steady(answers: bytes) -> bytes:
    """The bytes without what differs from answer to answer: date, ids, and the server's own port."""
    for pattern, fixed in _VARYING:
        answers = pattern.sub(fixed, answers)
    return answers


class Spooled:
    """The lines that a service's web processes write to their spool."""

    def __init__(self, service: Service) -> None:
        self._spool = service.spool
        self._seen: dict[Path, int] = {}

    def new(self) -> list[list[Any]]:
        """The clicks since the last call; of each line all fields but version and time."""
        found = []
        for path in sorted(self._spool.glob("*.spool")):
            written = path.read_bytes()
            found += [json.loads(line)[2:] for line in written[self._seen.get(path, 0) :].splitlines()]
            self._seen[path] = len(written)
        return found


def answered_by_the_poller(service: Service) -> int:
    """How many redirects the hot worker's poller thread answered itself."""
    return by_poller(service.call("GET", "/metrics").body.decode())


def by_poller(metrics: str) -> int:
    """The same, as `metrics` say it; all processes together where there are several."""
    return sum(int(float(count)) for count in _HANDED_OUT.findall(metrics))
