"""A link's statistics, read from the roll-ups only.

Counts are exact to the hour: a range covers every UTC hour it touches. What is broken down by facet is kept
by day: it covers every UTC day that the range touches.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import func, select

from app import clock
from app.clicks.models import ClickCount, ClickFacet
from app.errors import FieldError, ValidationFailed
from app.extensions import db

Interval = Literal["hour", "day", "week", "month"]
INTERVALS: tuple[Interval, ...] = get_args(Interval)

DEFAULT_RANGE = timedelta(days=30)
MAX_BUCKETS = 1_000
TOP = 10

_HOUR = timedelta(hours=1)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_STEPS = {"hour": _HOUR, "day": timedelta(days=1), "week": timedelta(weeks=1)}


@dataclass(frozen=True, slots=True)
class Counts:
    """Clicks = humans + bots; prefetches are not clicks."""

    humans: int = 0
    bots: int = 0

    @property
    def clicks(self) -> int:
        return self.humans + self.bots


@dataclass(frozen=True, slots=True)
class Bucket:
    """The clicks of the range from `start` up to the next bucket; the first may begin before the range does."""

    start: datetime
    humans: int
    bots: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of a facet, and how many human clicks had it; "" is direct, or unknown."""

    value: str
    clicks: int


@dataclass(frozen=True, slots=True)
class Top:
    """The most frequent values, most frequent first."""

    referrers: Sequence[Entry]
    countries: Sequence[Entry]
    browsers: Sequence[Entry]
    os: Sequence[Entry]
    devices: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Stats:
    """What GET /links/{code}/stats tells; `start` and `end` are the whole hours that were counted."""

    start: datetime
    end: datetime
    interval: Interval
    totals: Counts
    series: Sequence[Bucket]
    top: Top


@dataclass(frozen=True, slots=True)
class Totals:
    """All clicks of a link since it was made; `last_at` is None before the first."""

    humans: int = 0
    bots: int = 0
    last_at: datetime | None = None

    @property
    def total(self) -> int:
        return self.humans + self.bots


def stats(
    link_id: int, start: datetime | None = None, end: datetime | None = None, interval: Interval = "day"
) -> Stats:
    """Return the statistics of the hours that [start, end) touches; by default of the 30 days up to `end`, or now.

    Raises ValidationFailed naming `from` or `to` for a range that is empty or out of bounds, and `interval`
    for one that has more than 1,000 buckets.
    """
    start, end = _whole_hours(start, end)
    starts = _bucket_starts(start, end, interval)
    sums = dict.fromkeys(starts, Counts())
    for row in _hours(link_id, start, end):
        bucket = _floor(row.hour, interval)
        sums[bucket] = Counts(sums[bucket].humans + row.humans, sums[bucket].bots + row.bots)
    return Stats(
        start=start,
        end=end,
        interval=interval,
        totals=Counts(sum(c.humans for c in sums.values()), sum(c.bots for c in sums.values())),
        series=[Bucket(bucket, counts.humans, counts.bots) for bucket, counts in sums.items()],
        top=_top(link_id, start, end),
    )


def link_totals(link_ids: Iterable[int]) -> dict[int, Totals]:
    """Return the totals of every one of `link_ids`, by one statement."""
    ids = list(link_ids)
    rows = db.session.execute(
        select(
            ClickCount.link_id,
            func.sum(ClickCount.humans).label("humans"),
            func.sum(ClickCount.bots).label("bots"),
            func.max(ClickCount.last_at).label("last_at"),
        )
        .where(ClickCount.link_id.in_(ids))
        .group_by(ClickCount.link_id)
    )
    # PostgreSQL sums bigints to numeric, which arrives as Decimal.
    found = {row.link_id: Totals(int(row.humans), int(row.bots), row.last_at) for row in rows}
    return {link_id: found.get(link_id, Totals()) for link_id in ids}


def _whole_hours(start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    """The range as given or by default, in UTC, aligned outwards to whole hours."""
    # Before anything is reckoned: in the years 1 and 9999 a time zone alone overflows.
    errors = [
        FieldError(name, "Choose a time from the year 2000 to 2200.")
        for name, time in (("from", start), ("to", end))
        if time and not _EARLIEST <= time <= _LATEST
    ]
    if errors:
        raise ValidationFailed.of(errors)
    end = (end or clock.now()).astimezone(UTC)
    start = start.astimezone(UTC) if start else max(end - DEFAULT_RANGE, _EARLIEST)
    if start >= end:
        raise ValidationFailed.of([FieldError("from", "The range must begin before it ends.")])
    floor = _floor(end, "hour")
    return _floor(start, "hour"), floor if floor == end else floor + _HOUR


def _bucket_starts(start: datetime, end: datetime, interval: Interval) -> list[datetime]:
    starts: list[datetime] = []
    bucket = _floor(start, interval)
    while bucket < end:
        if len(starts) == MAX_BUCKETS:
            message = f"The range has more than {MAX_BUCKETS} intervals; choose longer ones."
            raise ValidationFailed.of([FieldError("interval", message)])
        starts.append(bucket)
        bucket = _next(bucket, interval)
    return starts


def _floor(time: datetime, interval: Interval) -> datetime:
    """The start of the interval that `time` (in UTC) lies in; weeks begin on Monday (ISO 8601)."""
    hour = time.replace(minute=0, second=0, microsecond=0)
    if interval == "hour":
        return hour
    day = hour.replace(hour=0)
    if interval == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if interval == "month" else day


def _next(bucket: datetime, interval: Interval) -> datetime:
    if interval == "month":
        return (bucket + timedelta(days=31)).replace(day=1)
    return bucket + _STEPS[interval]


def _hours(link_id: int, start: datetime, end: datetime) -> Iterable[Any]:
    return db.session.execute(
        select(ClickCount.hour, ClickCount.humans, ClickCount.bots).where(
            ClickCount.link_id == link_id, ClickCount.hour >= start, ClickCount.hour < end
        )
    )


def _top(link_id: int, start: datetime, end: datetime) -> Top:
    """The top values of all dimensions by one statement; equally frequent ones in the order of their text."""
    clicks = func.sum(ClickFacet.clicks)
    rank = func.row_number().over(
        partition_by=ClickFacet.dimension, order_by=(clicks.desc(), ClickFacet.value)
    )
    ranked = (
        select(ClickFacet.dimension, ClickFacet.value, clicks.label("clicks"), rank.label("rank"))
        .where(
            ClickFacet.link_id == link_id,
            ClickFacet.day >= start.date(),
            ClickFacet.day <= (end - _HOUR).date(),
        )
        .group_by(ClickFacet.dimension, ClickFacet.value)
        .subquery()
    )
    rows = db.session.execute(select(ranked).where(ranked.c.rank <= TOP).order_by(ranked.c.rank))
    entries: dict[str, list[Entry]] = {}
    for row in rows:
        entries.setdefault(row.dimension, []).append(Entry(row.value, int(row.clicks)))
    return Top(
        referrers=entries.get("referrer", []),
        countries=entries.get("country", []),
        browsers=entries.get("browser", []),
        os=entries.get("os", []),
        devices=entries.get("device", []),
    )
