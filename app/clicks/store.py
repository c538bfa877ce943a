"""Storing a batch: rows, roll-ups and spool position in one transaction, so that each line counts once."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, case, insert, or_, select, update

from app.clicks.batch import Batch
from app.clicks.models import Click, ClickCount, ClickFacet, SpoolPosition
from app.database import insert_into


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
    moved = connection.execute(
        update(SpoolPosition)
        .where(SpoolPosition.file == file, SpoolPosition.position == old)
        .values(position=new, finished_at=finished_at)
    )
    if moved.rowcount != 1:
        raise PositionMoved(file)


def store(connection: Connection, batch: Batch) -> None:
    """Insert the rows and add to the roll-ups.

    The roll-ups go in the order of their keys: ingesters of several hosts that share a PostgreSQL lock the
    same rows in the same order, and so never deadlock.
    """
    if batch.clicks:
        connection.execute(insert(Click), batch.clicks)
    if batch.counts:
        _add_counts(connection, batch)
    if batch.facets:
        _add_facets(connection, batch)


def _add_counts(connection: Connection, batch: Batch) -> None:
    statement = insert_into(ClickCount, connection)
    new = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=["link_id", "hour"],
        set_={
            "humans": ClickCount.humans + new.humans,
            "bots": ClickCount.bots + new.bots,
            "prefetches": ClickCount.prefetches + new.prefetches,
            "last_at": _later(ClickCount.last_at.expression, new.last_at),
        },
    )
    rows = [
        {
            "link_id": link_id,
            "hour": hour,
            "humans": count.humans,
            "bots": count.bots,
            "prefetches": count.prefetches,
            "last_at": count.last_at,
        }
        for (link_id, hour), count in sorted(batch.counts.items(), key=lambda item: item[0])
    ]
    connection.execute(statement, rows)


def _add_facets(connection: Connection, batch: Batch) -> None:
    statement = insert_into(ClickFacet, connection)
    statement = statement.on_conflict_do_update(
        index_elements=["link_id", "day", "dimension", "value"],
        set_={"clicks": ClickFacet.clicks + statement.excluded.clicks},
    )
    rows = [
        {"link_id": link_id, "day": day, "dimension": dimension, "value": value, "clicks": clicks}
        for (link_id, day, dimension, value), clicks in sorted(batch.facets.items())
    ]
    connection.execute(statement, rows)


def _later(
    old: ColumnElement[datetime | None], new: ColumnElement[datetime | None]
) -> ColumnElement[datetime | None]:
    """The later of two times, of which either may be NULL (`greatest` is PostgreSQL's, `max` SQLite's)."""
    return case((or_(new.is_(None), old > new), old), else_=new)
