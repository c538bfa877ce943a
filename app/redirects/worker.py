"""The hot worker: Gunicorn's thread worker, whose poller thread answers plain hits itself.

A new connection is parked in the poller instead of being handed to a thread. When it becomes readable it is read
once; if the bytes are exactly one complete, plain GET of a plain link, they are answered as soon as all that is
readable in this round of the poller was read: by one look-up, one write of all clicks, and an answer each. Where a
link has to be waited for (PostgreSQL), a thread looks up all that wait together. Every other sequence of bytes is
given back to Gunicorn's parser and goes the ordinary way, as if nobody had looked.
"""

import re
import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from operator import attrgetter
from typing import Any

import gunicorn
from flask import Flask
from gunicorn import SERVER
from gunicorn.util import http_date

from app.redirects.entrance import Entrance, Hit, entrance_of
from app.redirects.metrics import FROM_WORKER
from app.redirects.plain import Plain, Way
from app.web import server

TESTED = ("27.0.1",)
"""The versions of Gunicorn whose inside this leans on. With another one it serves as plain gthread."""

_HOOKS = ("pre_request", "post_request")
_READ = 4_096  # bytes; a head that fills it may go on
_ROUND = 64  # hits that are answered together at most; the first of them waits for the last
_BATCH = 256  # links that are looked up together at most
_LINGER = 2.0  # seconds that a client has to hang up after its last answer
_HEAD = (
    r"GET /{prefix}([A-Za-z0-9_-]{{1,64}})(?:\?([!\"$-~]*))? HTTP/1\.1"
    r"((?:\r\n[!#$%&'*+.^`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*){{1,{fields}}})\r\n\r\n"
)
# Those of FIELDS and _THOUGHTFUL, with Host and Connection; each beginning is tried once, which saves 0.5 us, and
# only ASCII's letters have two cases, which saves as much again.
_FIELDS = re.compile(
    r"(?ai)\r\n(h(?:ost|ttp2-settings)|con(?:nection|tent-(?:type|length))|u(?:ser-agent|pgrade)|r(?:eferer|ange)|"
    r"x-(?:forwarded-(?:for|proto)|moz)|sec-(?:gpc|purpose)|dnt|transfer-encoding|te|expect|authorization|purpose)"
    r":[\t ]*([^\r]*)"
)
_THOUGHTFUL = frozenset(
    {
        *("content-length", "transfer-encoding", "te", "expect", "upgrade", "http2-settings"),
        *("range", "authorization", "sec-purpose", "purpose", "x-moz"),
    }
)


_Asked = tuple[Any, socket.socket, bytes, Hit]
"""A connection that waits for its answer, with what was read of it."""


class Worker(server.Worker):
    """gthread with the fast entrance."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._entrance: Entrance | None = None
        self._date = b""
        self._dated = 0
        self._sorted_at = 0.0
        self._round: list[_Asked] = []
        self._unknown: list[_Asked] = []
        """Whose links are to be looked up; like those of `_looked_up`, out of the poller meanwhile."""
        self._looked_up: list[_Asked] = []
        self._reader = ThreadPoolExecutor(1, "links")
        self.keepalived_conns: deque[Any]

    def load_wsgi(self) -> None:
        super().load_wsgi()
        if isinstance(self.wsgi, Flask) and self._may_answer():
            self._entrance = entrance_of(self.wsgi)
            self._entrance.start()
            prefix = f"{self._entrance.prefix}/" if self._entrance.prefix else ""
            most_fields = self.cfg.limit_request_fields if self.cfg.limit_request_fields > 0 else ""
            self._head = re.compile(_HEAD.format(prefix=prefix, fields=most_fields))
            bounds = (self.cfg.limit_request_line, self.cfg.limit_request_field_size)
            self._most = min([_READ - 1, *(bound for bound in bounds if bound > 0)])
            self._keepalive: int = self.cfg.keepalive

    def enqueue_req(self, conn: Any) -> None:
        """Park a new connection; what was read goes to a thread."""
        if self._entrance is None or conn.initialized or conn.data_ready:
            super().enqueue_req(conn)
            return
        conn.set_timeout()
        self._park(conn)

    def on_client_socket_readable(self, conn: Any, client: socket.socket) -> None:
        """Answer a plain hit, or give back what was read."""
        if self._entrance is None:
            super().on_client_socket_readable(conn, client)
            return
        try:
            data = client.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(conn)
        elif hit := self._hit(conn, data):
            self._round.append((conn, client, data, hit))
            if len(self._round) == _ROUND:
                self._answer_round()
        else:
            self._give_back(conn, client, data)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """One round of the poller; it ends with the answers to what was plain in it."""
        super().wait_for_and_dispatch_events(timeout)
        if self._round:
            self._answer_round()

    def finish_request(self, conn: Any, fs: Future[Any]) -> None:
        """Hang up without waiting here for the client to do so too, as Gunicorn does for two seconds."""
        if self._entrance is None or fs.cancelled() or fs.exception() or fs.result():
            super().finish_request(conn, fs)
            return
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._drain, conn))
        except (OSError, ValueError):  # the client was faster, or Gunicorn had to close it already
            self.nr_conns -= 1
            conn.close()
            return
        conn.timeout = time.monotonic() + _LINGER
        self.keepalived_conns.append(conn)

    def _drain(self, conn: Any, client: socket.socket) -> None:
        """Forget what comes behind the last answer: unread, it would have the kernel cut that off (RFC 9112 §9.6)."""
        try:
            over = not client.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            over = True
        if over:
            self._drop(conn)

    def murder_keepalived(self, force: bool = False) -> None:
        """Close what was idle for too long. A served hit leaves its connection where it was, so sort them first."""
        now = time.monotonic()
        if now >= self._sorted_at + 1:
            self._sorted_at = now
            in_order = sorted(self.keepalived_conns, key=attrgetter("timeout"))
            self.keepalived_conns = deque(in_order)
        super().murder_keepalived(force)

    def _may_answer(self) -> bool:
        """Whether nothing is set that only the ordinary way knows of."""
        if gunicorn.__version__ not in TESTED:
            self.log.warning(
                "the hot worker was not tested with Gunicorn %s; serving as gthread", gunicorn.__version__
            )
            return False
        cfg = self.cfg
        return (
            bool(cfg.keepalive)
            and not (cfg.is_ssl or cfg.proxy_protocol != "off" or cfg.http2_cleartext != "off")
            and not (self.log.access_log.hasHandlers() or cfg.statsd_host)
            and all(cfg.settings[hook].get() is cfg.settings[hook].default for hook in _HOOKS)
            and self.wsgi.config["SPOOL_FSYNC"] != "always"  # the poller thread waits for no disk
        )

    def _hit(self, conn: Any, data: bytes) -> Hit | None:
        """What `data` asks for; None where it is no plain hit."""
        try:
            return self._read(self._entrance, conn, data)
        except Exception:  # in a thread it would be one visitor's 500; here it would end the process
            self.log.exception("the hot worker failed; the request goes the ordinary way")
            return None

    def _read(self, entrance: Any, conn: Any, data: bytes) -> Hit | None:
        if len(data) > self._most or not self._is_calm():
            return None
        head = self._head.fullmatch(data.decode("latin-1"))
        if head is None:
            return None
        code, query, lines = head.groups("")
        found = _FIELDS.findall(lines)
        said = {name.lower(): value.rstrip("\t ") for name, value in found}
        if (
            len(said) != len(found)
            or not _THOUGHTFUL.isdisjoint(said)
            or said.get("connection", "keep-alive").lower() != "keep-alive"
            or "host" not in said
        ):
            return None
        peer = conn.client[0] if isinstance(conn.client, tuple) else ""
        hit: Hit | None = entrance.hit(said["host"], code, query, peer=peer, scheme="http", said=said)
        return hit

    def _is_calm(self) -> bool:
        """Whether the connection may be kept after the answer; Gunicorn knows how to end it."""
        away = len(self._unknown) + len(self._looked_up)
        return bool(
            self.alive
            and self.nr + len(self._round) + away + 1 < self.max_requests
            and len(self.keepalived_conns) + away < self.max_keepalived
        )

    def _answer_round(self) -> None:
        waiting, self._round = self._round, []
        self._answer(waiting, self._followed(self._entrance, [hit for *_, hit in waiting], wait=False))
        self._look_up()

    def _answer(self, waiting: list[_Asked], links: Sequence[Plain | Way]) -> None:
        opening, answered = self._opening(), 0
        until = time.monotonic() + (self._keepalive if self.alive else _LINGER)
        for asked, link in zip(waiting, links, strict=True):
            conn, client, data, _ = asked
            if isinstance(link, Plain):
                answered += 1
                if _sent(client, b"".join((link.answer.first, opening, link.target, link.answer.rest))):
                    conn.timeout = until
                else:  # a client that does not read its answers
                    self._drop(conn)
            elif link is Way.LATER:
                self.poller.unregister(client)
                self.keepalived_conns.remove(conn)
                self._unknown.append(asked)
            else:
                self._give_back(conn, client, data)
        self.nr += answered
        FROM_WORKER.inc(answered)

    def _look_up(self) -> None:
        """Have a thread of its own follow the links that are not known, so that slow calls hold up no visitor."""
        if self._unknown and not self._looked_up:
            self._looked_up, self._unknown = self._unknown[:_BATCH], self._unknown[_BATCH:]
            hits = [hit for *_, hit in self._looked_up]
            found = self._reader.submit(self._followed, self._entrance, hits, wait=True)
            found.add_done_callback(partial(self.method_queue.defer, self._answer_late))

    def _answer_late(self, found: Future[Sequence[Plain | Way]]) -> None:
        waiting, self._looked_up = self._looked_up, []
        for conn, *_ in waiting:
            self._park(conn)
        self._answer(waiting, found.result())
        self._look_up()

    def _park(self, conn: Any) -> None:
        """Wait in the poller for what the client sends next."""
        self.keepalived_conns.append(conn)
        callback = partial(self.on_client_socket_readable, conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, callback)

    def _followed(self, entrance: Any, hits: list[Hit], wait: bool) -> Sequence[Plain | Way]:
        """The links that they ask for, their clicks recorded."""
        try:
            links: Sequence[Plain | Way] = entrance.follow(hits, wait)
            return links
        except Exception:  # as above
            self.log.exception("the hot worker failed; the requests go the ordinary way")
            return [Way.ORDINARY] * len(hits)

    def _give_back(self, conn: Any, client: socket.socket, data: bytes) -> None:
        """Let the request go the ordinary way."""
        conn.init()
        conn.parser.unreader.unread(data)
        super().on_client_socket_readable(conn, client)

    def _opening(self) -> bytes:
        """The headers that Gunicorn writes before the application's, with the second's date."""
        second = int(time.time())
        if second != self._dated:
            self._dated = second
            date = http_date(second)
            self._date = f"Server: {SERVER}\r\nDate: {date}\r\nConnection: keep-alive\r\nLocation: ".encode()
        return self._date

    def _drop(self, conn: Any) -> None:
        self.poller.unregister(conn.sock)
        self.keepalived_conns.remove(conn)
        self.nr_conns -= 1
        conn.close()


def _sent(client: socket.socket, answer: bytes) -> bool:
    """Whether the kernel took all of it."""
    try:
        return client.send(answer) == len(answer)
    except OSError:
        return False
