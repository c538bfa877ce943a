"""What a visitor counts for: uniques, private clicks, and the account of the link's owner."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from app import database
from app.clicks.ingest import Ingester
from app.clicks.models import AccountCount, AccountFacet, Click, ClickCount, ClickFacet, DailyVisitor
from app.clicks.owners import Owners
from app.links.models import Link
from tests.integration.clicks.conftest import AT, CURL, Finished, drain
from tests.integration.clicks.rolled import DIMENSIONS, OWNERS, line, own_links, table, uniques


@pytest.fixture
def owned() -> None:
    own_links()


def test_a_visitor_is_unique_once_a_link_and_day(ingester: Ingester, finished: Finished) -> None:
    later, tomorrow = AT + timedelta(hours=2), AT + timedelta(days=1)
    finished([line(), line(at=later), line(link_id=2, at=later), line(at=tomorrow)])
    finished([line(), line(at=later), line(2, at=later), line(2**64 - 1, at=tomorrow)])
    drain(ingester)
    assert uniques() == {(1, AT): 1, (2, later): 1, (1, tomorrow): 2, (1, later): 1}


def test_the_first_click_by_time_in_the_batch_is_the_unique_one(
    ingester: Ingester, finished: Finished
) -> None:
    finished([line(at=AT + timedelta(hours=2)), line(at=AT), line(at=AT + timedelta(hours=1))])
    drain(ingester)
    assert uniques() == {(1, AT): 1}


def test_bots_prefetches_and_private_visitors_are_no_uniques(ingester: Ingester, finished: Finished) -> None:
    finished([line(user_agent=CURL), line(kind="prefetch"), line(None)])
    drain(ingester)
    assert uniques() == {}
    assert table(DailyVisitor) == {}
    finished([line()])
    drain(ingester)
    assert uniques() == {(1, AT): 1}


def test_old_days_keep_their_uniques_as_long_as_their_visitors_are_kept(
    ingester: Ingester, finished: Finished
) -> None:
    """A worker that was down: what is forgotten counts again, which is the price of forgetting."""
    finished([line()])
    drain(ingester)
    finished([line(at=AT + timedelta(minutes=15)), line(at=AT + timedelta(minutes=15))])
    drain(ingester)
    assert sum(uniques().values()) == 1
    with database.writing() as connection:
        connection.execute(DailyVisitor.__table__.delete())
    finished([line(at=AT + timedelta(minutes=15)), line(at=AT + timedelta(minutes=15))])
    drain(ingester)
    assert sum(uniques().values()) == 2


# --- private clicks -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("owned")
def test_a_private_click_is_counted_and_has_no_facts(ingester: Ingester, finished: Finished) -> None:
    finished([line(None), line(None, user_agent=CURL)])
    drain(ingester)
    with database.reading() as connection:
        rows = [dict(row) for row in connection.execute(select(Click.__table__)).mappings()]
    facts = dict.fromkeys(["address", *DIMENSIONS, "query"], "")
    assert [{**row, "id": 0} for row in rows] == [
        {"id": 0, "link_id": 1, "at": AT, "visitor": b"", "bot": bot, **facts} for bot in (False, True)
    ]
    assert table(ClickCount) == {(1, AT): (1, 1, 0, 0, AT)}
    assert table(AccountCount) == {(10, AT): (1, 1, 0, 0, AT)}
    assert table(ClickFacet) == table(AccountFacet) == {}


# --- accounts -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("owned")
def test_links_that_nobody_owns_have_no_account(ingester: Ingester, finished: Finished) -> None:
    finished([line(link_id=4), line(link_id=2**63 - 1)])
    drain(ingester)
    assert table(AccountCount) == table(AccountFacet) == {}
    assert len(table(ClickCount)) == 2


@pytest.mark.usefixtures("owned")
def test_a_link_made_after_its_id_was_met_has_an_account(ingester: Ingester, finished: Finished) -> None:
    finished([line(link_id=4)])
    drain(ingester)
    with database.writing() as connection:
        connection.execute(update(Link).where(Link.id == 3).values(id=4))
    finished([line(link_id=4)])
    drain(ingester)
    assert table(AccountCount) == {(11, AT): (1, 0, 0, 0, AT)}


@pytest.mark.usefixtures("owned")
def test_owners_are_remembered_within_bounds() -> None:
    owners = Owners(remembered=2)
    with database.reading() as connection:
        owners.learn(connection, [1, 2, 3, 4])
    assert owners.known == OWNERS
    assert owners.unknown([1, 2, 3]) == {1, 2, 3}  # too many: it starts over
    with database.reading() as connection:
        owners.learn(connection, [1, 2])
    assert owners.unknown([1, 2, 3]) == {3}
