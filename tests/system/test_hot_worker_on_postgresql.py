"""The hot worker where links have to be waited for: a thread looks up together those that it does not know."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.e2e.gunicorns import (
    HOT,
    Spooled,
    answer,
    answered_by_the_poller,
    connect,
    gunicorn,
    read,
    send,
    steady,
)
from tests.e2e.processes import eventually
from tests.e2e.vectors import get, seed
from tests.service import Service

GRACE = 60  # seconds
CODES = ["plain", "moved", "kept", "started"]
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture(scope="module")
def url(new_database: Callable[[str], str]) -> str:
    made = new_database("postgresql")
    seed(made)
    return made


@pytest.fixture
def service(url: str, tmp_path: Path) -> Iterator[Service]:
    with gunicorn(url, tmp_path, HOT, f"--graceful-timeout {GRACE}", WEB_THREADS="1") as service:
        yield service


@contextmanager
def unreadable_links(service: Service) -> Iterator[Callable[[], None]]:
    """Nobody reads links for as long as the block takes; yields what waits until somebody tries to."""
    url = service.database_url.replace("+psycopg", "")
    with psycopg.connect(url) as holder, psycopg.connect(url, autocommit=True) as other:
        holder.execute("LOCK TABLE links IN ACCESS EXCLUSIVE MODE")

        def until_somebody_waits() -> None:
            eventually(lambda: other.execute(WAITING).fetchone() != (0,))

        yield until_somebody_waits
        holder.rollback()


def status(answered: bytes) -> bytes:
    return answered.split(b" ", 2)[1]


def forgotten(service: Service) -> None:
    """Until what was asked for is remembered no more: nobody asks for it, so it is not renewed."""
    time.sleep(3)


def test_links_that_are_not_known_are_told_each_to_who_asked_and_counted_once(service: Service) -> None:
    codes = [*CODES, "unknown", "expired", "limited"] * 3
    with ExitStack() as stack:
        asking = [stack.enter_context(connect(service)) for _ in codes]
        for connection in asking:
            send(connection, [get(target="/s/plain")])
        assert {status(answer(connection)) for connection in asking} == {b"302"}
        wanted = {}
        for code in set(codes):
            send(asking[0], [get(target=f"/s/{code}")])
            wanted[code] = steady(answer(asking[0]))
        forgotten(service)
        spooled, before = Spooled(service), answered_by_the_poller(service)
        spooled.new()
        for connection, code in zip(asking, codes, strict=True):
            send(connection, [get(target=f"/s/{code}")])
        found = [steady(answer(connection)) for connection in asking]
    assert found == [wanted[code] for code in codes]
    assert answered_by_the_poller(service) == before + 3 * len(CODES)
    assert len(spooled.new()) == 3 * (len(CODES) + 1)


def test_who_waits_for_a_link_holds_up_nobody_else_and_is_answered_in_order(service: Service) -> None:
    with ExitStack() as stack:
        asking = [stack.enter_context(connect(service)) for _ in CODES]
        for connection in asking:
            send(connection, [get(target="/s/plain")])
            answer(connection)
        forgotten(service)
        spooled = Spooled(service)
        spooled.new()
        before = answered_by_the_poller(service)
        gone = stack.enter_context(connect(service))
        with unreadable_links(service) as until_somebody_waits:
            for connection, code in zip(asking, CODES, strict=True):
                send(connection, [get(target=f"/s/{code}")])
            until_somebody_waits()
            send(gone, [get(target="/s/plain")])
            gone.close()
            send(asking[0], [get(target="/s/moved")])
            assert service.call("GET", "/healthz").status == 200
        assert [status(answer(connection)) for connection in asking] == [b"302", b"301", b"307", b"302"]
        assert status(answer(asking[0])) == b"301"
    eventually(lambda: answered_by_the_poller(service) == before + 6)
    assert len(spooled.new()) == 6


def test_calls_that_hold_all_threads_hold_up_no_visitor(service: Service) -> None:
    with ExitStack() as stack:
        for _ in range(3):
            send(stack.enter_context(connect(service)), [b"GET /s/pl"])
        forgotten(service)
        with connect(service) as connection:
            send(connection, [get(target="/s/moved")])
            assert status(answer(connection)) == b"301"


def test_who_waits_for_a_link_is_answered_by_a_process_that_ends(service: Service) -> None:
    with connect(service) as kept:
        send(kept, [get(target="/s/plain")])
        answer(kept)
        forgotten(service)
        with unreadable_links(service) as until_somebody_waits:
            send(kept, [get(target="/s/moved")])
            until_somebody_waits()
            service.web.terminate()
            time.sleep(0.5)
        assert status(answer(kept)) == b"301"
        answered = time.monotonic()
        assert read(kept) == b""
    assert service.web.wait() == 0
    assert time.monotonic() - answered < GRACE / 2
