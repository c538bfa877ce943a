"""Which bounds are those of hours."""

from datetime import UTC, datetime, timedelta

import pytest

from app.clicks import hourly, periods
from app.clicks.periods import Interval, Period

DAY = timedelta(days=1)


def bounds(zone: str, start: datetime, end: datetime, interval: Interval = "hour") -> list[datetime]:
    """Those of a series, as `app.clicks.stats` has them."""
    return [start, *periods.starts(Period(start, end), interval, periods.zone(zone))[1:], end]


def at(clock: str, month: int = 6) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return datetime(2026, month, 10, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "start", "end", "expected"),
    [
        ("UTC", at("09:00"), at("12:00"), True),
        ("UTC", at("09:45"), at("12:15"), True),
        ("Europe/Berlin", at("09:45", 3), at("09:45", 4), True),  # in which clocks change
        ("Asia/Kolkata", at("09:00"), at("12:00"), False),
        ("Asia/Kathmandu", at("09:15"), at("12:15"), False),
        ("Australia/Lord_Howe", at("09:00", 3), at("09:00", 4), False),  # by half an hour
        ("Australia/Lord_Howe", at("09:00", 9), at("09:00", 10), False),
        ("UTC", at("09:45"), at("10:00"), False),  # one step
        ("UTC", at("09:45"), at("10:15"), True),
    ],
)
def test_bounds_of_a_series_by_the_hour(zone: str, start: datetime, end: datetime, expected: bool) -> None:
    assert hourly.are_hours(bounds(zone, start, end)) is expected


@pytest.mark.parametrize(
    ("clocks", "expected"),
    [
        (["09:30", "10:00", "10:30"], True),
        (["09:45", "10:15", "10:45"], False),
        (["09:00", "10:00", "12:00"], False),
        (["08:00", "10:00", "11:00"], False),  # such as the period before, to compare with
        (["09:00", "10:00"], False),
    ],
)
def test_other_bounds(clocks: list[str], expected: bool) -> None:
    assert hourly.are_hours([at(clock) for clock in clocks]) is expected


def test_days_are_no_hours() -> None:
    start = at("00:00")
    assert not hourly.are_hours(bounds("UTC", start, start + 30 * DAY, "day"))
