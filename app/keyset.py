"""Keyset pagination: a page begins after the last row of the one before, or ends before the first row of the one
after, so that it costs the same at any depth and neither repeats nor skips a row while others come and go."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, String, and_, func, literal, select, union_all
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.orm.interfaces import ORMOption
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

T = TypeVar("T")

Position = tuple[str | int | datetime, ...]
"""What the keys of an order hold in one row."""


@dataclass(frozen=True)
class Key:
    """A column to sort by; it is never NULL."""

    column: ColumnElement[Any]
    descending: bool = False


Order = tuple[Key, ...]
"""Keys of which the last is unique."""


@dataclass(frozen=True)
class Listing(Generic[T]):
    """Rows that are shown page by page: those of `entity` that meet the conditions, in their order.

    `options` say what is loaded with a page of them.
    """

    entity: type[T]
    conditions: Sequence[ColumnElement[bool]]
    order: Order
    options: Sequence[ORMOption] = ()


@dataclass(frozen=True)
class Edge:
    """Where a page begins: behind the row at `position`, or, read `backward`, before it.

    `inclusive`: with that row. The way back from a page that turned out empty, where there is no other row to name.
    """

    position: Position
    backward: bool = False
    inclusive: bool = False


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows, and the edges of the pages before and after; None where nothing was seen there."""

    items: Sequence[T]
    prev: Edge | None
    next: Edge | None


class _Aside(FunctionElement[Any]):
    """A key between the first and the last. SQLite, which keeps no statistics unless told to, would take an index on
    it for one that begins with the first, and read half of all rows."""

    inherit_cache = True

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)
        self.type = column.type


class _CodePoints(FunctionElement[str]):
    """The one expression that an index of a migration has on each engine."""

    inherit_cache = True
    type = String()


def by_code_point(column: ColumnElement[str]) -> ColumnElement[str]:
    """Text in the order of its code points: a locale's order would sort the same rows otherwise on each engine."""
    return _CodePoints(column)


def fetch(
    session: Session, listing: Listing[T], limit: int, edge: Edge | None = None, skip: int = 0
) -> Page[T]:
    """Return at most `limit` rows, those behind or before `edge`; without one, from the `skip`ped rows on.

    One statement: a row too many tells whether there are more. That there are rows on the side that the caller came
    from is not asked again.
    """
    backward = edge is not None and edge.backward
    order = _reversed(listing.order) if backward else listing.order
    wanted = listing.conditions if edge is None else [_beyond(listing, order, edge, limit + 1)]
    query = select(listing.entity).options(*listing.options).where(*wanted)
    labelled = (key.column.label(f"key_{number}") for number, key in enumerate(order))
    query = query.add_columns(*labelled).order_by(*(_sorted(key) for key in order))
    rows = session.execute(query.limit(limit + 1).offset(skip or None)).all()
    shown = rows[:limit][::-1] if backward else rows[:limit]
    if not shown:
        return _empty(edge)
    before, after = Edge(tuple(shown[0][1:]), backward=True), Edge(tuple(shown[-1][1:]))
    more = len(rows) > limit
    return Page(
        items=[row[0] for row in shown],
        prev=before if (more if backward else edge or skip) else None,
        next=after if (backward or more) else None,
    )


def total(session: Session, listing: Listing[Any]) -> int:
    """How many rows meet the conditions."""
    query = select(func.count()).select_from(listing.entity).where(*listing.conditions)
    return int(session.scalar(query) or 0)


def _empty(edge: Edge | None) -> Page[Any]:
    """What is to be shown where nothing is: the way back begins with the row that led here."""
    back = edge and Edge(edge.position, not edge.backward, not edge.inclusive)
    return Page([], *((None, back) if edge and edge.backward else (back, None)))


def _reversed(order: Order) -> Order:
    return tuple(Key(key.column, not key.descending) for key in order)


def _sorted(key: Key) -> ColumnElement[Any]:
    return key.column.desc() if key.descending else key.column.asc()


def _beyond(listing: Listing[Any], order: Order, edge: Edge, most: int) -> ColumnElement[bool]:
    """The first `most` rows behind the edge in this order, and some more that come later.

    A part for each key: the rows that are equal in the keys before and behind in this one. Both engines find the
    beginning of each part in an index, whatever the directions of the keys. A comparison of row values would be one
    part, but only of one direction; and SQLite would search by columns alone, not by an expression or the id, and so
    read all the links without a title that come before.
    """
    row = order[-1].column  # what is unique
    parts = (
        select(row.label("row"))
        .where(*listing.conditions, part)
        .order_by(*map(_sorted, rest))
        .limit(most)
        .subquery()
        for part, rest in _parts(order, edge)
    )
    return row.in_(union_all(*(select(part.c.row) for part in parts)))


def _parts(order: Order, edge: Edge) -> Iterator[tuple[ColumnElement[bool], Order]]:
    """The condition of each part, and what is still to be sorted by."""
    keys = [key if key in (order[0], order[-1]) else Key(_Aside(key.column), key.descending) for key in order]
    equal: list[ColumnElement[bool]] = []
    for number, (key, value) in enumerate(zip(keys, edge.position, strict=True)):
        there = literal(value, key.column.type)
        yield and_(*equal, key.column < there if key.descending else key.column > there), tuple(keys[number:])
        equal.append(key.column == there)
    if edge.inclusive:
        yield and_(*equal), order[-1:]


@compiles(_CodePoints)
def _collated(element: _CodePoints, compiler: SQLCompiler, **options: Any) -> str:
    return f'({compiler.process(element.clauses, **options)} COLLATE "C")'


@compiles(_CodePoints, "sqlite")
def _as_stored(element: _CodePoints, compiler: SQLCompiler, **options: Any) -> str:
    """SQLite's own order is that of bytes, which in UTF-8 is that of code points."""
    return compiler.process(element.clauses, **options)


@compiles(_Aside)
def _itself(element: _Aside, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(_Aside, "sqlite")
def _of_no_index(element: _Aside, compiler: SQLCompiler, **options: Any) -> str:
    return f"+{compiler.process(element.clauses, **options)}"
