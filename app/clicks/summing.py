"""The chore that sums facets by week, once each week is over: a pass over all links and accounts, in small steps.

A step is one transaction: it adds the weeks and moves `summed_weeks`, so that a process may be killed at any time,
and two may be at it at once. The first pass, in a database that had facets before, sums all there is.
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
from app.clicks.subjects import ACCOUNT_FACETS, LINK_FACETS, Facets
from app.clicks.weeks import WEEK, Summed, monday
from app.database import insert_into

_ROWS = 4_000  # days' rows that a transaction sums, some 10 ms on SQLite
_SUBJECT = 5  # rows: what one costs that has none
_TRANSACTIONS = 20  # of one call
_TURN = 0.003  # seconds between two transactions, in which other writers get their turn
_MARGIN = timedelta(days=1)  # until a week is summed after it is over: few lines come later than that


def sum_weeks() -> bool:
    """Sum some of the weeks that are over; return whether none is left. A chore that comes back soon for the rest."""
    end = monday((clock.now() - _MARGIN).date())
    for facets in (LINK_FACETS, ACCOUNT_FACETS):
        for _ in range(_TRANSACTIONS):
            if not _step(facets, end):
                break
            time.sleep(_TURN)
        else:
            return False
    return True


def sum_anew(connection: Connection, facets: Facets, subject_id: int) -> None:
    """Make the weeks of a subject from its days, as far as they are summed. Needs `owners.alone`."""
    table = facets.weeks.table
    connection.execute(delete(table).where(facets.weeks.whose == subject_id))
    known = weeks.summed(connection, facets)
    _add(connection, facets, [subject_id], date.min, known.until(subject_id))


def _step(facets: Facets, end: date) -> bool:
    """Sum some of the weeks before `end`; return whether there was something to do."""
    with database.reading() as connection:  # mostly there is not
        if weeks.summed(connection, facets).ahead >= end:
            return False
    with database.writing() as connection:
        owners.alone(connection)
        known = weeks.summed(connection, facets)
        if known.ahead >= end:  # somebody else's worker was faster
            return False
        if known.ahead == known.passed:  # no pass is under way
            known = replace(known, passed=end)
        _keep(connection, facets, _advance(connection, facets, known))
    return True


def _advance(connection: Connection, facets: Facets, known: Summed) -> Summed:
    """Sum what comes next in the pass."""
    if known.here > known.ahead:
        return _sum_some_weeks(connection, facets, known, known.subject_id)
    ahead = {"first": known.subject_id, "start": known.ahead, "end": known.passed, "most": _ROWS}
    found = connection.execute(_next_subjects(facets), ahead).all()
    if found[0].id is None:
        return Summed(0, known.passed, known.passed, known.passed)
    fitting = [subject.id for subject, following in pairwise(found) if following.rows < _ROWS]
    if not fitting:
        return _sum_some_weeks(connection, facets, known, found[0].id)
    _add(connection, facets, fitting, known.ahead, known.passed)
    return replace(known, subject_id=fitting[-1] + 1)


def _sum_some_weeks(connection: Connection, facets: Facets, known: Summed, subject_id: int) -> Summed:
    """Of a subject that has too many rows for one transaction."""
    start, day = known.here, facets.days.table.c.day
    of_subject = select(day).where(facets.days.whose == subject_id, day >= start, day < known.passed)
    edge = connection.scalar(of_subject.order_by(day).offset(_ROWS).limit(1))
    end = max(monday(edge), start + WEEK) if edge else known.passed
    _add(connection, facets, [subject_id], start, end)
    if end == known.passed:
        return replace(known, subject_id=subject_id + 1, here=known.ahead)
    return replace(known, subject_id=subject_id, here=end)


def _add(connection: Connection, facets: Facets, subjects: list[int], start: date, end: date) -> None:
    """Sum the weeks from `start` to before `end` of some subjects: for each a short range of the primary key."""
    day = facets.days.table.c.day
    sums = weeks.sums(facets, connection.dialect.name)
    sums = sums.where(facets.days.whose.in_(subjects), day >= start, day < end)
    table = facets.weeks.table
    connection.execute(insert_into(table, connection).from_select(list(table.c.keys()), sums))


def _keep(connection: Connection, facets: Facets, known: Summed) -> None:
    columns = ("subject_id", "passed", "here", "ahead")
    state = dict(zip(columns, astuple(known), strict=True))
    statement = insert_into(SummedWeeks, connection).values(facets=weeks.name(facets), **state)
    connection.execute(statement.on_conflict_do_update(index_elements=["facets"], set_=state))


@cache
def _next_subjects(facets: Facets) -> Select[Any]:
    """The next subjects, lowest ids first, each with the rows of those before it, until these are enough.

    A seek for each, instead of reading through what is not of these weeks. After the last one comes NULL.
    """
    whose, day, most = facets.days.whose, facets.days.table.c.day, bindparam("most", type_=BigInteger)
    first = select(func.min(whose).label("id"), cast(literal(0), BigInteger).label("rows"))
    walk = first.where(whose >= bindparam("first")).cte("walk", recursive=True)
    following = select(func.min(whose)).where(whose > walk.c.id).scalar_subquery()
    own = select(literal(1)).where(whose == walk.c.id, day >= bindparam("start"), day < bindparam("end"))
    counted = select(func.count()).select_from(own.limit(most).correlate(walk).subquery()).scalar_subquery()
    more = select(following, walk.c.rows + _SUBJECT + counted)
    return select(walk.union_all(more.where(walk.c.id.is_not(None), walk.c.rows < most)))
