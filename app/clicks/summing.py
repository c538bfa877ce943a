"""The chore that sums weeks that are over in coarse grain: a pass over all links and accounts, in small steps.

A step is one transaction: it adds coarse rows and moves `summed_weeks`, so that a process may be killed at any time,
and two may be at it at once. The first pass, in a database that had clicks before, sums all there is.
"""

import time
from dataclasses import astuple, replace
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from typing import Any

from sqlalchemy import BigInteger, Connection, Select, bindparam, cast, delete, func, literal, select

from app import clock, database
from app.clicks import owners, weeks
from app.clicks.models import SummedWeeks
from app.clicks.subjects import ALL, Grains
from app.clicks.weeks import WEEK, Summed, monday
from app.database import insert_into

_ROWS = 4_000  # fine rows that a transaction sums, some 10 ms on SQLite
_SUBJECT = 5  # rows: what one costs that has none
_TRANSACTIONS = 20  # of one call
_TURN = 0.003  # seconds between two transactions, in which other writers get their turn
_MARGIN = timedelta(days=1)  # until a week is summed after it is over: few lines come later than that


def sum_weeks() -> bool:
    """Sum some of the weeks that are over; return whether none is left. A chore that comes back soon for the rest."""
    end = monday((clock.now() - _MARGIN).date())
    for grains in ALL:
        for _ in range(_TRANSACTIONS):
            if not _step(grains, end):
                break
            time.sleep(_TURN)
        else:
            return False
    return True


def sum_anew(connection: Connection, grains: Grains, subject_id: int) -> None:
    """Make the coarse rows of a subject from its fine ones, as far as they are summed. Needs `owners.alone`."""
    table = grains.coarse.table
    connection.execute(delete(table).where(grains.coarse.whose == subject_id))
    known = weeks.summed(connection, grains)
    _add(connection, grains, [subject_id], date.min, known.until(subject_id))


def _step(grains: Grains, end: date) -> bool:
    """Sum some of the weeks before `end`; return whether there was something to do."""
    with database.reading() as connection:  # mostly there is not
        if weeks.summed(connection, grains).ahead >= end:
            return False
    with database.writing() as connection:
        owners.alone(connection)
        known = weeks.summed(connection, grains)
        if known.ahead >= end:  # somebody else's worker was faster
            return False
        if known.ahead == known.passed:  # no pass is under way
            known = replace(known, passed=end)
        _keep(connection, grains, _advance(connection, grains, known))
    return True


def _advance(connection: Connection, grains: Grains, known: Summed) -> Summed:
    """Sum what comes next in the pass."""
    if known.here > known.ahead:
        return _sum_some_weeks(connection, grains, known, known.subject_id)
    start, end = grains.fine.beginning(known.ahead), grains.fine.beginning(known.passed)
    ahead = {"first": known.subject_id, "start": start, "end": end, "most": _ROWS}
    found = connection.execute(_next_subjects(grains), ahead).all()
    if found[0].id is None:
        return Summed(0, known.passed, known.passed, known.passed)
    fitting = [subject.id for subject, following in pairwise(found) if following.rows < _ROWS]
    if not fitting:
        return _sum_some_weeks(connection, grains, known, found[0].id)
    _add(connection, grains, fitting, known.ahead, known.passed)
    return replace(known, subject_id=fitting[-1] + 1)


def _sum_some_weeks(connection: Connection, grains: Grains, known: Summed, subject_id: int) -> Summed:
    """Of a subject that has too many rows for one transaction."""
    fine = grains.fine
    times = select(fine.time).where(fine.whose == subject_id, *fine.within(known.here, known.passed))
    edge = connection.scalar(times.order_by(fine.time).offset(_ROWS).limit(1))
    end = max(monday(edge), known.here + WEEK) if edge else known.passed
    _add(connection, grains, [subject_id], known.here, end)
    if end == known.passed:
        return replace(known, subject_id=subject_id + 1, here=known.ahead)
    return replace(known, subject_id=subject_id, here=end)


def _add(connection: Connection, grains: Grains, subjects: list[int], start: date, end: date) -> None:
    """Sum the weeks from `start` to before `end` of some subjects: for each a short range of the primary key."""
    fine, table = grains.fine, grains.coarse.table
    sums = weeks.sums(grains, connection.dialect.name)
    sums = sums.where(fine.whose.in_(subjects), *fine.within(start, end))
    connection.execute(insert_into(table, connection).from_select(list(table.c.keys()), sums))


def _keep(connection: Connection, grains: Grains, known: Summed) -> None:
    columns = ("subject_id", "passed", "here", "ahead")
    state = dict(zip(columns, astuple(known), strict=True))
    statement = insert_into(SummedWeeks, connection).values(roll_up=grains.name, **state)
    connection.execute(statement.on_conflict_do_update(index_elements=[SummedWeeks.roll_up], set_=state))


@cache
def _next_subjects(grains: Grains) -> Select[Any]:
    """The next subjects, lowest ids first, each with the rows of those before it, until these are enough.

    A seek for each, instead of reading through what is not of these weeks. After the last one comes NULL.
    """
    fine, most = grains.fine, bindparam("most", type_=BigInteger)
    first = select(func.min(fine.whose).label("id"), cast(literal(0), BigInteger).label("rows"))
    walk = first.where(fine.whose >= bindparam("first")).cte("walk", recursive=True)
    following = select(func.min(fine.whose)).where(fine.whose > walk.c.id).scalar_subquery()
    within = fine.time >= bindparam("start"), fine.time < bindparam("end")
    own = select(literal(1)).where(fine.whose == walk.c.id, *within)
    counted = select(func.count()).select_from(own.limit(most).correlate(walk).subquery()).scalar_subquery()
    more = select(following, walk.c.rows + _SUBJECT + counted)
    return select(walk.union_all(more.where(walk.c.id.is_not(None), walk.c.rows < most)))
