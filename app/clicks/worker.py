"""The loop of the worker process: spool lines whenever there are some, and chores, each in its own time."""

import threading
import time
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass

from flask import current_app
from prometheus_client import Counter

from app.clicks.countries import countries
from app.clicks.ingest import AlreadyRunning, Ingester
from app.logs import log

CHORE_FAILURES = Counter("slugline_chore_failures", "Times that a chore of the worker failed", ["chore"])
_POLL = 0.25  # seconds: a click shows in the stats within two
_LONGEST_PAUSE = 5.0  # seconds between two tries while something is broken
_STANDBY = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to do every `period` seconds. What it raises is logged, and it is tried again soon."""

    name: str
    period: float
    action: Callable[[], object]


def run_worker(stop: threading.Event, chores: Sequence[Chore]) -> None:
    """Work until `stop` is set; returns between two transactions. Needs an application context.

    A second worker beside the first does its chores too, and takes over the spool when the first one is gone.
    Raises only when the country database (GEOIP_DATABASE) cannot be opened, which is at once.
    """
    ingester = Ingester(current_app.config["SPOOL_DIR"], countries(current_app.config["GEOIP_DATABASE"]))
    timetable = _Timetable(chores)
    standing_by = False
    while not stop.is_set():
        try:
            with ingester:
                log.info("ingester started")
                standing_by = False
                _ingest(stop, ingester, timetable)
        except AlreadyRunning:
            if not standing_by:
                log.info("another ingester has the spool; standing by")
            standing_by = True
            timetable.run_due()
            stop.wait(_STANDBY)


def run_chores(stop: threading.Event, chores: Sequence[Chore]) -> None:
    """Do chores alone until `stop` is set: those that wait for a network, in a thread of their own, so that no click
    waits for it. Needs an application context."""
    timetable = _Timetable(chores)
    while not stop.is_set():
        timetable.run_due()
        stop.wait(_POLL)


def _ingest(stop: threading.Event, ingester: Ingester, timetable: "_Timetable") -> None:
    pause = _POLL
    while not stop.is_set():
        timetable.run_due()
        try:
            taken = _step(stop, ingester)
        except Exception as error:  # whatever it is, the next lines must not wait for a restart
            pause = min(2 * pause, _LONGEST_PAUSE)
            log.error("ingest failed; trying again", pause=pause, exc_info=error)
            stop.wait(pause)
        else:
            pause = _POLL
            if not taken:
                stop.wait(_POLL)


def _step(stop: threading.Event, ingester: Ingester) -> int:
    total = 0
    for taken in ingester.step():
        total += taken
        if taken and stop.wait(ingester.pause):
            break
    return total


def _do(chore: Chore) -> None:
    """In a context of its own, so that who acts in one chore is not taken for who acts in the next."""
    with current_app.app_context():  # a database session of its own
        chore.action()


class _Timetable:
    """When each chore is due; each at once at first."""

    def __init__(self, chores: Sequence[Chore]) -> None:
        self._due = dict.fromkeys(chores, 0.0)

    def run_due(self) -> None:
        for chore, due in self._due.items():
            if time.monotonic() >= due:
                self._due[chore] = time.monotonic() + self._run(chore)

    @staticmethod
    def _run(chore: Chore) -> float:
        """Run `chore` and return the seconds until its next time."""
        try:
            copy_context().run(_do, chore)
        except Exception as error:  # one chore's failure is no reason to stop the others
            CHORE_FAILURES.labels(chore.name).inc()
            log.error("chore failed", chore=chore.name, exc_info=error)
            return min(chore.period, _LONGEST_PAUSE)
        return chore.period
