"""GET /links/{code}/stats. What the figures mean is tested beside `app.clicks.stats`."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert

from app import database
from app.clicks.models import ClickCount, ClickFacet
from tests.conftest import Caller
from tests.making import add_domain, follow, make_link, stored_link

RANGE = "from=2026-03-30T00:00:00Z&to=2026-04-02T00:00:00Z"


@pytest.fixture
def counted(app: Flask, alice: Caller) -> None:
    """A link of Alice's with clicks in two hours of two days."""
    make_link(alice, code="seen")
    link_id = stored_link(app, "seen")["id"]
    hours = [(datetime(2026, 3, 31, 23, tzinfo=UTC), 2, 1), (datetime(2026, 4, 1, 10, tzinfo=UTC), 3, 0)]
    facets = [("referrer", "example.org", 3), ("referrer", "", 2), ("country", "DE", 5), ("os", "Linux", 1)]
    with app.app_context(), database.writing() as connection:
        connection.execute(
            insert(ClickCount),
            [
                {"link_id": link_id, "hour": hour, "humans": humans, "bots": bots, "prefetches": 9}
                for hour, humans, bots in hours
            ],
        )
        connection.execute(
            insert(ClickFacet),
            [
                {
                    "link_id": link_id,
                    "day": date(2026, 4, 1),
                    "dimension": dimension,
                    "value": value,
                    "clicks": clicks,
                }
                for dimension, value, clicks in facets
            ],
        )


def bucket(day: str, humans: int, bots: int) -> dict[str, Any]:
    return {"start": f"2026-{day}T00:00:00.000Z", "humans": humans, "bots": bots}


@pytest.mark.usefixtures("counted")
def test_stats_tell_totals_series_and_top(alice: Caller) -> None:
    answer = alice.get(f"/links/seen/stats?{RANGE}")
    assert answer.status_code == 200
    stats = dict(answer.json)
    links = stats.pop("_links")
    assert stats == {
        "from": "2026-03-30T00:00:00.000Z",
        "to": "2026-04-02T00:00:00.000Z",
        "interval": "day",
        "totals": {"clicks": 6, "humans": 5, "bots": 1},
        "series": [bucket("03-30", 0, 0), bucket("03-31", 2, 1), bucket("04-01", 3, 0)],
        "top": {
            "referrers": [{"value": "example.org", "clicks": 3}, {"value": "", "clicks": 2}],
            "countries": [{"value": "DE", "clicks": 5}],
            "browsers": [],
            "os": [{"value": "Linux", "clicks": 1}],
            "devices": [],
        },
    }
    assert follow(alice, links["self"]["href"]).json == answer.json
    assert follow(alice, links["link"]["href"]).json["code"] == "seen"


@pytest.mark.usefixtures("counted")
def test_series_goes_in_the_steps_asked_for(alice: Caller) -> None:
    weekly = alice.get(f"/links/seen/stats?{RANGE}&interval=week").json["series"]
    assert weekly == [bucket("03-30", 5, 1)]
    monthly = alice.get(f"/links/seen/stats?{RANGE}&interval=month").json["series"]
    assert monthly == [bucket("03-01", 2, 1), bucket("04-01", 3, 0)]
    hourly = alice.get(f"/links/seen/stats?{RANGE}&interval=hour").json["series"]
    assert len(hourly) == 72
    assert [entry["humans"] for entry in hourly if entry["humans"]] == [2, 3]


def test_new_link_has_thirty_days_of_nothing(alice: Caller) -> None:
    make_link(alice, code="new")
    answer = alice.get("/links/new/stats")
    assert answer.json["totals"] == {"clicks": 0, "humans": 0, "bots": 0}
    assert len(answer.json["series"]) == 31
    assert alice.call("HEAD", "/links/new/stats").status_code == 200


def test_domain_is_chosen_by_the_query(app: Flask, alice: Caller) -> None:
    add_domain(app, "go.example.org")
    make_link(alice, code="there", domain="go.example.org")
    assert alice.get("/links/there/stats").status_code == 404
    answer = alice.get("/links/there/stats?domain=go.example.org&interval=week")
    assert follow(alice, answer.json["_links"]["self"]["href"]).json["interval"] == "week"
    assert follow(alice, answer.json["_links"]["link"]["href"]).json["domain"] == "go.example.org"
