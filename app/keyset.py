"""Keyset pagination: a page begins after the last row of the one before, so that it costs the same at any depth
and neither repeats nor skips a row while others come and go."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, String, cast, literal, tuple_
from sqlalchemy.orm import Session

T = TypeVar("T")

Position = tuple[str | int | datetime, ...]
"""What the columns of an order hold in one row, the last of a page."""

_CODE_POINTS = String(collation="C").with_variant(String(collation="BINARY"), "sqlite")


@dataclass(frozen=True)
class Order:
    """Columns to sort by, all in one direction. None is ever NULL, and together they are unique."""

    columns: tuple[ColumnElement[Any], ...]
    descending: bool


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows, and where the next page begins; None after the last."""

    items: Sequence[T]
    next: Position | None


def by_code_point(column: ColumnElement[str]) -> ColumnElement[str]:
    """Text in the order of its code points: a locale's order would sort the same rows otherwise on each engine."""
    return cast(column, _CODE_POINTS)


def fetch(
    session: Session, query: Select[Any], order: Order, after: Position | None, limit: int
) -> Page[Any]:
    """Return at most `limit` of the entities that `query` selects, those behind `after`.

    One statement: a row too many tells whether there are more.
    """
    columns = order.columns
    if after is not None:
        query = query.where(_behind(order, after))
    labelled = (column.label(f"key_{number}") for number, column in enumerate(columns))
    query = query.add_columns(*labelled).order_by(
        *(c.desc() if order.descending else c.asc() for c in columns)
    )
    rows = session.execute(query.limit(limit + 1)).all()
    items = [row[0] for row in rows[:limit]]
    return Page(items, tuple(rows[limit - 1][1:]) if len(rows) > limit else None)


def _behind(order: Order, after: Position) -> ColumnElement[bool]:
    """A row-value comparison (SQL-92), which both engines answer from an index on the first column."""
    here = tuple_(*order.columns)
    there = tuple_(*(literal(value, column.type) for value, column in zip(after, order.columns, strict=True)))
    return here < there if order.descending else here > there
