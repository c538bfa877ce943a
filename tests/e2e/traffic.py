"""Clients that do not stop asking while processes come and go."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException

from tests.e2e.processes import eventually
from tests.service import Service

CLIENTS = 4
PAUSE = 0.001  # seconds between two requests of a client


@dataclass
class Traffic:
    """GETs of one path, half of them on kept connections; whoever was accepted must be answered."""

    service: Service
    path: str
    wanted: int  # status
    answered: int = 0
    lost: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

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
        while not self._stop.wait(PAUSE):
            try:
                answer = self.service.call("GET", self.path, connection=connection)
                assert answer.status == self.wanted
                self.answered += 1
                if not kept or answer.headers.get("connection") == "close":
                    connection.close()
            except (OSError, HTTPException) as error:
                self.lost.append(repr(error))
                connection.close()
        connection.close()

    def go_on(self) -> None:
        """Wait for some more answers."""
        enough = self.answered + 50
        eventually(lambda: self.answered >= enough)
