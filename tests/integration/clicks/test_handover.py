"""Links that change their owner beside an ingester that remembers whose they were: accounts stay sums of links."""

import threading
from collections import Counter

import pytest
from flask import Flask

from app import database
from app.clicks import handover, owners, versions
from app.clicks.ingest import Ingester
from app.clicks.models import AccountCount
from app.clicks.stats import link_totals
from app.clicks.verifying import verify
from app.extensions import db
from tests.integration.clicks.conftest import Finished, drain
from tests.integration.clicks.rolled import line, own_links, table

HELD_UP = 0.3  # seconds


@pytest.fixture(autouse=True)
def links(context: None) -> None:
    own_links()  # 1 and 2 are account 10's, 3 is 11's


def hand_over() -> None:
    """Close account 10, whose links become account 11's."""
    handover.close_account(10, links_to="usr_11")
    db.session.commit()


def clicks() -> Counter[int]:
    """The clicks of each account that has any."""
    found: Counter[int] = Counter()
    for (owner_id, _), (humans, bots, *_) in table(AccountCount).items():
        found[owner_id] += humans + bots
    return found


def lines(first: int) -> list[bytes]:
    """One click of somebody new on each link."""
    return [
        line(first + link_id, link_id=link_id, referrer=f"https://{first}.example/") for link_id in (1, 2, 3)
    ]


def test_clicks_of_before_and_after_are_the_heirs(ingester: Ingester, finished: Finished) -> None:
    finished(lines(0))
    drain(ingester)
    assert clicks() == {10: 2, 11: 1}
    hand_over()
    assert clicks() == {11: 3}
    assert list(verify().differences) == []
    finished(lines(10))
    drain(ingester)
    assert clicks() == {11: 6}
    assert list(verify().differences) == []


def test_negative_control_who_is_not_told_counts_for_the_closed_account(
    ingester: Ingester, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owners, "hold", lambda _connection, _number: None)
    finished(lines(0))
    drain(ingester)
    hand_over()
    finished(lines(10))
    drain(ingester)
    assert clicks() == {10: 2, 11: 4}
    assert list(verify().differences) != []


def test_what_was_remembered_of_the_heirs_links_counts_no_more(
    ingester: Ingester, finished: Finished
) -> None:
    finished(lines(0))
    drain(ingester)
    before = versions.moment([11])
    hand_over()
    assert versions.moment([11]).version != before.version
    assert link_totals({1: 11})[1].humans == 1


def test_handover_waits_for_a_batch_that_is_being_stored(app: Flask) -> None:
    def elsewhere() -> None:
        with app.app_context():
            hand_over()

    heir = threading.Thread(target=elsewhere)
    with database.writing() as connection:
        owners.hold(connection, versions.of_everybody(connection))
        heir.start()
        heir.join(HELD_UP)
        assert heir.is_alive()
        number = versions.of_everybody(connection)
    heir.join(10)
    assert not heir.is_alive()
    with pytest.raises(owners.OwnersChanged), database.writing() as connection:
        owners.hold(connection, number)
