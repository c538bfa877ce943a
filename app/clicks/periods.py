"""Ranges of time, the calendar steps they are told in, and the range before one to compare with.

Clicks are counted by quarters of an hour (ADR 5), so a range is whole quarters, and every bound here lies on one:
the hours and midnights of each time zone of today do.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app import clock
from app.errors import FieldError, ValidationFailed

Interval = Literal["hour", "day", "week", "month"]
INTERVALS: tuple[Interval, ...] = get_args(Interval)

QUARTER = timedelta(minutes=15)
DEFAULT_RANGE = timedelta(days=30)
MAX_BUCKETS = 1_000

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
# The names of the IANA database begin with a capital; the other files beside them (posix/, localtime) do not.
_ZONE = re.compile(r"[A-Z][A-Za-z0-9_+-]{0,30}(/[A-Za-z0-9_+-]{1,30}){0,2}")


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` to before `end`, two times in UTC."""

    start: datetime
    end: datetime


def zone(name: str) -> tzinfo:
    """The time zone of an IANA name. Raises ValueError where there is none."""
    if not _ZONE.fullmatch(name):
        raise ValueError(name)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError):  # OSError: a folder of zones, such as Europe
        raise ValueError(name) from None


def period(start: datetime | None, end: datetime | None) -> Period:
    """The quarters of an hour that [start, end) touches; by default the 30 days up to `end`, or now.

    Raises ValidationFailed naming `from` or `to` for a range that is empty or out of bounds.
    """
    # Before anything is reckoned: in the years 1 and 9999 a time zone alone overflows.
    errors = [
        FieldError(name, "Choose a time from the year 2000 to 2200.")
        for name, moment in (("from", start), ("to", end))
        if moment and not _EARLIEST <= moment <= _LATEST
    ]
    if errors:
        raise ValidationFailed.of(errors)
    end = (end or clock.now()).astimezone(UTC)
    start = start.astimezone(UTC) if start else max(end - DEFAULT_RANGE, _EARLIEST)
    if start >= end:
        raise ValidationFailed.of([FieldError("from", "The range must begin before it ends.")])
    return Period(_quarter(start), -(-(end - _EARLIEST) // QUARTER) * QUARTER + _EARLIEST)


def starts(within: Period, interval: Interval, zone: tzinfo) -> list[datetime]:
    """Where the hours, days, weeks (ISO 8601, from Monday) or months of `zone` begin that the period touches.

    In UTC and ascending; the first may lie before the period. A day is as long as it is there: 23 hours and 25 when
    clocks change. Raises ValidationFailed naming `interval` for more than 1,000.
    """
    found = [_floor(within.start, interval, zone)]
    while (following := _next(found[-1], interval, zone)) < within.end:
        if len(found) == MAX_BUCKETS:
            message = f"The range has more than {MAX_BUCKETS:,} intervals; choose longer ones."
            raise ValidationFailed.of([FieldError("interval", message)])
        found.append(following)
    return found


def before(this: Period, zone: tzinfo) -> Period:
    """The period just before this one, which ends where it begins.

    As many calendar months or days of `zone`, where it is made of whole ones (before May comes April, before a day
    of 23 hours a whole day); else as long.
    """
    start, end = this.start.astimezone(zone), this.end.astimezone(zone)
    if not (_is_midnight(this.start, zone) and _is_midnight(this.end, zone)):
        return Period(this.start - (this.end - this.start), this.start)
    if start.day == end.day == 1:
        months = (end.year - start.year) * 12 + end.month - start.month
        earlier = _months_before(start.date(), months)
    else:
        earlier = start.date() - (end.date() - start.date())
    return Period(_midnight(earlier, zone), this.start)


def _quarter(moment: datetime) -> datetime:
    return (moment - _EARLIEST) // QUARTER * QUARTER + _EARLIEST


def _floor(moment: datetime, interval: Interval, zone: tzinfo) -> datetime:
    local = moment.astimezone(zone)
    if interval == "hour":
        # Past :00 by the wall clock, in time that has really passed.
        return moment - timedelta(minutes=local.minute)
    day = local.date()
    if interval == "week":
        day -= timedelta(days=day.weekday())
    return _midnight(day.replace(day=1) if interval == "month" else day, zone)


def _next(bucket: datetime, interval: Interval, zone: tzinfo) -> datetime:
    if interval == "hour":
        # Where clocks change by half an hour (Lord Howe) that one hour takes up to 90 minutes.
        following = bucket + _HOUR
        late = following.astimezone(zone).minute
        return following + timedelta(minutes=60 - late) if late else following
    day = bucket.astimezone(zone).date()
    then = _months_before(day, -1) if interval == "month" else day + (7 if interval == "week" else 1) * _DAY
    # A zone that crosses the date line skips a day whole (Samoa, 30 December 2011): it has no bucket.
    found = _midnight(then, zone)
    return found if found > bucket else _midnight(then + _DAY, zone)


def _midnight(day: date, zone: tzinfo) -> datetime:
    """When a day begins: at the first midnight of two, at the change of clocks where it leaves midnight out."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _is_midnight(moment: datetime, zone: tzinfo) -> bool:
    return moment == _midnight(moment.astimezone(zone).date(), zone)


def _months_before(first: date, months: int) -> date:
    """The first day of the month so many months before that of `first`."""
    year, month = divmod(first.year * 12 + first.month - 1 - months, 12)
    return date(year, month + 1, 1)
