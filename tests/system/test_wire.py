"""The hot worker's verdict on bytes is Gunicorn's: what it answers, whether it hangs up, what it records.

Two real processes on the same data, one with each worker class, get the vectors of `tests.system.bytes_of_clients`.
"""

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gunicorns import (
    HOT,
    PLAIN,
    PROBE,
    Spooled,
    answer,
    answered_by_the_poller,
    connect,
    gunicorn,
    head,
    read,
    send,
    steady,
)
from tests.e2e.processes import eventually
from tests.e2e.vectors import get, seed
from tests.service import Service
from tests.system.bytes_of_clients.families import FAMILIES
from tests.system.bytes_of_clients.vector import Vector

# The hash seed decides on the order of the methods in an `Allow` header.
SETTINGS = {"GUESSES_LINK": "none", "PYTHONHASHSEED": "0"}


@dataclass(frozen=True)
class Verdict:
    """All that a client and the statistics see of a vector."""

    answers: bytes
    """Up to the end, after the client has said that no more will come."""
    goes_on: bytes
    """The same with a further request instead, whose answer is missing where the server had hung up."""
    recorded: list[list[Any]]


class Server:
    """One of the two."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._spooled = Spooled(service)

    def verdict(self, vector: Vector) -> Verdict:
        """Send the vector twice, so that the end of the answers can be seen without waiting: half-closed behind
        it, and with a further request once the first answer is there."""
        self._spooled.new()
        with connect(self.service) as connection:
            send(connection, vector.pieces)
            connection.shutdown(socket.SHUT_WR)
            answers = read(connection)
        with connect(self.service) as connection:
            send(connection, vector.pieces)
            goes_on = head(connection) if answers else b""
            send(connection, [PROBE])
            with suppress(OSError):  # the server may have hung up
                connection.shutdown(socket.SHUT_WR)
            goes_on += read(connection)
        return Verdict(steady(answers), steady(goes_on), self._spooled.new())


@pytest.fixture(scope="module")
def servers(
    new_database: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Server]]:
    url = new_database("sqlite")
    seed(url)
    with ExitStack() as stack:

        def start(worker: str) -> Server:
            folder: Path = tmp_path_factory.mktemp("web")
            return Server(stack.enter_context(gunicorn(url, folder, worker, **SETTINGS)))

        yield {"hot": start(HOT), "plain": start(PLAIN)}


@dataclass
class Outcome:
    """What became of a family of vectors, by their names."""

    differing: dict[str, tuple[Verdict, Verdict]]
    failed: set[str]
    by_poller: dict[str, float]


@pytest.fixture(scope="module", params=FAMILIES)
def outcome(request: pytest.FixtureRequest, servers: dict[str, Server]) -> Outcome:
    hot, plain = servers["hot"], servers["plain"]
    found = Outcome({}, set(), {})
    before = answered_by_the_poller(hot.service)
    for name, vector in FAMILIES[request.param].items():
        verdicts = hot.verdict(vector), plain.verdict(vector)
        if verdicts[0] != verdicts[1]:
            found.differing[name] = verdicts
        if any(b"HTTP/1.1 500 " in verdict.answers + verdict.goes_on for verdict in verdicts):
            found.failed.add(name)
        after = answered_by_the_poller(hot.service)
        if vector.by_poller is not None:
            found.by_poller[name] = (after - before) / 2  # a verdict sends it twice
        before = after
    return found


@pytest.mark.asvs("4.2.1")
def test_the_hot_worker_does_as_gunicorn(outcome: Outcome) -> None:
    assert outcome.differing == {}
    assert outcome.failed == set()


def test_the_poller_thread_answers_the_plain_ones_and_no_others(
    request: pytest.FixtureRequest, outcome: Outcome
) -> None:
    """The control: were all of it left to Gunicorn, the two would agree as well."""
    vectors = FAMILIES[request.node.callspec.params["outcome"]]
    assert outcome.by_poller == {name: vectors[name].by_poller for name in outcome.by_poller}


def test_connection_changes_hands_and_back(servers: dict[str, Server]) -> None:
    """From one request to the next: the poller thread, Flask, the poller thread, a pair at once, a split one."""
    hit, page = get(), get(target="/robots.txt")
    steps = ((hit,), (page,), (hit,), (hit + hit,), (hit,), (hit[:20], hit[20:]), (hit,))
    told = {}
    before = answered_by_the_poller(servers["hot"].service)
    for name, server in servers.items():
        with connect(server.service) as connection:
            answers = []
            for pieces in steps:
                send(connection, pieces)
                answers += [steady(answer(connection)) for _ in range(b"".join(pieces).count(b"GET "))]
            told[name] = answers
    assert told["hot"] == told["plain"]
    assert answered_by_the_poller(servers["hot"].service) - before == 4


def test_click_of_a_client_that_went_away_is_recorded_once(servers: dict[str, Server]) -> None:
    for server in servers.values():
        spooled = Spooled(server.service)
        spooled.new()
        with connect(server.service) as connection:
            send(connection, [get()])
        assert len(eventually(spooled.new)) == 1


def test_clients_that_reset_their_connections_cost_nothing(servers: dict[str, Server]) -> None:
    for server in servers.values():
        for sent in ([], [get()], [get()[:20]], [get(), get()]):
            with connect(server.service) as connection:
                send(connection, sent)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with connect(server.service) as connection:
            send(connection, [get()])
            assert b" 302 " in head(connection)
        assert server.service.web.says("Traceback") == server.service.web.says('"exc_type"') == 0
