"""Human clicks by referrer, country, browser, operating system and device: the most frequent values, or all.

They are kept by UTC day, so a period covers every UTC day that it touches, in whatever time zone it was asked for.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, func, select

from app import database
from app.clicks.periods import QUARTER, Period
from app.clicks.subjects import RollUp, Subject
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
    rows = db.session.execute(_top(subject.facets), {**_values(subject, period), "most": most}).all()
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
        connection.execute(_every(subject.facets), values, execution_options={"yield_per": _CHUNK}) as rows,
    ):
        for value, clicks in rows:
            yield Entry(value, int(clicks))


def days(period: Period) -> tuple[date, date]:
    """The first and the last UTC day that the period touches."""
    return period.start.date(), (period.end - QUARTER).date()


def _values(subject: Subject, period: Period) -> dict[str, Any]:
    first, last = days(period)
    return {"whose": subject.id, "first": first, "last": last}


@cache
def _top(facets: RollUp) -> Select[Any]:
    rows = facets.table.c
    rank = func.row_number().over(partition_by=rows.dimension, order_by=_order(rows))
    ranked = _summed(facets, rows.dimension).add_columns(rank.label("rank")).subquery().c
    return (
        select(ranked.dimension, ranked.value, ranked.clicks)
        .where(ranked.rank <= bindparam("most"))
        .order_by(ranked.rank)
    )


@cache
def _every(facets: RollUp) -> Select[Any]:
    rows = facets.table.c
    return _summed(facets).where(rows.dimension == bindparam("dimension")).order_by(*_order(rows))


def _summed(facets: RollUp, *columns: ColumnElement[Any]) -> Select[Any]:
    rows = facets.table.c
    return (
        select(rows.value, func.sum(rows.clicks).label("clicks"), *columns)
        .where(
            rows[facets.key] == bindparam("whose"),
            rows.day >= bindparam("first"),
            rows.day <= bindparam("last"),
        )
        # The value first: it tells two rows apart sooner, which takes a third off SQLite's time to sort them.
        .group_by(rows.value, *columns)
    )


def _order(rows: Any) -> tuple[ColumnElement[Any], ...]:
    return func.sum(rows.clicks).desc(), by_code_point(rows.value)
