"""Whole numbers and texts of times are what the ORM's types make of the same times."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Date
from sqlalchemy.dialects import sqlite

from app.clicks.times import DAY, QUARTER, day_of, stored_day, stored_quarter, stored_time
from app.database import UTCDateTime

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST = 253_402_300_799_999
times = st.integers(0, LAST)


def at(milliseconds: int) -> datetime:
    return EPOCH + timedelta(milliseconds=milliseconds)


def stored(type_: Date | UTCDateTime, value: date) -> str:
    """What SQLAlchemy hands to SQLite."""
    processor = type_.dialect_impl(sqlite.dialect()).bind_processor(sqlite.dialect())
    assert processor is not None
    return str(processor(value))


@given(times)
def test_a_time_is_the_text_that_its_type_stores(milliseconds: int) -> None:
    assert stored_time(milliseconds) == stored(UTCDateTime(), at(milliseconds))


@given(times)
def test_a_quarter_is_its_start(milliseconds: int) -> None:
    time = at(milliseconds)
    start = time.replace(minute=time.minute // 15 * 15, second=0, microsecond=0)
    assert stored_quarter(milliseconds // QUARTER) == stored(UTCDateTime(), start)


@given(times)
def test_a_day_is_the_date_in_utc(milliseconds: int) -> None:
    assert day_of(milliseconds // DAY) == at(milliseconds).date()
    assert stored_day(milliseconds // DAY) == stored(Date(), at(milliseconds).date())


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "1970-01-01 00:00:00.000000"), (LAST, "9999-12-31 23:59:59.999000")],
)
def test_the_first_and_the_last_time(milliseconds: int, text: str) -> None:
    assert stored_time(milliseconds) == text
