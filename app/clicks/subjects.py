"""Whose clicks are told: a link's or an account's. Both have the same two roll-ups.

They are read as tables, not as models: statements are built once for each table, and only their values change.
"""

from dataclasses import dataclass

from sqlalchemy import FromClause

from app.clicks.models import AccountCount, AccountFacet, ClickCount, ClickFacet


@dataclass(frozen=True)
class RollUp:
    """A table, and the name of the column that says whose its rows are."""

    table: FromClause
    key: str


@dataclass(frozen=True)
class Subject:
    """The roll-ups by quarters of an hour and by days and values, and the id of the link or account."""

    counts: RollUp
    facets: RollUp
    id: int
    owner_id: int


_LINK = RollUp(ClickCount.__table__, "link_id"), RollUp(ClickFacet.__table__, "link_id")
_ACCOUNT = RollUp(AccountCount.__table__, "owner_id"), RollUp(AccountFacet.__table__, "owner_id")


def of_link(link_id: int, owner_id: int) -> Subject:
    """The clicks of one link of an account's."""
    return Subject(*_LINK, link_id, owner_id)


def of_account(owner_id: int) -> Subject:
    """The clicks of all links of an account, those among them that were deleted since."""
    return Subject(*_ACCOUNT, owner_id, owner_id)
