"""Retries under kill -9: a client that sends each creating call until it is answered, and once more, with a key."""

import os
import random
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from threading import Event, Thread

import pytest

from tests.e2e.processes import eventually
from tests.service import Service

LINKS = 100
CLIENTS = 8
KILLS = 4


class Client:
    """Makes links; counts what came of its requests."""

    def __init__(self, service: Service, token: str) -> None:
        self._service = service
        self._token = token
        self.outcomes: Counter[str] = Counter()

    def create(self, key: str) -> str:
        """Send until there is an answer, then once more; return the code, the same from both."""
        codes = {self._answered(key), self._answered(key)}
        assert len(codes) == 1
        return codes.pop()

    def _answered(self, key: str) -> str:
        return eventually(lambda: self._sent(key))

    def _sent(self, key: str) -> str:
        try:
            answer = self._service.call(
                "POST",
                "/api/v1/links",
                token=self._token,
                body={"url": f"https://example.org/{key}"},
                headers={"Idempotency-Key": key},
            )
        except (OSError, HTTPException):
            self.outcomes["lost"] += 1
            return ""
        assert answer.status == 201, answer.body
        self.outcomes["replayed" if "idempotency-replayed" in answer.headers else "first"] += 1
        return str(answer.json["code"])


def kill_now_and_then(service: Service, client: Client, over: Event) -> None:
    """kill -9 all that answers, whenever another share of the links is made; Gunicorn starts anew."""
    chance = random.Random(7)
    for kill in range(1, KILLS + 1):
        eventually(lambda: over.is_set() or client.outcomes["first"] >= kill * LINKS // (KILLS + 1))  # noqa: B023 - asked within the turn
        if over.wait(chance.random() / 50):
            return
        for pid in service.web_processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_hundred_calls_under_kill_9_make_a_hundred_links(start, new_database, engine: str) -> None:
    service = start(new_database(engine), LIMIT_CREATE="none")
    token = service.sign_up()
    client, over = Client(service, token), Event()
    killer = Thread(target=kill_now_and_then, args=(service, client, over))
    killer.start()
    try:
        with ThreadPoolExecutor(CLIENTS) as threads:
            codes = list(threads.map(client.create, [f"key-{number}" for number in range(LINKS)]))
    finally:
        over.set()
        killer.join()
    print(dict(client.outcomes))  # noqa: T201 - `pytest -s` shows it
    assert len(set(codes)) == LINKS
    listed = service.call("GET", "/api/v1/links?limit=100", token=token).json
    assert ({link["code"] for link in listed["items"]}, listed["page"]["has_more"]) == (set(codes), False)
    assert client.outcomes["lost"] > 0, "no kill hit a request: nothing was shown"
    assert client.outcomes["first"] + client.outcomes["replayed"] == 2 * LINKS
