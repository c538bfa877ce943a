"""Whose clicks are told: a link's or an account's. Both have the same roll-ups, each in two grains.

They are read as tables, not as models: statements are built once for each table, and only their values change.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from sqlalchemy import Column, ColumnElement, Date, Table

from app.clicks.models import (
    AccountCount,
    AccountFacet,
    AccountFacetWeek,
    AccountHour,
    ClickCount,
    ClickFacet,
    ClickFacetWeek,
    ClickHour,
)
from app.database import Base, table_of

SUMMED = ("humans", "bots", "uniques")
"""The columns of counts that add up, in both grains."""


@dataclass(frozen=True)
class RollUp:
    """A table whose first column says whose its rows are, and the second of what time."""

    table: Table

    @property
    def whose(self) -> Column[int]:
        """A link's id, or an account's."""
        return self.table.columns[0]

    @property
    def time(self) -> Column[date]:
        """Where a quarter of an hour or an hour begins; or a day, or the Monday of a week."""
        return self.table.columns[1]

    @property
    def tells_days(self) -> bool:
        """Whether `time` is a date."""
        return isinstance(self.time.type, Date)

    def beginning(self, day: date) -> date:
        """The first `time` of a UTC day."""
        return day if self.tells_days else datetime.combine(day, time(), UTC)

    def within(self, start: date, end: date) -> tuple[ColumnElement[bool], ...]:
        """Of UTC days from `start` to before `end`."""
        return self.time >= self.beginning(start), self.time < self.beginning(end)


@dataclass(frozen=True)
class Grains:
    """The same clicks twice: in fine grain, and in coarse grain those of weeks that are over (`app.clicks.weeks`)."""

    fine: RollUp
    coarse: RollUp

    @property
    def name(self) -> str:
        """What `summed_weeks` calls them."""
        return self.fine.table.name


@dataclass(frozen=True)
class Subject:
    """The counts and facets of a link or an account, and its id."""

    counts: Grains
    facets: Grains
    id: int
    owner_id: int


def _grains(fine: type[Base], coarse: type[Base]) -> Grains:
    return Grains(RollUp(table_of(fine)), RollUp(table_of(coarse)))


LINK_COUNTS, LINK_FACETS = _grains(ClickCount, ClickHour), _grains(ClickFacet, ClickFacetWeek)
ACCOUNT_COUNTS, ACCOUNT_FACETS = _grains(AccountCount, AccountHour), _grains(AccountFacet, AccountFacetWeek)
ALL = (LINK_FACETS, ACCOUNT_FACETS, LINK_COUNTS, ACCOUNT_COUNTS)


def of_link(link_id: int, owner_id: int) -> Subject:
    """The clicks of one link of an account's."""
    return Subject(LINK_COUNTS, LINK_FACETS, link_id, owner_id)


def of_account(owner_id: int) -> Subject:
    """The clicks of all links of an account, those among them that were deleted since."""
    return Subject(ACCOUNT_COUNTS, ACCOUNT_FACETS, owner_id, owner_id)
