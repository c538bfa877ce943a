"""How long something takes, on a machine that does other things too."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_TICK = 0.01  # seconds


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """Yields what tells the seconds since, as far as this process was let run in them.

    A thread counts them: it stands still while the process is paused, and comes late to its turns where all do.
    """
    over = threading.Event()
    ticks: list[None] = []

    def count() -> None:
        while not over.wait(_TICK):
            ticks.append(None)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        yield lambda: len(ticks) * _TICK
    finally:
        over.set()
        thread.join()
