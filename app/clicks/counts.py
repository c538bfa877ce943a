"""Sums of clicks between bounds in time. The database makes them: it reads thousands of hours by the primary key, or
quarters where no hour is summed or a bound cuts one, and gives back one row for each two bounds (ADR 24)."""

from bisect import bisect
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY

from app.clicks import hourly, weeks
from app.clicks.subjects import SUMMED, Grains, RollUp, Subject
from app.database import UTCDateTime
from app.extensions import db

_HOUR = timedelta(hours=1)
_WORTH = 32  # hours to one that is cut: India's days have 24, compared with those before 48
_TEXT = 19  # characters of a time down to its second
_ON_THE_HOUR = "00:00"


class Counts(NamedTuple):
    """Clicks = humans + bots; prefetches are not clicks. Uniques are the first human click of each visitor on a link
    in a UTC day: they add up over days and links."""

    humans: int = 0
    bots: int = 0
    uniques: int = 0

    @property
    def clicks(self) -> int:
        return self.humans + self.bots


Sums = list[int]
"""Humans, bots and uniques."""


def between(subject: Subject, bounds: Sequence[datetime]) -> list[Sums]:
    """What `Counts` are made of, from each of `bounds` (ascending, in UTC) to before the next, by one statement."""
    if hourly.are_hours(bounds):
        return hourly.between(subject, bounds)
    ask = _ask_postgresql if db.engine.dialect.name == "postgresql" else _ask_sqlite
    return ask(subject, bounds, _cut_hours(bounds))


def summed(counts: Iterable[Counts]) -> Counts:
    """All of them together."""
    return Counts(*map(sum, zip(*counts, strict=True)))


def _cut_hours(bounds: Sequence[datetime]) -> list[datetime] | None:
    """The hours that bounds cut in two; None where these are so many that quarters alone are faster.

    No bounds of most zones but the first and the last cut any; in India each of a series of days does.
    """
    cut = {bound.replace(minute=0) for bound in bounds if bound.minute}
    return sorted(cut) if _WORTH * len(cut) <= (bounds[-1] - bounds[0]) / _HOUR else None


def _ask_postgresql(
    subject: Subject, bounds: Sequence[datetime], cut: Sequence[datetime] | None
) -> list[Sums]:
    values = {
        "bounds": _array(bounds),
        **({"cut": _array(cut)} if cut else {}),
        "start": bounds[0],
        "end": bounds[-1],
        "hours_until": bounds[0] if cut is None else bounds[-1],
        "whose": subject.id,
    }
    found = [[0] * len(SUMMED)] * (len(bounds) - 1)
    for place, *sums in db.session.execute(_by_thresholds(subject.counts, bool(cut)), values).all():
        found[place] = sums
    return found


def _ask_sqlite(subject: Subject, bounds: Sequence[datetime], cut: Sequence[datetime] | None) -> list[Sums]:
    if not cut:
        return _of_pieces(subject, bounds)
    edges = {edge for hour in cut for edge in (hour, hour + _HOUR) if bounds[0] < edge < bounds[-1]}
    pieces = sorted(edges.union(bounds))
    found = [[0] * len(SUMMED) for _ in bounds[1:]]
    for start, sums in zip(pieces, _of_pieces(subject, pieces), strict=False):
        place = bisect(bounds, start) - 1
        found[place] = [before + more for before, more in zip(found[place], sums, strict=True)]
    return found


def _of_pieces(subject: Subject, bounds: Sequence[datetime]) -> list[Sums]:
    # Without the fractions that SQLite stores with them: a text sorts before those that go on.
    texts = [text[:_TEXT] for text in _texts(bounds).replace("T", " ")[2:-2].split('","')]
    pairs = orjson.dumps([start + end for start, end in pairwise(texts)]).decode()
    values = {"pairs": pairs, "whose": subject.id}
    # All at once, rows and numbers: one after the other a thousand take a millisecond more.
    rows = db.session.execute(_by_pairs(subject.counts), values).scalars().all()
    found: list[Sums] = orjson.loads(f"[{','.join(rows)}]")
    return found


def _array(times: Sequence[datetime]) -> str:
    """As text: psycopg takes 2 ms to write an array of a thousand times."""
    return f"{{{_texts(times)[1:-1]}}}"


def _texts(times: Sequence[datetime]) -> str:
    """A JSON array: a thousand take 0.1 ms, by `isoformat` one by one 0.8."""
    return orjson.dumps(times).decode()


@cache
def _by_thresholds(counts: Grains, some_cut: bool) -> Select[Any]:
    """For PostgreSQL: one scan of the range in each grain; each row finds its place among the bounds by a binary
    search."""
    hours, quarters = counts.coarse, counts.fine
    summed = weeks.summed_until(counts, "postgresql", weeks.until(bindparam("whose")))
    summed = func.least(summed, bindparam("hours_until", type_=UTCDateTime))
    parts = [_of(hours, hours.time < summed), _of(quarters, quarters.time >= summed)]
    if some_cut:
        cut = func.unnest(_times("cut")).table_valued("hour").render_derived(name="cut")
        own = quarters.time >= cut.c.hour, quarters.time < cut.c.hour + literal_column("interval '1 hour'")
        # With a limit (an hour has four) they are looked up for each hour; else all would be read for each.
        of_cut = _of(quarters, *own, quarters.time < summed).limit(4).correlate(cut).lateral()
        parts[0] = parts[0].where(hours.time.not_in(select(cut.c.hour)))
        parts.append(select(of_cut).select_from(cut).join(of_cut, true()))
    rows = union_all(*parts).subquery().c
    # In a SELECT of its own it is read once; bare, PostgreSQL would read the text anew for each row.
    thresholds = select(_times("bounds")).scalar_subquery()
    place = (func.width_bucket(rows.time, thresholds) - 1).label("place")
    # PostgreSQL sums bigints to numeric, which would arrive as Decimal.
    return select(place, *(cast(func.sum(rows[name]), BigInteger) for name in SUMMED)).group_by("place")


def _of(roll_up: RollUp, *within: ColumnElement[bool]) -> Select[Any]:
    """Rows of the range."""
    whole = roll_up.time >= bindparam("start"), roll_up.time < bindparam("end")
    sums = (roll_up.table.c[name] for name in SUMMED)
    return select(roll_up.time.label("time"), *sums).where(
        roll_up.whose == bindparam("whose"), *whole, *within
    )


def _times(name: str) -> ColumnElement[Any]:
    return cast(bindparam(name, type_=String), ARRAY(UTCDateTime))


@cache
def _by_pairs(counts: Grains) -> Select[Any]:
    """For SQLite, which has no such search: one short scan for each two bounds, of hours where they are whole ones
    and summed.

    As a subquery, which needs no GROUP BY: SQLite would sort all rows by their bounds first, half of the time. A
    subquery has one column, so the sums come as a JSON array.
    """
    pair = func.json_each(bindparam("pairs", type_=String)).table_valued("key", "value", name="pair")
    start, end = func.substr(pair.c.value, 1, _TEXT), func.substr(pair.c.value, _TEXT + 1)
    whole = (func.substr(bound, _TEXT - 4) == _ON_THE_HOUR for bound in (start, end))
    summed = end <= weeks.summed_until(counts, "sqlite", weeks.until(bindparam("whose")))

    def sums(roll_up: RollUp) -> ColumnElement[Any]:
        rows = roll_up.table.c
        found = select(func.json_array(*(func.coalesce(func.sum(rows[name]), 0) for name in SUMMED)))
        within = roll_up.time >= start, roll_up.time < end
        return found.where(roll_up.whose == bindparam("whose"), *within).correlate(pair).scalar_subquery()

    return select(case((and_(*whole, summed), sums(counts.coarse)), else_=sums(counts.fine))).order_by(
        pair.c.key
    )
