"""SQL that names the rows in which two selects differ: what should be there, and what is."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Subquery,
    and_,
    case,
    cast,
    func,
    null,
    or_,
    select,
    union,
    union_all,
)

from app.clicks.facetbound import OTHER
from app.database import UTCDateTime

_ALL = "all values"


def comparison(counted: Select[Any], kept: Select[Any], keys: int) -> Select[Any]:
    """The rows that are not alike of two selects with the same columns, the first `keys` of which are unique.

    Each has the key, every further column as `counted_<name>` and `kept_<name>`, and as `wrong` the number of
    such rows. A union, since SQLite knows full joins from 3.39 on only.
    """
    sides = {"counted": counted.subquery(), "kept": kept.subquery()}
    both = union_all(*(_padded(sides, own, keys) for own in sides)).subquery()
    key, values = list(both.c)[:keys], list(both.c)[keys:]
    found = [func.max(value).label(value.name) for value in values]
    half = len(found) // 2
    unlike = [
        _or_zero(counted).is_distinct_from(_or_zero(kept))
        for counted, kept in zip(found[:half], found[half:], strict=True)
    ]
    rows = select(*key, *found, func.count().over().label("wrong"))
    return rows.group_by(*key).having(or_(*unlike)).order_by(*key)


def facet_comparison(counted: Select[Any], kept: Select[Any]) -> Select[Any]:
    """The same of facets: whose, day, dimension, value, clicks.

    Where some of a day's values were put together, on either side, only the sum of all can be compared.
    """
    sides = (counted.subquery(), kept.subquery())
    together = union(*(select(*list(side.c)[:3]).where(side.c.value == OTHER) for side in sides)).subquery()
    return comparison(_folded(sides[0], together), _folded(sides[1], together), keys=4)


def _padded(sides: dict[str, Subquery], own: str, keys: int) -> Select[Any]:
    """The columns of one side, and NULL in place of the other's."""
    cells = [
        (column if side == own else cast(null(), column.type)).label(f"{side}_{column.name}")
        for side in sides
        for column in list(sides[side].c)[keys:]
    ]
    return select(*list(sides[own].c)[:keys], *cells)


def _folded(side: Subquery, together: Subquery) -> Select[Any]:
    whose, day, dimension, value, clicks = side.c
    same = and_(together.c[0] == whose, together.c.day == day, together.c.dimension == dimension)
    folded = case((together.c[0].is_not(None), _ALL), else_=value).label("value")
    rows = select(whose, day, dimension, folded, clicks).select_from(side).outerjoin(together, same)
    *key, clicks = rows.subquery().c
    return select(*key, func.sum(clicks).label("clicks")).group_by(*key)


def _or_zero(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """A number that is not there is 0, as is that of a quarter with prefetches alone; a time has no zero."""
    return value if isinstance(value.type, UTCDateTime) else func.coalesce(value, 0)
