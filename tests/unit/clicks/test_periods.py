"""Ranges, and the hours, days, weeks and months of time zones that they are told in."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import available_timezones

import pytest
import time_machine

from app.clicks import periods
from app.clicks.periods import MAX_BUCKETS, QUARTER, Interval, Period
from app.errors import ValidationFailed

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BERLIN, NEW_YORK = periods.zone("Europe/Berlin"), periods.zone("America/New_York")
KOLKATA, CHATHAM = periods.zone("Asia/Kolkata"), periods.zone("Pacific/Chatham")
SANTIAGO, HAVANA = periods.zone("America/Santiago"), periods.zone("America/Havana")
APIA, LORD_HOWE = periods.zone("Pacific/Apia"), periods.zone("Australia/Lord_Howe")


def at(text: str) -> datetime:
    """A time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def span(start: str, end: str) -> Period:
    return Period(at(start), at(end))


@pytest.mark.parametrize(
    ("start", "end", "fields"),
    [
        ("2026-05-01T00:00", "2026-05-01T00:00", "from"),
        ("2026-05-02T00:00", "2026-05-01T00:00", "from"),
        ("1999-12-31T23:59", "2026-05-01T00:00", "from"),
        ("2026-05-01T00:00", "2200-01-01T00:01", "to"),
        ("9999-12-31T23:59", "9999-12-31T23:59:59", "from to"),
    ],
)
def test_range_that_cannot_be_told_is_refused(start: str, end: str, fields: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        periods.period(at(start), at(end))
    assert [error.field for error in refused.value.details] == fields.split()


@pytest.mark.parametrize(
    "edge", ["0001-01-01T00:00+05:00", "9999-12-31T23:59-05:00", "2000-01-01T00:00+00:01"]
)
def test_end_out_of_all_time_is_refused_without_a_start(edge: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        periods.period(None, datetime.fromisoformat(edge))
    assert refused.value.field == "to"


@pytest.mark.parametrize(
    ("start", "end", "whole"),
    [
        ("10:00", "10:15", ("10:00", "10:15")),
        ("10:14:59.999999", "10:15:00.000001", ("10:00", "10:30")),
        ("10:15:00", "10:29:59.999999", ("10:15", "10:30")),
        ("10:44:01", "10:46", ("10:30", "11:00")),
    ],
)
def test_range_is_the_quarters_of_an_hour_that_it_touches(
    start: str, end: str, whole: tuple[str, str]
) -> None:
    found = periods.period(at(f"2026-05-01T{start}"), at(f"2026-05-01T{end}"))
    assert found == span(*(f"2026-05-01T{time}" for time in whole))


def test_times_of_other_zones_mean_the_same_moment() -> None:
    start = datetime.fromisoformat("2026-05-01T03:30+05:30")
    assert periods.period(start, start + HOUR) == span("2026-04-30T22:00", "2026-04-30T23:00")


def test_without_a_range_it_is_the_last_thirty_days() -> None:
    with time_machine.travel(at("2026-05-31T12:34:56"), tick=False):
        assert periods.period(None, None) == span("2026-05-01T12:30", "2026-05-31T12:45")


def test_default_range_begins_no_earlier_than_any_range_may() -> None:
    assert periods.period(None, at("2000-01-02T00:00")).start == at("2000-01-01T00:00")


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+12"])
def test_zone_goes_by_its_name(name: str) -> None:
    assert str(periods.zone(name)) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Mars/Olympus",
        "Europe",
        "Europe/",
        "europe/berlin",
        "Europe/Berlin\n",
        "../../etc/passwd",
        "/etc/localtime",
        "localtime",
        "posix/Europe/Berlin",
        "tzdata.zi",
        "SECURITY",
        "A\0B",
        "A" * 5_000,
        "\ud800",
    ],
)
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^"):
        periods.zone(name)


@pytest.mark.parametrize(
    ("zone", "day", "begins", "hours"),
    [
        (BERLIN, "2026-03-29", "2026-03-28T23:00", 23),
        (BERLIN, "2026-10-25", "2026-10-24T22:00", 25),
        (BERLIN, "2026-10-26", "2026-10-25T23:00", 24),
        (NEW_YORK, "2026-03-08", "2026-03-08T05:00", 23),
        (NEW_YORK, "2026-11-01", "2026-11-01T04:00", 25),
        (KOLKATA, "2026-03-29", "2026-03-28T18:30", 24),
        (CHATHAM, "2026-04-05", "2026-04-04T10:15", 25),
        (CHATHAM, "2026-09-27", "2026-09-26T11:15", 23),
        (SANTIAGO, "2026-09-06", "2026-09-06T04:00", 23),  # has no midnight: clocks go from 0:00 to 1:00
        (HAVANA, "2026-11-01", "2026-11-01T04:00", 25),  # has two: clocks go back from 1:00 to 0:00
        (LORD_HOWE, "2026-04-05", "2026-04-04T13:00", 24.5),
    ],
)
def test_day_is_as_long_as_it_is_there(zone, day: str, begins: str, hours: float) -> None:
    noon = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=zone)
    first, second = periods.starts(Period(noon, noon + DAY), "day", zone)
    assert first == at(begins)
    assert second - first == hours * HOUR
    assert str(first.astimezone(zone).date()) == day


@pytest.mark.parametrize(
    ("zone", "start", "end", "hours"),
    [
        (BERLIN, "2026-10-24T22:00", "2026-10-25T23:00", 25),
        (BERLIN, "2026-03-28T23:00", "2026-03-29T22:00", 23),
        (KOLKATA, "2026-03-28T18:30", "2026-03-29T18:30", 24),
        (CHATHAM, "2026-04-04T10:15", "2026-04-05T11:15", 25),
    ],
)
def test_hours_are_real_ones_and_begin_where_the_clock_says(zone, start: str, end: str, hours: int) -> None:
    found = periods.starts(span(start, end), "hour", zone)
    assert len(found) == hours
    assert {later - earlier for earlier, later in pairwise(found)} == {HOUR}
    assert {moment.astimezone(zone).minute for moment in found} == {0}


def test_hour_with_a_change_of_half_an_hour_takes_ninety_minutes() -> None:
    found = periods.starts(span("2026-04-04T13:00", "2026-04-04T18:30"), "hour", LORD_HOWE)
    assert [later - earlier for earlier, later in pairwise(found)] == [HOUR, 1.5 * HOUR, HOUR, HOUR]


def test_first_step_may_begin_before_the_range() -> None:
    found = periods.starts(span("2026-05-01T10:15", "2026-05-01T11:15"), "hour", UTC)
    assert found == [at("2026-05-01T10:00"), at("2026-05-01T11:00")]
    assert periods.starts(span("2026-05-01T10:15", "2026-05-01T10:30"), "hour", KOLKATA) == [
        at("2026-05-01T09:30")
    ]


def test_weeks_begin_on_monday_of_the_zone() -> None:
    sunday_evening = span("2026-03-29T22:00", "2026-04-05T22:15")
    assert periods.starts(sunday_evening, "week", UTC) == [at("2026-03-23T00:00"), at("2026-03-30T00:00")]
    assert periods.starts(sunday_evening, "week", BERLIN) == [at("2026-03-29T22:00"), at("2026-04-05T22:00")]


def test_months_have_their_own_lengths() -> None:
    found = periods.starts(span("2024-01-31T12:00", "2025-01-01T00:00"), "month", UTC)
    assert [(moment.year, moment.month, moment.day) for moment in found] == [
        (2024, month, 1) for month in range(1, 13)
    ]
    assert periods.starts(span("2026-02-28T18:30", "2026-04-01T00:00"), "month", KOLKATA) == [
        at("2026-02-28T18:30"),
        at("2026-03-31T18:30"),
    ]


def test_day_that_a_zone_left_out_has_no_step() -> None:
    found = periods.starts(span("2011-12-29T10:00", "2012-01-01T10:00"), "day", APIA)
    assert [moment.astimezone(APIA).day for moment in found] == [29, 31, 1]


@pytest.mark.parametrize(
    ("start", "end", "interval"),
    [
        ("2026-05-01T00:00", "2026-06-11T16:15", "hour"),
        ("2000-01-01T00:00", "2200-01-01T00:00", "month"),
        ("2000-01-01T00:00", "2200-01-01T00:00", "hour"),
    ],
)
def test_more_steps_than_allowed_are_refused(start: str, end: str, interval: Interval) -> None:
    with pytest.raises(ValidationFailed) as refused:
        periods.starts(span(start, end), interval, BERLIN)
    assert refused.value.field == "interval"


def test_as_many_steps_as_allowed_are_told() -> None:
    start = at("2026-05-01T00:00")
    assert len(periods.starts(Period(start, start + MAX_BUCKETS * HOUR), "hour", UTC)) == MAX_BUCKETS


def test_midnights_and_hours_of_every_zone_lie_on_quarters_of_an_hour() -> None:
    """What ADR 5 stands on."""
    year = span("2026-01-01T00:00", "2027-01-01T00:00")
    for name in available_timezones() - {"localtime"}:
        found = periods.starts(year, "week", periods.zone(name))
        assert all((moment - year.start) % QUARTER == timedelta(0) for moment in found), name


@pytest.mark.parametrize(
    ("zone", "start", "end", "before"),
    [
        (UTC, "2026-05-01T10:15", "2026-05-01T11:00", "2026-05-01T09:30"),  # as long
        (UTC, "2026-05-01T00:00", "2026-05-31T12:30", "2026-03-31T11:30"),
        (UTC, "2026-05-04T00:00", "2026-05-11T00:00", "2026-04-27T00:00"),  # a week
        (UTC, "2026-05-01T00:00", "2026-06-01T00:00", "2026-04-01T00:00"),  # a month
        (UTC, "2026-03-01T00:00", "2026-04-01T00:00", "2026-02-01T00:00"),
        (UTC, "2026-01-01T00:00", "2026-04-01T00:00", "2025-10-01T00:00"),  # three
        (UTC, "2026-01-01T00:00", "2027-01-01T00:00", "2025-01-01T00:00"),  # a year
        (BERLIN, "2026-03-28T23:00", "2026-03-29T22:00", "2026-03-27T23:00"),  # before 23 hours come 24
        (BERLIN, "2026-03-29T22:00", "2026-03-30T22:00", "2026-03-28T23:00"),  # before 24 come 23
        (BERLIN, "2026-10-31T23:00", "2026-11-30T23:00", "2026-09-30T22:00"),  # before November October
        (KOLKATA, "2026-04-30T18:30", "2026-05-31T18:30", "2026-03-31T18:30"),
        (BERLIN, "2026-05-01T00:00", "2026-06-01T00:00", "2026-03-31T00:00"),  # no whole days there
    ],
)
def test_period_before_ends_where_this_begins(zone, start: str, end: str, before: str) -> None:
    assert periods.before(span(start, end), zone) == span(before, start)
