"""Facets of weeks that are over, Monday to Sunday by UTC: what their days add up to, so that a long range reads a
fourth of the rows (ADR 23). The days stay.

Which weeks are summed is known exactly: `summed_weeks` moves in the transaction that sums them
(`app.clicks.summing`), and a line that comes later is added to its day and to its week in one transaction. While a
batch is stored nothing is summed: `owners.hold` and `owners.alone` see to that on PostgreSQL, on SQLite one writes at
a time.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    Select,
    case,
    cast,
    func,
    literal_column,
    select,
)
from sqlalchemy.types import TIMESTAMP

from app.clicks.accounting import Entry, FacetRow
from app.clicks.models import SummedWeeks
from app.clicks.subjects import ACCOUNT_FACETS, LINK_FACETS, Facets
from app.clicks.times import stored_day

WEEK = timedelta(days=7)
_BEGINNING = date.min  # which is a Monday
_FURTHEST = "SELECT max(passed) FROM summed_weeks"

Rows = Sequence[FacetRow]


@dataclass(frozen=True, slots=True)
class Summed:
    """Up to which Monday the subjects of one table are summed: see `SummedWeeks`. By default, none."""

    subject_id: int = 0
    passed: date = _BEGINNING
    here: date = _BEGINNING
    ahead: date = _BEGINNING

    def until(self, subject_id: int) -> date:
        """The Monday before which all weeks of this subject are summed."""
        if subject_id == self.subject_id:
            return self.here
        return self.passed if subject_id < self.subject_id else self.ahead


def monday(day: date) -> date:
    """The first day of the week that `day` is in."""
    return day - timedelta(days=day.weekday())


def summed(connection: Connection, facets: Facets) -> Summed:
    """How far these facets are summed."""
    row = connection.execute(_state(facets)).one_or_none()
    return Summed(*row) if row else Summed()


def late(connection: Connection, entry: Entry) -> tuple[Rows, Rows]:
    """What a batch adds to summed weeks of links and of accounts, in the order of their keys.

    One small read, since mostly no line is late.
    """
    first = min((day for _, day in entry.batch.links.facets), default=None)
    end = connection.exec_driver_sql(_FURTHEST).scalar()
    if first is None or end is None or stored_day(first) >= str(end):
        return [], []
    return (
        _late(entry.links.facets, summed(connection, LINK_FACETS)),
        _late(entry.accounts.facets, summed(connection, ACCOUNT_FACETS)),
    )


def until(whose: ColumnElement[int]) -> ColumnElement[date]:
    """`Summed.until` in SQL, of a row of `summed_weeks`."""
    state: Any = SummedWeeks
    return case(
        (whose < state.subject_id, state.passed), (whose == state.subject_id, state.here), else_=state.ahead
    )


def name(facets: Facets) -> str:
    """What `summed_weeks` calls them."""
    return facets.days.table.name


def sums(facets: Facets, engine: str) -> Select[Any]:
    """The rows of weeks that the days add up to; in the order of their keys, so that a week's lie side by side."""
    rows = facets.days.table.c
    key = (facets.days.whose, _week(rows.day, engine).label("week"), rows.dimension, rows.value)
    return select(*key, func.sum(rows.clicks).label("clicks")).group_by(*key).order_by(*key)


def _late(rows: Rows, known: Summed) -> Rows:
    found: defaultdict[tuple[int, str, str, str], int] = defaultdict(int)
    for subject, day, dimension, value, clicks in rows:
        week = monday(date.fromisoformat(day))
        if week < known.until(subject):
            found[subject, week.isoformat(), dimension, value] += clicks
    return [(*key, clicks) for key, clicks in sorted(found.items())]


@cache
def _state(facets: Facets) -> Select[int, date, date, date]:
    return select(SummedWeeks.subject_id, SummedWeeks.passed, SummedWeeks.here, SummedWeeks.ahead).where(
        SummedWeeks.facets == name(facets)
    )


def _week(day: ColumnElement[date], engine: str) -> ColumnElement[date]:
    if engine == "postgresql":
        return cast(func.date_trunc(literal_column("'week'"), cast(day, TIMESTAMP)), Date)
    return func.date(day, literal_column("'-6 days'"), literal_column("'weekday 1'"), type_=Date())
