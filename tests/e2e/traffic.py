"""Clients that do not stop asking while processes come and go."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException

from tests.e2e.processes import eventually
from tests.service import Service

CLIENTS = 4
PAUSE = 0.001  # seconds between two requests of a client
LINGER = 2.0  # seconds that Gunicorn, when it stops, leaves a kept connection (its STOP_KEEPALIVE_LINGER)


@dataclass
class Traffic:
    """GETs of one path, half of them on kept connections; whoever was accepted must be answered.

    But for a client that this machine kept from asking for so long that the server might hang up.
    """

    service: Service
    path: str
    wanted: int  # status
    lost: list[str] = field(default_factory=list)
    _answers: list[None] = field(default_factory=list)  # `+= 1` of several threads would lose some
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def answered(self) -> int:
        return len(self._answers)

    def __enter__(self) -> "Traffic":
        self._pool = ThreadPoolExecutor(CLIENTS)
        self._running = [self._pool.submit(self._ask, kept=number % 2 == 0) for number in range(CLIENTS)]
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._pool.shutdown()
        for client in self._running:
            client.result()

    def _ask(self, kept: bool) -> None:
        connection = self.service.connect()
        answered_at = time.monotonic()
        while not self._stop.wait(PAUSE):
            late = connection.sock is not None and time.monotonic() - answered_at > LINGER / 2
            try:
                answer = self.service.call("GET", self.path, connection=connection)
                assert answer.status == self.wanted
                self._answers.append(None)
                if not kept or answer.headers.get("connection") == "close":
                    connection.close()
            except (OSError, HTTPException) as error:
                if not late:
                    self.lost.append(repr(error))
                connection.close()
            answered_at = time.monotonic()
        connection.close()

    def go_on(self) -> None:
        """Wait for some more answers."""
        enough = self.answered + 50
        eventually(lambda: self.answered >= enough)
