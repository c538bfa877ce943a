"""Turns at hashing: a flood of sign-ins takes neither all cores nor all threads of a process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Semaphore

from app.errors import Unavailable

_PATIENCE = 0.25  # seconds for which a thread waits for its place in the line
_FOR_OTHERS = 2  # threads of a process that never stand in it


class TooManyHashes(Unavailable):
    """503: as many passwords are being hashed, or wait for it, as this process has room for."""

    message = "Too many passwords are being checked at this moment; try again shortly."

    def __init__(self) -> None:
        super().__init__(retry_after=1)


class Turns:
    """At most `at_once` threads hash; at most `in_line` hash or wait for those."""

    def __init__(self, at_once: int, in_line: int) -> None:
        self._hashing = Semaphore(at_once)
        self._line = Semaphore(in_line)

    @contextmanager
    def take(self) -> Iterator[None]:
        """Wait for a turn. Raises TooManyHashes where the line is full: to wait longer would hold a thread."""
        if not self._line.acquire(timeout=_PATIENCE):
            raise TooManyHashes()
        try:
            with self._hashing:
                yield
        finally:
            self._line.release()


def fair(processes: int, threads: int) -> Turns:
    """The turns of one of several web processes: together they leave a core to all else that they do."""
    cores = (os.cpu_count() or 1) - 1
    return Turns(max(1, cores // processes), max(1, threads - _FOR_OTHERS))
