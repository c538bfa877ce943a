"""GET /stats."""

from datetime import UTC, date, datetime

import pytest
from flask import Flask
from sqlalchemy import insert

from app import database
from app.clicks.models import AccountCount, AccountFacet
from tests.conftest import Caller
from tests.making import follow, internal_id, set_role

RANGE = "from=2026-04-01T00:00:00Z&to=2026-04-02T00:00:00Z"


@pytest.fixture
def counted(app: Flask, alice: Caller, bob: Caller) -> None:
    """Clicks on the links of Alice and Bob, links that are gone."""
    with app.app_context(), database.writing() as connection:
        for caller, humans in ((alice, 4), (bob, 100)):
            owner = {"owner_id": internal_id(app, caller)}
            count = {"humans": humans, "bots": 1, "prefetches": 9, "uniques": 3}
            facet = {"dimension": "country", "value": "DE", "clicks": humans}
            connection.execute(
                insert(AccountCount), [{**owner, **count, "quarter": datetime(2026, 4, 1, 10, tzinfo=UTC)}]
            )
            connection.execute(insert(AccountFacet), [{**owner, **facet, "day": date(2026, 4, 1)}])


@pytest.mark.usefixtures("counted")
def test_all_links_of_ones_own_are_told_together(alice: Caller) -> None:
    answer = alice.get(f"/stats?{RANGE}&interval=week&tz=Asia/Kolkata&top=5&compare=previous")
    assert answer.status_code == 200
    stats = dict(answer.json)
    assert stats["totals"] == {"clicks": 5, "humans": 4, "bots": 1, "uniques": 3}
    assert stats["series"] == [
        {
            "start": "2026-03-29T18:30:00.000Z",
            "local_start": "2026-03-30T00:00:00+05:30",
            "humans": 4,
            "bots": 1,
            "uniques": 3,
        }
    ]
    assert stats["top"]["countries"] == [{"value": "DE", "clicks": 4}]
    assert stats["previous"]["totals"]["clicks"] == 0
    assert set(stats["_links"]) == {"self", "export"}
    assert follow(alice, stats["_links"]["self"]["href"]).json == stats
    assert follow(alice, stats["_links"]["export"]["href"]).status_code == 200


@pytest.mark.usefixtures("counted")
def test_manager_is_told_of_their_own_links_too(app: Flask, alice: Caller) -> None:
    set_role(app, alice, "manager")
    assert alice.get(f"/stats?{RANGE}").json["totals"]["clicks"] == 5


def test_new_account_has_thirty_days_of_nothing(alice: Caller) -> None:
    answer = alice.get("/stats")
    assert answer.json["totals"] == {"clicks": 0, "humans": 0, "bots": 0, "uniques": 0}
    assert len(answer.json["series"]) == 31
    assert alice.call("HEAD", "/stats").status_code == 200


def test_it_takes_no_link(alice: Caller, anonymous: Caller) -> None:
    assert alice.get("/stats?domain=sho.rt").json["error"]["field"] == "domain"
    assert anonymous.get("/stats").status_code == 401
