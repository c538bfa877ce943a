"""Statistics of a link or an account, read from the roll-ups only: two statements, whatever is asked for, and one
that tells whether what was read before still holds (`app.clicks.versions`).

Remembered is what the statements found, not what is made of it: so all ranges that end today share their facets.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from itertools import starmap
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Select, bindparam, func, select, union_all
from sqlalchemy.orm import aliased

from app.clicks import counts, facets, periods, versions, weeks
from app.clicks.counts import Counts
from app.clicks.facets import Entry
from app.clicks.models import ClickCount, ClickHour
from app.clicks.periods import Interval, Period
from app.clicks.subjects import LINK_COUNTS, Subject
from app.clicks.versions import Moment
from app.extensions import db

TOP, MOST_TOP = 10, 100


class Bucket(NamedTuple):
    """The clicks of the period from `start` up to the next bucket; the first may begin before the period does."""

    start: datetime
    counts: Counts


@dataclass(frozen=True, slots=True)
class Comparison:
    """The period before, and by which part of it each count has changed since: 0.5 is half as many again, None
    where there was nothing to compare with."""

    period: Period
    totals: Counts
    change: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Stats:
    """The clicks of a period, step by step and altogether, and the most frequent values of each of DIMENSIONS."""

    period: Period
    series: Sequence[Bucket]
    totals: Counts
    previous: Comparison | None
    top: Mapping[str, Sequence[Entry]]


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
    subject: Subject,
    period: Period,
    interval: Interval = "day",
    zone: tzinfo = UTC,
    *,
    top: int = TOP,
    compare: bool = False,
) -> Stats:
    """Return the statistics of a period in steps of a time zone; on wish with the period before.

    Raises ValidationFailed naming `interval` where there are more than 1,000 steps.
    """
    starts, bounds = _steps(period, interval, zone)
    earlier = periods.before(period, zone) if compare else None
    moment = versions.moment([subject.owner_id])
    found = _counted(moment, subject, [earlier.start, *bounds] if earlier else bounds)
    before = found.pop(0) if earlier else None
    totals = counts.summed(found)
    return Stats(
        period=period,
        series=_buckets(starts, found),
        totals=totals,
        previous=Comparison(earlier, before, _change(before, totals)) if earlier and before else None,
        top=_top(moment, subject, period, top),
    )


def series(
    subject: Subject, period: Period, interval: Interval = "day", zone: tzinfo = UTC
) -> Sequence[Bucket]:
    """The series alone. Raises as `stats` does."""
    starts, bounds = _steps(period, interval, zone)
    return _buckets(starts, _counted(versions.moment([subject.owner_id]), subject, bounds))


def link_totals(owners: Mapping[int, int]) -> dict[int, Totals]:
    """Return the totals of every link, given the ids of links and their owners, by one statement."""
    ids = sorted(owners)
    moment = versions.moment(owners.values())
    found = {
        link_id: Totals(humans, bots, datetime.fromisoformat(last_at) if last_at else None)
        for link_id, humans, bots, last_at in moment.read("totals", [ids], lambda: _sums(ids))
    }
    return {link_id: found.get(link_id, Totals()) for link_id in owners}


def fresh_totals(link_ids: list[int]) -> dict[int, Totals]:
    """The totals of those that have any, read anew and not remembered: of more links than a page shows."""
    return {link_id: Totals(humans, bots, last_at) for link_id, humans, bots, last_at in _sums(link_ids)}


def _sums(link_ids: list[int]) -> list[tuple[int, int, int, datetime | None]]:
    """Of the links that have any: id, humans, bots, and when the last one was."""
    rows = db.session.execute(_sums_of_links(db.engine.dialect.name), {"ids": link_ids})
    # PostgreSQL sums bigints to numeric, which arrives as Decimal.
    return [(row.link_id, int(row.humans), int(row.bots), row.last_at) for row in rows]


@cache
def _sums_of_links(engine: str) -> Select[Any]:
    quarters, hours, own = ClickCount, ClickHour, aliased(ClickCount)
    ids: BindParameter[list[int]] = bindparam("ids", expanding=True)
    # Before `ahead` the weeks of every link are summed.
    summed = weeks.summed_until(LINK_COUNTS, engine, weeks.STATE.ahead)
    # Each grain by itself first: in the order of its key, where SQLite would sort both together.
    rows = union_all(
        *(
            select(model.link_id, func.sum(model.humans).label("humans"), func.sum(model.bots).label("bots"))
            .where(model.link_id.in_(ids), within)
            .group_by(model.link_id)
            for model, within in ((hours, hours.hour < summed), (quarters, quarters.quarter >= summed))
        )
    ).subquery()
    # Of the latest quarter that has one. Not the maximum of all: it is not in PostgreSQL's index, and would have each
    # quarter's row read from a page of its own, 40 times as dear.
    last_at = (
        select(own.last_at)
        .where(own.link_id == rows.c.link_id, own.last_at.is_not(None))
        .order_by(own.quarter.desc())
        .limit(1)
        .scalar_subquery()
    )
    sums = (func.sum(rows.c[name]).label(name) for name in ("humans", "bots"))
    return select(rows.c.link_id, *sums, last_at.label("last_at")).group_by(rows.c.link_id)


def _counted(moment: Moment, subject: Subject, bounds: list[datetime]) -> list[Counts]:
    rows = moment.read(
        "counts", [subject.counts.name, subject.id, bounds], lambda: counts.between(subject, bounds)
    )
    return list(map(Counts._make, rows))


def _top(moment: Moment, subject: Subject, period: Period, most: int) -> dict[str, list[Entry]]:
    found: dict[str, list[list[Any]]] = moment.read(
        "facets",
        [subject.facets.name, subject.id, *facets.days(period), most],
        lambda: {
            name: [(entry.value, entry.clicks) for entry in entries]
            for name, entries in facets.top(subject, period, most).items()
        },
    )
    return {name: [Entry(*row) for row in rows] for name, rows in found.items()}


def _steps(period: Period, interval: Interval, zone: tzinfo) -> tuple[list[datetime], list[datetime]]:
    """Where the steps begin, and between which bounds within the period their clicks are."""
    starts = periods.starts(period, interval, zone)
    return starts, [period.start, *starts[1:], period.end]


def _buckets(starts: Iterable[datetime], found: Iterable[Counts]) -> list[Bucket]:
    return list(starmap(Bucket, zip(starts, found, strict=True)))


def _change(before: Counts, now: Counts) -> dict[str, float | None]:
    names = ("clicks", "humans", "bots", "uniques")
    return {name: _ratio(getattr(before, name), getattr(now, name)) for name in names}


def _ratio(before: int, now: int) -> float | None:
    return round((now - before) / before, 4) if before else None
