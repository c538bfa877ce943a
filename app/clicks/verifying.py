"""Whether the roll-ups are what the raw clicks add up to, the accounts' what their links' add up to, and those in
coarse grain what those in fine grain add up to.

Recounted by the database, in a handful of statements that see one moment: a worker at work beside it does no
harm. Prefetches have no raw rows: only the accounts' are compared. Uniques are compared by UTC day, since the
quarter that a first click is counted in depends on the order of ingest.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    Select,
    case,
    cast,
    extract,
    func,
    literal,
    select,
    union_all,
)

from app import clock, database
from app.accounts.models import User
from app.clicks import subjects, weeks
from app.clicks.comparing import comparison, facet_comparison
from app.clicks.models import AccountCount, AccountFacet, Click, ClickCount, ClickFacet, SummedWeeks
from app.clicks.subjects import Grains
from app.links.models import Domain, Link

MOST = 20  # rows that each comparison names

_DIMENSIONS = ("referrer", "country", "browser", "os", "device")
_COUNTS = ("humans", "bots", "prefetches", "uniques")
_BEGINNING = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure that is not what it should be."""

    whose: str
    """``link <code>``, ``link <host>/<code>`` or ``account <id>``."""
    when: str
    """A quarter of an hour, an hour, a day, or the Monday of a week, in UTC."""
    what: str
    counted: object
    """What it should be; None is nothing."""
    kept: object
    """What the roll-up says; None is nothing."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was checked, and what was found wrong."""

    since: date
    clicks: int
    days: int
    links: int
    wrong: int
    """Rows of roll-ups that are wrong or missing."""
    differences: Sequence[Difference]
    """Their figures, of the first rows of each comparison."""


def verify(since: date | None = None) -> Verdict:
    """Compare from the day `since` on, by default from the first that CLICKS_KEPT_DAYS leaves whole.

    Accounts are compared with their links over all time, and so are the two grains. Nobody waits for it.
    """
    since = since or _first_whole_day()
    with database.reading() as connection:
        if connection.dialect.name == "postgresql":  # a transaction of SQLite's sees one moment anyway
            connection.execution_options(isolation_level="REPEATABLE READ")
        recount = _Recount(connection, since)
        clicks, days, links = recount.extent()
        comparisons = (
            recount.counts(),
            recount.uniques(),
            recount.facets(),
            _account_counts(),
            _account_facets(),
            *(_coarse(grains, connection.dialect.name) for grains in subjects.ALL),
        )
        found = [connection.execute(rows.limit(MOST)).all() for rows in comparisons]
        differences = list(_named(connection, [row._mapping for rows in found for row in rows]))
    return Verdict(since, clicks, days, links, sum(rows[0].wrong for rows in found if rows), differences)


def _first_whole_day() -> date:
    days: int = current_app.config["CLICKS_KEPT_DAYS"]
    return (clock.now() - timedelta(days=days)).date() + timedelta(days=1) if days else _BEGINNING


class _Recount:
    """Links' roll-ups beside the raw clicks since a day.

    What is grouped by comes out of a subquery: PostgreSQL takes an expression that has parameters for another
    one wherever it is repeated.
    """

    def __init__(self, connection: Connection, since: date) -> None:
        self._connection = connection
        self._since = since
        self._start = datetime.combine(since, time(), UTC)
        seconds = _seconds(Click.at)
        clicks = select(Click, self._day(Click.at).label("day"), (seconds - seconds % 900).label("quarter"))
        self._clicks = clicks.where(Click.at >= self._start).subquery().c

    def extent(self) -> tuple[int, int, int]:
        """How many clicks, days and links there are to compare."""
        day, link_id = self._clicks.day, self._clicks.link_id
        each = select(day, link_id, func.count().label("clicks")).group_by(day, link_id).subquery().c
        sums = func.coalesce(func.sum(each.clicks), 0), func.count(each.day.distinct())
        row = self._connection.execute(select(*sums, func.count(each.link_id.distinct()))).one()
        return int(row[0]), row[1], row[2]

    def counts(self) -> Select[Any]:
        clicks = self._clicks
        counted = select(
            clicks.link_id,
            clicks.quarter,
            func.sum(case((clicks.bot, 0), else_=1)).label("humans"),
            func.sum(case((clicks.bot, 1), else_=0)).label("bots"),
            func.max(clicks.at).label("last_at"),
        ).group_by(clicks.link_id, clicks.quarter)
        own = ClickCount
        kept = select(own.link_id, _seconds(own.quarter).label("quarter"), own.humans, own.bots, own.last_at)
        return comparison(counted, kept.where(own.quarter >= self._start), keys=2)

    def uniques(self) -> Select[Any]:
        link_id, day, visitor = self._clicks.link_id, self._clicks.day, self._clicks.visitor
        counted = select(link_id, day, func.count(visitor.distinct()).label("uniques"))
        counted = counted.where(*self._known_humans()).group_by(link_id, day)
        quarters = select(ClickCount.link_id, self._day(ClickCount.quarter).label("day"), ClickCount.uniques)
        own = quarters.where(ClickCount.quarter >= self._start).subquery().c
        kept = select(own.link_id, own.day, func.sum(own.uniques).label("uniques"))
        return comparison(counted, kept.group_by(own.link_id, own.day), keys=2)

    def facets(self) -> Select[Any]:
        facts = [self._clicks[name] for name in ("link_id", "day", *_DIMENSIONS)]
        # By all facts at once, so that the clicks are read once and not for each dimension.
        humans = select(*facts, func.count().label("clicks")).where(*self._known_humans())
        each = humans.group_by(*facts).cte("humans").c
        by_value = union_all(
            *(
                select(
                    each.link_id,
                    each.day,
                    literal(name).label("dimension"),
                    each[name].label("value"),
                    each.clicks,
                )
                for name in _DIMENSIONS
            )
        )
        kept = select(ClickFacet.link_id, *_facet_columns(ClickFacet)).where(ClickFacet.day >= self._since)
        return facet_comparison(select(*by_value.subquery().c), kept)

    def _known_humans(self) -> tuple[ColumnElement[bool], ...]:
        """A private click has no visitor: it is counted, and no more."""
        return ~self._clicks.bot, self._clicks.visitor != b""

    def _day(self, at: Any) -> ColumnElement[date]:
        """The UTC day of a time; SQLite keeps times as texts in UTC."""
        if self._connection.dialect.name == "postgresql":
            return cast(func.timezone("UTC", at), Date)
        return func.date(at, type_=Date())


def _account_counts() -> Select[Any]:
    figures = (*(getattr(ClickCount, name) for name in _COUNTS), ClickCount.last_at)
    links = select(Link.owner_id, _seconds(ClickCount.quarter).label("quarter"), *figures)
    each = links.join(ClickCount, ClickCount.link_id == Link.id).subquery().c
    sums = (func.sum(each[name]).label(name) for name in _COUNTS)
    counted = select(each.owner_id, each.quarter, *sums, func.max(each.last_at).label("last_at"))
    own = AccountCount
    figures = (*(getattr(own, name) for name in _COUNTS), own.last_at)
    kept = select(own.owner_id, _seconds(own.quarter).label("quarter"), *figures)
    return comparison(counted.group_by(each.owner_id, each.quarter), kept, keys=2)


def _account_facets() -> Select[Any]:
    links = select(Link.owner_id, *_facet_columns(ClickFacet)).join(ClickFacet, ClickFacet.link_id == Link.id)
    return facet_comparison(links, select(AccountFacet.owner_id, *_facet_columns(AccountFacet)))


def _coarse(grains: Grains, engine: str) -> Select[Any]:
    """The rows of weeks that are summed, beside the sums of the fine ones."""
    fine, coarse = grains.fine, grains.coarse.table
    state, until = SummedWeeks.__table__, weeks.until(fine.whose)
    counted = weeks.sums(grains, engine).join(state, SummedWeeks.roll_up == grains.name)
    counted = counted.where(fine.time < weeks.as_time(grains, engine, until))
    return comparison(counted, select(*coarse.c), keys=len(coarse.primary_key))


def _facet_columns(model: type[ClickFacet] | type[AccountFacet]) -> tuple[Any, ...]:
    return model.day, model.dimension, model.value, model.clicks


def _seconds(at: Any) -> Any:
    """Seconds since the epoch: the one form of a time that both engines reckon with."""
    return extract("epoch", at)


def _named(connection: Connection, rows: Sequence[Any]) -> Iterator[Difference]:
    """One difference for each figure of `rows` that is wrong."""
    links = _codes(connection, {row["link_id"] for row in rows if "link_id" in row})
    accounts = _public_ids(connection, {row["owner_id"] for row in rows if "owner_id" in row})
    for row in rows:
        if "link_id" in row:
            whose = f"link {links.get(row['link_id'], row['link_id'])}"
        else:
            whose = f"account {accounts.get(row['owner_id'], row['owner_id'])}"
        for name in [key.removeprefix("kept_") for key in row if key.startswith("kept_")]:
            counted, kept = row[f"counted_{name}"], row[f"kept_{name}"]
            if (counted or 0) != (kept or 0):
                what = f"{row['dimension']} {row['value']!r}" if name == "clicks" else name
                yield Difference(whose, _when(row), what, counted, kept)


def _when(row: Any) -> str:
    if "day" in row:
        return f"{row['day']}"
    if "week" in row:
        return f"the week of {row['week']}"
    if "hour" in row:
        return f"the hour from {row['hour']:%Y-%m-%d %H:%M}"
    return f"{datetime.fromtimestamp(int(row['quarter']), UTC):%Y-%m-%d %H:%M}"


def _codes(connection: Connection, ids: Iterable[int]) -> dict[int, str]:
    rows = (
        select(Link.id, Link.code, Domain.host)
        .join(Domain, Domain.id == Link.domain_id)
        .where(Link.id.in_(ids))
    )
    return {id_: f"{host}/{code}" if host else code for id_, code, host in connection.execute(rows)}


def _public_ids(connection: Connection, ids: Iterable[int]) -> dict[int, str]:
    users = select(User.id, User.public_id).where(User.id.in_(ids))
    return {row.id: row.public_id for row in connection.execute(users)}
