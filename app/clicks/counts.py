"""Sums of clicks between bounds in time. The database makes them: it reads thousands of quarters of an hour by the
primary key, and gives back one row for each two bounds."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import pairwise
from typing import Any

from sqlalchemy import Select, String, and_, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from app.clicks.subjects import RollUp, Subject
from app.database import UTCDateTime
from app.extensions import db

_SUMMED = ("humans", "bots", "uniques")


@dataclass(frozen=True, slots=True)
class Counts:
    """Clicks = humans + bots; prefetches are not clicks. Uniques are the first human click of each visitor on a link
    in a UTC day: they add up over days and links."""

    humans: int = 0
    bots: int = 0
    uniques: int = 0

    @property
    def clicks(self) -> int:
        return self.humans + self.bots


def between(subject: Subject, bounds: Sequence[datetime]) -> list[Counts]:
    """The clicks from each of `bounds` (ascending, in UTC) to before the next, by one statement."""
    if db.engine.dialect.name == "postgresql":
        statement = _by_thresholds(subject.counts)
        # As text: psycopg takes 2 ms to write an array of a thousand times.
        array = f"{{{','.join(bound.isoformat() for bound in bounds)}}}"
        values: dict[str, Any] = {"bounds": array, "start": bounds[0], "end": bounds[-1]}
    else:
        statement = _by_pairs(subject.counts)
        texts = [
            bound.replace(tzinfo=None).isoformat(" ", "microseconds") for bound in bounds
        ]  # as it stores them
        values = {"pairs": json.dumps(list(pairwise(texts)))}
    found = [Counts()] * (len(bounds) - 1)
    for place, *sums in db.session.execute(statement, {**values, "whose": subject.id}).all():
        # PostgreSQL sums bigints to numeric, which arrives as Decimal.
        found[place] = Counts(*map(int, sums))
    return found


def summed(counts: Iterable[Counts]) -> Counts:
    """All of them together."""
    columns = zip(*((one.humans, one.bots, one.uniques) for one in counts), strict=True)
    return Counts(*map(sum, columns))


@cache
def _by_thresholds(counts: RollUp) -> Select[Any]:
    """For PostgreSQL: one scan of the range; each row finds its place among the bounds by a binary search."""
    rows = counts.table.c
    # In a SELECT of its own it is read once; bare, PostgreSQL would read the text anew for each row.
    thresholds = select(cast(bindparam("bounds", type_=String), ARRAY(UTCDateTime))).scalar_subquery()
    place = (func.width_bucket(rows.quarter, thresholds) - 1).label("place")
    return (
        select(place, *(func.sum(rows[name]) for name in _SUMMED))
        .where(
            rows[counts.key] == bindparam("whose"),
            rows.quarter >= bindparam("start"),
            rows.quarter < bindparam("end"),
        )
        .group_by("place")
    )


@cache
def _by_pairs(counts: RollUp) -> Select[Any]:
    """For SQLite, which has no such search: one short scan for each two bounds."""
    rows = counts.table.c
    bucket = func.json_each(bindparam("pairs", type_=String)).table_valued("key", "value", name="bucket")
    start, end = (func.json_extract(bucket.c.value, f"$[{side}]") for side in (0, 1))
    within = and_(rows[counts.key] == bindparam("whose"), rows.quarter >= start, rows.quarter < end)
    # An outer join, so that the planner begins with the bounds; begun with the quarters it would go through all of
    # them for each bound.
    return (
        select(bucket.c.key, *(func.coalesce(func.sum(rows[name]), 0) for name in _SUMMED))
        .select_from(bucket.outerjoin(counts.table, within))
        .group_by(bucket.c.key)
    )
