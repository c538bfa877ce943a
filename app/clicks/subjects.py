"""Whose clicks are told: a link's or an account's. Both have the same three roll-ups.

They are read as tables, not as models: statements are built once for each table, and only their values change.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table

from app.clicks.models import (
    AccountCount,
    AccountFacet,
    AccountFacetWeek,
    ClickCount,
    ClickFacet,
    ClickFacetWeek,
)
from app.database import table_of


@dataclass(frozen=True)
class RollUp:
    """A table, and the name of the column that says whose its rows are."""

    table: Table
    key: str

    @property
    def whose(self) -> ColumnElement[int]:
        """That column."""
        return self.table.c[self.key]


@dataclass(frozen=True)
class Facets:
    """The roll-ups by values: of days, and of weeks that are over."""

    days: RollUp
    weeks: RollUp


@dataclass(frozen=True)
class Subject:
    """The roll-ups by quarters of an hour and by values, and the id of the link or account."""

    counts: RollUp
    facets: Facets
    id: int
    owner_id: int


LINK_FACETS = Facets(RollUp(table_of(ClickFacet), "link_id"), RollUp(table_of(ClickFacetWeek), "link_id"))
ACCOUNT_FACETS = Facets(
    RollUp(table_of(AccountFacet), "owner_id"), RollUp(table_of(AccountFacetWeek), "owner_id")
)
_LINK = RollUp(table_of(ClickCount), "link_id"), LINK_FACETS
_ACCOUNT = RollUp(table_of(AccountCount), "owner_id"), ACCOUNT_FACETS


def of_link(link_id: int, owner_id: int) -> Subject:
    """The clicks of one link of an account's."""
    return Subject(*_LINK, link_id, owner_id)


def of_account(owner_id: int) -> Subject:
    """The clicks of all links of an account, those among them that were deleted since."""
    return Subject(*_ACCOUNT, owner_id, owner_id)
