"""Times as the roll-ups reckon them, in whole numbers since the epoch, and as the database stores them.

Instead of a `datetime` for each line: a whole number is divided, and the text of a second, a quarter or a day is
made once for the many clicks in it.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

QUARTER = 900_000
"""Milliseconds in a quarter of an hour."""
DAY = 86_400_000
"""Milliseconds in a day."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FRACTIONS = [f".{number:03}000" for number in range(1000)]


def stored_time(milliseconds: int) -> str:
    """Return the text that `UTCDateTime` is on SQLite, and that PostgreSQL reads as the same time in UTC."""
    return _second(milliseconds // 1000) + _FRACTIONS[milliseconds % 1000]


@lru_cache(maxsize=4096)
def stored_quarter(quarter: int) -> str:
    """Return the start of the `quarter`th quarter of an hour as `stored_time` does."""
    return stored_time(quarter * QUARTER)


@lru_cache(maxsize=1024)
def stored_day(day: int) -> str:
    """Return the text that the `day`th day is on SQLite and PostgreSQL."""
    return day_of(day).isoformat()


def day_of(day: int) -> date:
    """Return the `day`th day."""
    return (_EPOCH + timedelta(days=day)).date()


@lru_cache(maxsize=4096)
def _second(second: int) -> str:
    return f"{_EPOCH + timedelta(seconds=second):%Y-%m-%d %H:%M:%S}"
