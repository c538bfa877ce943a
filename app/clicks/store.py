"""Storing a batch: rows, roll-ups and spool position in one transaction, so that each line counts once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from app.clicks import owners, weeks
from app.clicks.accounting import Entry
from app.clicks.bulk import Rows, add_all, insert_all, insert_new, unanswered, use_utc
from app.clicks.models import Click, DailyVisitor, SpoolPosition
from app.clicks.subjects import ACCOUNT_COUNTS, ACCOUNT_FACETS, LINK_COUNTS, LINK_FACETS, Grains
from app.clicks.versions import add_steps
from app.clicks.weeks import Late
from app.database import insert_into, table_of

# Built once: for a batch of a hundred lines that is as dear as ten of them.
_MOVE = (
    update(SpoolPosition)
    .where(SpoolPosition.file == bindparam("of"), SpoolPosition.position == bindparam("old"))
    .values(position=bindparam("new"), finished_at=bindparam("finished_at"))
)


class PositionMoved(Exception):
    """The file's position is not what this reader started from: somebody else stored these lines."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a file was stored, in bytes, and whether it was stored to its end."""

    offset: int
    finished: bool


def position_of(connection: Connection, file: str) -> Position:
    """The stored position of `file`; the beginning for a file that is new."""
    row = connection.execute(
        select(SpoolPosition.position, SpoolPosition.finished_at).where(SpoolPosition.file == file)
    ).one_or_none()
    return Position(0, finished=False) if row is None else Position(row.position, row.finished_at is not None)


def move_position(
    connection: Connection, file: str, old: int, new: int, finished_at: datetime | None
) -> None:
    """Claim the bytes from `old` to `new`: one conditional statement, which only one reader can win.

    Raises PositionMoved, on which the transaction must be rolled back.
    """
    if old == 0:
        connection.execute(
            insert_into(SpoolPosition, connection).on_conflict_do_nothing(), {"file": file, "position": 0}
        )
    moved = connection.execute(_MOVE, {"of": file, "old": old, "new": new, "finished_at": finished_at})
    if moved.rowcount != 1:
        raise PositionMoved(file)


def store(connection: Connection, entry: Entry, meanwhile: Callable[[], object]) -> None:
    """Insert the clicks and add to the roll-ups of links and accounts, in coarse grain where their weeks are summed.

    Rows that others may add to go in the order of their keys: ingesters of several hosts that share a PostgreSQL
    lock the same rows in the same order, and so never deadlock. Accounts come last, since all wait for theirs; facets
    of links first, since they need not know who is new, and nobody waits for an answer: PostgreSQL is at them, and at
    who is new, meanwhile.
    With what is stored what was remembered of these accounts loses its worth.

    Uniques are right as long as the day's visitors are kept: a line older than that counts as unique if it is its
    visitor's first in the batch, whatever was counted before.

    `meanwhile` is called while PostgreSQL is at it, on SQLite not at all.

    Raises OwnersChanged, on which the transaction must be rolled back.
    """
    owners.hold(connection, entry.owners_as_of)
    late = weeks.late(connection, entry)
    use_utc(connection)
    if entry.batch.clicks:
        insert_all(connection, table_of(Click), entry.batch.clicks)
    with unanswered(connection) as sent:
        _add_all(connection, LINK_FACETS, entry.links.facets, late)
        with insert_new(connection, table_of(DailyVisitor), entry.visitors) as new:
            sent(meanwhile)
            entry.add_uniques(new())
        _add_all(connection, LINK_COUNTS, entry.links.count_rows(), late)
        _add_all(connection, ACCOUNT_COUNTS, entry.accounts.count_rows(), late)
        _add_all(connection, ACCOUNT_FACETS, entry.accounts.facets, late)
        add_steps(connection, entry.owners.values())


def _add_all(connection: Connection, grains: Grains, rows: Rows, late: Late) -> None:
    for roll_up, own in ((grains.fine, rows), (grains.coarse, late.of(grains, rows))):
        if own:
            add_all(connection, roll_up.table, own)
