"""The secret that keys one UTC day's visitor hashes.

The worker makes keys ahead and deletes each after its day: from then on nobody, the operator included, can
tell which address a hash stood for. The web process reads them.
"""

import secrets
import time
from datetime import date, timedelta

from sqlalchemy import Engine, delete, select
from sqlalchemy.exc import SQLAlchemyError

from app import clock, database
from app.clicks.models import DayKey
from app.logs import log

_KEY_SIZE = 32
_DAYS_AHEAD = 2
_RETRY = 1.0  # seconds


class DayKeys:
    """The keys as one web process sees them. A click never waits or fails for want of one."""

    def __init__(self, engine: Engine | None = None, retry: float = _RETRY) -> None:
        """`engine` is needed where there is no application context; `retry` is the time in seconds between two
        looks for a key that was not there."""
        self._engine = engine
        self._retry = retry
        self._keys: dict[date, bytes] = {}
        self._stand_ins: dict[date, bytes] = {}
        self._retry_at = 0.0
        self._today = date.min

    def key(self, day: date) -> bytes:
        """Return the day's key, or until it can be read one that only this process knows.

        While a stand-in serves, one visitor has another hash in each process; no click is lost by it.
        """
        if day != self._today:
            self._today = day
            self._keys = {known: key for known, key in self._keys.items() if known >= day}
        if day not in self._keys and time.monotonic() >= self._retry_at:
            self._read(day)
        return self._keys.get(day) or self._stand_in(day)

    def knows(self, day: date) -> bool:
        """Whether `key` would answer from memory."""
        return day in self._keys or (day in self._stand_ins and time.monotonic() < self._retry_at)

    def _read(self, day: date) -> None:
        try:
            with database.reading(self._engine) as connection:
                # The days after come along, so that nobody asks the database at midnight.
                rows = connection.execute(select(DayKey.day, DayKey.key).where(DayKey.day >= day)).all()
        except SQLAlchemyError as error:
            self._do_without(day, str(error))
            return
        # A new dictionary, not a changed one: other threads read the old. Past days fall out by it.
        self._keys = {row.day: row.key for row in rows}
        if day not in self._keys:
            self._do_without(day, "no row: is the worker running?")

    def _do_without(self, day: date, cause: str) -> None:
        self._retry_at = time.monotonic() + self._retry
        if day not in self._stand_ins:
            log.warning("no key for the day's visitor hashes; a stand-in serves", day=str(day), cause=cause)

    def _stand_in(self, day: date) -> bytes:
        if day not in self._stand_ins:
            self._stand_ins.setdefault(
                day, secrets.token_bytes(_KEY_SIZE)
            )  # atomic: all threads agree on one
        for past in [other for other in list(self._stand_ins) if other < day]:
            self._stand_ins.pop(past, None)
        return self._stand_ins[day]


def keep_day_keys() -> None:
    """Make the keys of today and the days ahead where they lack, and delete those of past days."""
    today = clock.now().date()
    ahead = [today + timedelta(days=days) for days in range(_DAYS_AHEAD + 1)]
    with database.writing() as connection:
        connection.execute(delete(DayKey).where(DayKey.day < today))
        statement = database.insert_into(DayKey, connection).on_conflict_do_nothing()
        connection.execute(statement, [{"day": day, "key": secrets.token_bytes(_KEY_SIZE)} for day in ahead])
