"""Human clicks by referrer, country, browser, operating system and device: the most frequent values, or all.

They are kept by UTC day, so a period covers every UTC day that it touches, in whatever time zone it was asked for. Of
weeks that are over the sums are read instead, as far as there are any (`app.clicks.weeks`).
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    Select,
    Subquery,
    bindparam,
    case,
    func,
    select,
    union_all,
)

from app import database
from app.clicks import weeks
from app.clicks.periods import QUARTER, Period
from app.clicks.subjects import Grains, RollUp, Subject
from app.extensions import db
from app.keyset import by_code_point

DIMENSIONS = {
    "referrers": "referrer",
    "countries": "country",
    "browsers": "browser",
    "os": "os",
    "devices": "device",
}
"""What they are called to clients, and in the database."""

_CHUNK = 1_000  # rows


@dataclass(frozen=True, slots=True)
class Entry:
    """One value, and how many human clicks had it; "" is direct, or unknown."""

    value: str
    clicks: int


def top(subject: Subject, period: Period, most: int) -> dict[str, Sequence[Entry]]:
    """The `most` frequent values of every dimension, by one statement.

    Most frequent first; equally frequent ones in the order of their text.
    """
    found: dict[str, list[Entry]] = {dimension: [] for dimension in DIMENSIONS.values()}
    values = {**_values(subject, period), "most": most}
    rows = db.session.execute(_top(subject.facets, _has_a_week(values)), values).all()
    for dimension, value, clicks in rows:
        found[dimension].append(Entry(value, int(clicks)))
    return {name: found[dimension] for name, dimension in DIMENSIONS.items()}


def every(subject: Subject, period: Period, dimension: str) -> Generator[Entry]:
    """All values of one of DIMENSIONS in the same order, a thousand in memory at a time.

    Reads on a connection of its own until the last one is taken, or it is closed.
    """
    values = {**_values(subject, period), "dimension": DIMENSIONS[dimension]}
    with (
        database.reading() as connection,
        connection.execute(
            _every(subject.facets, _has_a_week(values)), values, execution_options={"yield_per": _CHUNK}
        ) as rows,
    ):
        for value, clicks in rows:
            yield Entry(value, int(clicks))


def days(period: Period) -> tuple[date, date]:
    """The first and the last UTC day that the period touches."""
    return period.start.date(), (period.end - QUARTER).date()


def _values(subject: Subject, period: Period) -> dict[str, Any]:
    first, last = days(period)
    whole = weeks.monday(first + timedelta(days=6)), weeks.monday(last + timedelta(days=1))
    return {"whose": subject.id, "first": first, "last": last, "monday": whole[0], "end": whole[1]}


def _has_a_week(values: dict[str, Any]) -> bool:
    return bool(values["monday"] < values["end"])


@cache
def _top(facets: Grains, has_a_week: bool) -> Select[Any]:
    rows = _rows(facets, has_a_week).c
    rank = func.row_number().over(partition_by=rows.dimension, order_by=_order(rows))
    ranked = _summed(rows, rows.dimension).add_columns(rank.label("rank")).subquery().c
    return (
        select(ranked.dimension, ranked.value, ranked.clicks)
        .where(ranked.rank <= bindparam("most"))
        .order_by(ranked.rank)
    )


@cache
def _every(facets: Grains, has_a_week: bool) -> Select[Any]:
    rows = _rows(facets, has_a_week).c
    return _summed(rows).where(rows.dimension == bindparam("dimension")).order_by(*_order(rows))


def _summed(rows: Any, *columns: ColumnElement[Any]) -> Select[Any]:
    return (
        select(rows.value, func.sum(rows.clicks).label("clicks"), *columns)
        # The value first: it tells two rows apart sooner, which takes a third off SQLite's time to sort them.
        .group_by(rows.value, *columns)
    )


def _rows(facets: Grains, has_a_week: bool) -> Subquery:
    """The rows to add up: of days, and where the period has whole weeks of those instead that are summed."""
    first, last = bindparam("first", type_=Date), bindparam("last", type_=Date)
    day, week = facets.fine.time, facets.coarse.time
    if not has_a_week:
        return _of(facets.fine, day >= first, day <= last).subquery()
    monday, summed = bindparam("monday", type_=Date), _summed_until(facets)
    return union_all(
        _of(facets.fine, day >= first, day < monday),
        _of(facets.coarse, week >= monday, week < summed),
        _of(facets.fine, day >= summed, day <= last),
    ).subquery()


def _of(roll_up: RollUp, *within: ColumnElement[bool]) -> Select[Any]:
    rows = roll_up.table.c
    return select(rows.dimension, rows.value, rows.clicks).where(roll_up.whose == bindparam("whose"), *within)


def _summed_until(facets: Grains) -> ColumnElement[date]:
    """The Monday before which all whole weeks of the period are summed, in the same statement that reads them: so
    weeks and days are of one moment."""
    monday, end = bindparam("monday", type_=Date), bindparam("end", type_=Date)
    until = weeks.until(bindparam("whose"))
    within = case((until <= monday, monday), (until >= end, end), else_=until)
    return func.coalesce(weeks.kept(facets, within), monday)


def _order(rows: Any) -> tuple[ColumnElement[Any], ...]:
    return func.sum(rows.clicks).desc(), by_code_point(rows.value)
