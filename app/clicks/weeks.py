"""Roll-ups in a coarser grain of weeks that are over, Monday to Sunday by UTC: facets, which are kept by the day, by
the week (ADR 23), and counts, which are kept by the quarter of an hour, by the hour (ADR 24), so that a long range
reads a fourth of the rows. The fine ones stay.

Which weeks are summed is known exactly: `summed_weeks` moves in the transaction that sums them
(`app.clicks.summing`), and a line that comes later is added in both grains in one transaction. While a batch is
stored nothing is summed: `owners.hold` and `owners.alone` see to that on PostgreSQL, on SQLite one writes at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    ScalarSelect,
    Select,
    String,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
    type_coerce,
)
from sqlalchemy.types import TIMESTAMP

from app.clicks.accounting import Entry
from app.clicks.bulk import Rows
from app.clicks.models import SummedWeeks
from app.clicks.subjects import ALL, Grains
from app.clicks.times import stored_quarter
from app.database import UTCDateTime, table_of

WEEK = timedelta(days=7)
_BEGINNING = date.min  # which is a Monday
STATE = table_of(SummedWeeks).c
"""The columns, not the model's: with a model in a statement the ORM looks at each of its rows."""
_FURTHEST = "SELECT max(passed) FROM summed_weeks"
_UTC: ColumnElement[str] = literal_column("'UTC'")


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


@dataclass(frozen=True, slots=True)
class Late:
    """Finds what a batch adds to weeks that are summed."""

    known: Mapping[Grains, Summed]
    """Empty, where no line of the batch is of such a week."""

    def of(self, grains: Grains, rows: Rows) -> Rows:
        """What rows in fine grain, with times as texts, add in coarse grain; in the order of their keys."""
        if not self.known:
            return []
        summed, names = self.known[grains], grains.fine.table.columns.keys()
        keys, values = ([names.index(name) for name in found] for found in _further(grains))
        found: dict[tuple[Any, ...], list[int]] = {}
        for row in rows:
            whose, time = row[:2]
            if time < summed.until(whose).isoformat():
                key = (whose, _coarse_text(grains, time), *(row[place] for place in keys))
                before = found.get(key, [0] * len(values))
                found[key] = [number + row[place] for number, place in zip(before, values, strict=True)]
        return [(*key, *numbers) for key, numbers in sorted(found.items())]


def monday(time: date) -> date:
    """The first day of the week that a day, or a time in UTC, is in."""
    day = time.date() if isinstance(time, datetime) else time
    return day - timedelta(days=day.weekday())


def summed(connection: Connection, grains: Grains) -> Summed:
    """How far these are summed."""
    row = connection.execute(_state(grains)).one_or_none()
    return Summed(*row) if row else Summed()


def late(connection: Connection, entry: Entry) -> Late:
    """Whether lines of a batch are late; one small read, since mostly none is."""
    first = min((quarter for _, quarter in entry.batch.links.counts), default=None)
    end = connection.exec_driver_sql(_FURTHEST).scalar()
    if first is None or end is None or stored_quarter(first) >= str(end):
        return Late({})
    return Late({grains: summed(connection, grains) for grains in ALL})


def until(whose: ColumnElement[int]) -> ColumnElement[date]:
    """`Summed.until` in SQL, of a row of `summed_weeks`."""
    return case(
        (whose < STATE.subject_id, STATE.passed), (whose == STATE.subject_id, STATE.here), else_=STATE.ahead
    )


def summed_until(grains: Grains, engine: str, monday: Any) -> ColumnElement[date]:
    """A Monday of the row of `summed_weeks`, as times of these grains are compared with it; the beginning of all time
    where nothing is summed. Read within the statement, so that both grains are of one moment."""
    return as_time(grains, engine, func.coalesce(kept(grains, monday), literal(_BEGINNING, Date)))


def kept(grains: Grains, value: Any) -> ScalarSelect[Any]:
    """What the row of `summed_weeks` says of these grains; NULL where nothing is summed."""
    return select(value).where(STATE.facets == grains.name).scalar_subquery()


def as_time(grains: Grains, engine: str, day: ColumnElement[date]) -> ColumnElement[date]:
    """The beginning of a UTC day in SQL, as times of these grains are compared with it."""
    if grains.fine.tells_days:
        return day
    if engine == "sqlite":  # where a time is a text, and with its fractions sorts after this one
        return type_coerce(day, String).op("||")(literal_column("' 00:00:00'"))
    return func.timezone(_UTC, cast(day, TIMESTAMP))


def sums(grains: Grains, engine: str) -> Select[Any]:
    """The coarse rows that the fine ones add up to; in the order of their keys, so that a week's lie side by side."""
    rows = grains.fine.table.c
    keys, values = _further(grains)
    time = _coarse(grains, engine).label(grains.coarse.time.name)
    key = (grains.fine.whose, time, *(rows[name] for name in keys))
    return select(*key, *(func.sum(rows[name]).label(name) for name in values)).group_by(*key).order_by(*key)


def _further(grains: Grains) -> tuple[Sequence[str], Sequence[str]]:
    """The columns of the coarse table: those of its key after subject and time, and those that are summed."""
    columns = list(grains.coarse.table.columns)[2:]
    keys = [column.name for column in columns if column.primary_key]
    return keys, [column.name for column in columns if not column.primary_key]


@cache
def _state(grains: Grains) -> Select[int, date, date, date]:
    return select(STATE.subject_id, STATE.passed, STATE.here, STATE.ahead).where(STATE.facets == grains.name)


def _coarse_text(grains: Grains, time: str) -> str:
    """The coarse time of a fine one, both as they are stored."""
    if grains.fine.tells_days:
        return monday(date.fromisoformat(time)).isoformat()
    return f"{time[:13]}:00:00.000000"


def _coarse(grains: Grains, engine: str) -> ColumnElement[date]:
    time = grains.fine.time
    if not grains.fine.tells_days:
        return hour(time, engine)
    if engine == "postgresql":
        return cast(func.date_trunc(literal_column("'week'"), cast(time, TIMESTAMP)), Date)
    return func.date(time, literal_column("'-6 days'"), literal_column("'weekday 1'"), type_=Date())


def hour(time: ColumnElement[date], engine: str) -> ColumnElement[Any]:
    if engine == "postgresql":
        return func.date_trunc(literal_column("'hour'"), time, _UTC, type_=UTCDateTime())
    # Of bound numbers SQLite would take one expression for several, and sort for each.
    beginning = func.substr(time, literal_column("1"), literal_column("13"))
    return type_coerce(beginning.op("||")(literal_column("':00:00.000000'")), UTCDateTime)
