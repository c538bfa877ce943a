"""Turns at what is dear: a flood of sign-ins or pictures takes neither all cores nor all threads of a process."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Semaphore
from typing import ClassVar

from prometheus_client import Counter

from app.errors import Unavailable

REFUSED = Counter(
    "slugline_busy_refusals", "Calls refused with 503 because the line at this work was full", ["work"]
)


class TooBusy(Unavailable):
    """503: as many do this work, or wait for it, as this process has room for. `work` is its name in metrics."""

    work: ClassVar[str]

    def __init__(self) -> None:
        super().__init__(retry_after=1)


class Turns:
    """At most `at_once` threads work; at most `in_line` work or wait for those.

    Who finds the line full is refused with `refusal`, but for one at a time, who waits `patience` seconds for a place
    in it first: were all to wait, a flood would hold each thread that the line leaves to other work.
    """

    def __init__(self, at_once: int, in_line: int, refusal: type[TooBusy], patience: float) -> None:
        self._working = Semaphore(at_once)
        self._line = Semaphore(in_line)
        self._waiting = Semaphore(1)
        self._refusal = refusal
        self._patience = patience

    @contextmanager
    def take(self) -> Iterator[None]:
        """Wait for a turn. Raises `refusal` where the line is full: to wait longer would hold a thread."""
        if not self._finds_a_place():
            REFUSED.labels(self._refusal.work).inc()
            raise self._refusal()
        try:
            with self._working:
                yield
        finally:
            self._line.release()

    def _finds_a_place(self) -> bool:
        if self._line.acquire(blocking=False):
            return True
        if not self._waiting.acquire(blocking=False):
            return False
        try:
            return self._line.acquire(timeout=self._patience)
        finally:
            self._waiting.release()
