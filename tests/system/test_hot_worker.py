"""The hot worker keeps Gunicorn's promises, on a real one: timeouts, limits, recycling, reloads, listeners."""

import json
import os
import select
import signal
import socket
import sqlite3
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.e2e.gunicorns import (
    HOT,
    Spooled,
    answer,
    answered_by_the_poller,
    by_poller,
    connect,
    gunicorn,
    head,
    read,
    send,
    steady,
)
from tests.e2e.processes import PATIENCE, ROOT, eventually
from tests.e2e.traffic import LINGER, Traffic
from tests.e2e.vectors import PAGE, get, request, seed, unlocking
from tests.installations import Start
from tests.servers import free_port
from tests.service import Service

HIT = get()
SLOW = unlocking("laborious")  # some tenths of a second of hashing
UNTESTED = "tests.e2e.untested_gunicorn.Worker"


@pytest.fixture(scope="module")
def url(new_database: Callable[[str], str]) -> str:
    made = new_database("sqlite")
    seed(made)
    return made


@pytest.fixture
def start(url: str, tmp_path: Path) -> Iterator[Start]:
    """Start a Gunicorn: ``start("--max-requests", "100", PROXY_HOPS="1")``."""
    with ExitStack() as stack:
        yield lambda *options, worker=HOT, ready=True, **changes: stack.enter_context(
            gunicorn(url, tmp_path, worker, *options, ready=ready, GUESSES_LINK="none", **changes)
        )


@pytest.fixture(scope="module")
def bounded(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A Gunicorn with narrow bounds, for several tests: a start costs a second of CPU."""
    limits = "--limit-request-line 80 --limit-request-fields 5 --limit-request-field_size 200"
    own = {"GUESSES_LINK": "none", "WEB_THREADS": "2"}
    with gunicorn(url, tmp_path_factory.mktemp("bounded"), HOT, limits, **own) as service:
        yield service


def status(connection: socket.socket, sent: bytes = HIT) -> int:
    """Send, and read the head of one answer; 0 when there is none."""
    send(connection, [sent])
    first = head(connection)
    return int(first.split(None, 2)[1]) if first else 0


def is_answered(connection: socket.socket) -> bool:
    """Whether something can be read, be it that the server hung up."""
    return bool(select.select([connection], [], [], 0)[0])


def hits(service: Service, ask: bool = True) -> None:
    """Follow a plain link on a new connection; the poller thread must answer (`ask`: says the service)."""
    before = answered_by_the_poller(service) if ask else 0
    with connect(service) as connection:
        assert [status(connection) for _ in range(10)] == [302] * 10
    if ask:
        assert answered_by_the_poller(service) == before + 10


class TestBounds:
    def test_idle_connection_is_closed_and_a_hit_renews_it(self, start: Start) -> None:
        service = start("--keep-alive", "2")
        eventually(lambda: self.outlives_idle_ones(service))

    def outlives_idle_ones(self, service: Service) -> bool:
        """That a busy connection does; False where this machine kept it from asking for a second."""
        before = answered_by_the_poller(service)
        with connect(service) as busy, connect(service) as idle, connect(service) as silent:
            told, asked_at = [status(idle)], [time.monotonic()]

            def is_over() -> bool:
                told.append(status(busy))
                asked_at.append(time.monotonic())
                return told[-1] != 302 or (is_answered(idle) and is_answered(silent))

            eventually(is_over)
            if told[-1] != 302 or status(busy) != 302:
                asked_at.append(time.monotonic())
                assert max(later - earlier for earlier, later in pairwise(asked_at)) > 1, "it did ask in time"
                return False
            assert [read(connection) for connection in (idle, silent, busy)] == [b""] * 3
        assert answered_by_the_poller(service) == before + len(told) + 1
        return True

    def test_limits_of_a_request_are_obeyed(self, bounded: Service) -> None:
        """Gunicorn's own counts: the line without its end, a field with it."""
        line = "GET {} HTTP/1.1".format
        for sent, wanted in (
            (get(*(f"X-{number}: 1" for number in range(4))), 302),
            (get(*(f"X-{number}: 1" for number in range(5))), 431),
            (get("X-A: " + "a" * (200 - len("X-A: \r\n"))), 302),
            (get("X-A: " + "a" * (201 - len("X-A: \r\n"))), 431),
            (request(line("/s/plain?" + "q" * (80 - len(line("/s/plain?"))))), 302),
            (request(line("/s/plain?" + "q" * (81 - len(line("/s/plain?"))))), 414),
        ):
            with connect(bounded) as connection:
                assert status(connection, sent) == wanted, sent


def test_who_asks_at_the_same_moment_gets_his_own_link_and_is_counted_once(bounded: Service) -> None:
    """More than are answered together, all readable when the stopped process goes on, ordinary ones between them."""
    ordinary = ("/s/forwarding?x=1", "/s/expired", "/s/unknown", "/s/limited")
    targets = [f"/s/{code}?of={n}" for n in range(25) for code in ("plain", "moved", "kept", "started")]
    for place, target in enumerate(ordinary):
        targets.insert(20 * place + 7, target)
    with connect(bounded) as alone:
        answers = {target: _told(alone, target) for target in (*ordinary, *targets[:7])}
    wanted = [answers.get(target) or answers[target.partition("?")[0] + "?of=0"] for target in targets]
    spooled, (process,) = Spooled(bounded), bounded.web_processes()
    with ExitStack() as stack:
        asking = [stack.enter_context(connect(bounded)) for _ in targets]
        assert {status(connection) for connection in asking} == {302}
        spooled.new()
        before = answered_by_the_poller(bounded)
        os.kill(process, signal.SIGSTOP)
        for connection, target in zip(asking, targets, strict=True):
            send(connection, [get(target=target)])
        os.kill(process, signal.SIGCONT)
        assert [steady(answer(connection)) for connection in asking] == wanted
    assert answered_by_the_poller(bounded) == before + 100
    queries = Counter(said[-1] for _link, _kind, *said in spooled.new())
    assert queries == {**{f"of={n}": 4 for n in range(25)}, "x=1": 1, "": 1}


def _told(connection: socket.socket, target: str) -> bytes:
    send(connection, [get(target=target)])
    return steady(answer(connection))


class TestBusyThreads:
    def test_slow_calls_do_not_stop_hits(self, bounded: Service) -> None:
        eventually(lambda: self.overtakes_slow_calls(bounded))

    def overtakes_slow_calls(self, bounded: Service) -> bool:
        """Whether hits are answered before any of twice as many slow calls as there are threads.

        Not if this machine kept us from asking for as long as those take.
        """
        with ExitStack() as stack:
            slow = [stack.enter_context(connect(bounded)) for _ in range(4)]
            asked_at = time.monotonic()
            for connection in slow:
                send(connection, [SLOW])
            hits(bounded, ask=False)
            overtaken = not any(is_answered(connection) for connection in slow)
            assert overtaken or time.monotonic() - asked_at > 0.1, (
                "hits waited for the slow calls, or those are not"
            )
            for connection in slow:  # compared, or no turn at hashing in time
                assert head(connection).split(b" ")[1] in (b"403", b"503")
        return overtaken

    def test_half_requests_do_not_stop_hits(self, bounded: Service) -> None:
        with ExitStack() as stack:
            for sent in (b"", b"GET /s/pl", HIT[:-1]):
                for _ in range(3):
                    send(stack.enter_context(connect(bounded)), [sent])
            hits(bounded, ask=False)

    def test_clients_that_do_not_hang_up_do_not_stop_hits(self, bounded: Service) -> None:
        """Gunicorn waits for them, two seconds for each."""
        with ExitStack() as stack:
            for sent in (get("Connection: close"), get(version="HTTP/1.0"), b"BAD\r\n\r\n"):
                for _ in range(3):
                    connection = stack.enter_context(connect(bounded))
                    send(connection, [sent])
                    assert head(connection)
            hits(bounded)


def test_broken_database_costs_an_answer_and_not_the_process(bounded: Service) -> None:
    before = bounded.web_processes()
    with closing(sqlite3.connect(bounded.database_url.removeprefix("sqlite:///"))) as other:
        other.execute("ALTER TABLE links RENAME TO gone")
        try:
            with connect(bounded) as connection:  # once the second is over for which the link is remembered
                eventually(lambda: status(connection) >= 500)
        finally:
            other.execute("ALTER TABLE gone RENAME TO links")
    hits(bounded)
    assert bounded.web_processes() == before


def test_process_is_recycled_after_its_requests_and_none_is_lost(start: Start) -> None:
    service = start("--max-requests", "100")
    before = set(service.web_processes())
    spooled = Spooled(service)
    spooled.new()
    with Traffic(service, "/s/plain", 302) as traffic:
        eventually(lambda: traffic.answered >= 250, 60)
    assert traffic.lost == []
    assert not before & set(service.web_processes())
    assert service.web.says("Autorestarting worker") >= 2
    assert len(spooled.new()) == traffic.answered


def test_reload_restart_and_end_lose_no_request(start: Start) -> None:
    """The socket is inherited, so who comes while no process runs waits in the backlog."""
    service = start()
    with Traffic(service, "/s/plain", 302) as traffic:
        before = set(service.web_processes())
        traffic.go_on()
        os.kill(service.web.pid, signal.SIGHUP)
        eventually(lambda: not before & set(service.web_processes()))
        traffic.go_on()
        assert service.web.stop() == 0
        service.web.start()
        traffic.go_on()
    assert traffic.lost == []
    beginning, blank, end = unlocking("secret", "Expect: 100-continue").partition(b"\r\n\r\n")
    with connect(service) as busy, connect(service) as kept:
        assert status(kept) == 302
        send(busy, [beginning + blank])
        assert b" 100 " in head(busy)  # a thread waits for the rest
        service.web.terminate()
        until_told_to_close(kept)
        assert read(kept) == b""
        send(busy, [end])
        assert b" 403 " in head(busy)
    assert service.web.wait() == 0


def until_told_to_close(connection: socket.socket) -> None:
    """Ask until an answer says so. Each hit has one, but for one that this machine let be late."""
    answered, late = b"", False
    while b"\r\nConnection: close\r\n" not in answered:
        asked_at = time.monotonic()
        send(connection, [HIT])
        answered = head(connection)
        if late and not answered:
            return
        assert b" 302 " in answered
        late = time.monotonic() - asked_at > LINGER / 2


def test_access_log_has_every_request(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    service = start("--access-logfile", str(log))
    with connect(service) as connection:
        for sent in (HIT, PAGE, HIT):
            send(connection, [sent])
            assert b"HTTP/1.1 500" not in answer(connection)
    once_before = 1  # by `gunicorn`
    eventually(lambda: log.read_text().count('"GET /s/plain HTTP/1.1" 302') == once_before + 2)


class TestListeners:
    """A unix socket beside TCP, as in docker-compose.yml: its peers have no address, a proxy tells the visitor's."""

    TOLD = (
        ("X-Forwarded-For: 192.0.2.77", "192.0.2.0/24"),
        ("X-Forwarded-For: 203.0.113.9, 198.51.100.77", "198.51.100.0/24"),
        ("X-Forwarded-For: 198.51.100.77, 2001:db8:1:2::3", "2001:db8:1::/48"),
        ("X-Forwarded-For: unknown", ""),
    )

    @contextmanager
    def connect(self, service: Service, path: Path | None) -> Iterator[socket.socket]:
        with socket.socket(socket.AF_UNIX) if path else connect(service) as connection:
            if path:
                connection.settimeout(PATIENCE)
                connection.connect(str(path))
            yield connection

    @pytest.mark.parametrize("hops", [0, 1])
    def test_both_serve_and_believe_a_proxy_only_where_one_stands(
        self, start: Start, tmp_path: Path, hops: int
    ) -> None:
        path, port = tmp_path / "web.sock", free_port()
        both = ("--bind", f"127.0.0.1:{port}", "--bind", f"unix:{path}")
        service = start(*both, ready=False, PROXY_HOPS=str(hops))
        service.port = port
        eventually(lambda: service.web.says("Booting worker"))  # the file is there before who listens
        service.visit("plain")  # opens the spool
        spooled, before = Spooled(service), answered_by_the_poller(service)
        spooled.new()
        for listener, own in ((None, "127.0.0.0/24"), (path, "")):
            for forwarded, network in (*self.TOLD, ("X-A: 1", own)):
                with self.connect(service, listener) as connection:
                    assert status(connection, get(forwarded)) == 302
                    assert status(connection, get(forwarded, "SCRIPT_NAME: /x", target="/s/limited")) == 302
                networks = [address for _link, _kind, _visitor, address, *_said in spooled.new()]
                assert networks == [network if hops else own] * 2, (listener, forwarded)
        assert answered_by_the_poller(service) == before + 10  # Flask the limited ones


class TestWhereThePollerStaysOut:
    def test_tls_is_served_by_gunicorn(self, start: Start, tmp_path: Path) -> None:
        pem = make_certificate(tmp_path)
        service = start("--certfile", str(pem), "--keyfile", str(pem), ready=False)
        context = ssl.create_default_context(cafile=str(pem))
        eventually(lambda: service.web.says("Booting worker"))
        with closing(context.wrap_socket(connect(service), server_hostname="127.0.0.1")) as connection:
            assert [status(connection) for _ in range(3)] == [302] * 3
            assert self.by_poller(connection) == 0
        with connect(service) as plain:
            assert status(plain) in (0, 400)

    def test_proxy_protocol_is_served_by_gunicorn(self, start: Start) -> None:
        service = start(
            "--proxy-protocol", "v1", "--proxy-allow-from", "127.0.0.1", ready=False, METRICS_TOKEN="metrics"
        )
        spooled = Spooled(service)
        eventually(lambda: service.web.says("Booting worker"))
        introduction = b"PROXY TCP4 192.0.2.77 127.0.0.1 1 2\r\n"
        with connect(service) as connection:
            assert status(connection, introduction + HIT) == 302
        with connect(service) as connection:
            assert self.by_poller(connection, introduction) == 0
        assert [line[3] for line in spooled.new()] == ["192.0.2.0/24"]

    def by_poller(self, connection: socket.socket, introduction: bytes = b"") -> int:
        """As the service itself counts, asked on this connection."""
        send(
            connection,
            [introduction + get("Connection: close", "Authorization: Bearer metrics", target="/metrics")],
        )
        metrics = read(connection).decode()
        assert "slugline_clicks_spooled_total 0.0" not in metrics
        assert "slugline_clicks_spooled_total" in metrics
        return by_poller(metrics)


def make_certificate(folder: Path) -> Path:
    """A throw-away certificate of 127.0.0.1 and its key, in one file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = builder.add_extension(alternative, critical=False).sign(key, hashes.SHA256())
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = folder / "tls.pem"
    path.write_bytes(certificate.public_bytes(Encoding.PEM) + key.private_bytes(*form))
    return path


def test_on_a_gunicorn_that_it_was_not_tested_with_it_warns_and_serves_plainly(start: Start) -> None:
    service = start(worker=UNTESTED)
    with connect(service) as connection:
        assert [status(connection) for _ in range(3)] == [302] * 3
    assert answered_by_the_poller(service) == 0
    warnings = [json.loads(line) for line in service.web.log.read_text().splitlines() if "warning" in line]
    assert any("unicorn" in warning["event"] for warning in warnings)


def test_it_is_what_the_configuration_names() -> None:
    assert HOT in (ROOT / "gunicorn.conf.py").read_text()
