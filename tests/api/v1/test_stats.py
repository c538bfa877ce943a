"""GET /links/{code}/stats. What the figures mean is tested beside `app.clicks.stats`."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, update

from app import database
from app.clicks import versions
from app.clicks.models import ClickCount, ClickFacet
from tests.conftest import Caller
from tests.making import add_domain, follow, internal_id, make_link, stored_link
from tests.watching import statements

RANGE = "from=2026-03-30T00:00:00Z&to=2026-04-02T00:00:00Z"


@pytest.fixture
def counted(app: Flask, alice: Caller) -> None:
    """A link of Alice's with clicks in two quarters of an hour of two days."""
    make_link(alice, code="seen")
    link_id = stored_link(app, "seen")["id"]
    quarters = [
        (datetime(2026, 3, 31, 23, 15, tzinfo=UTC), 2, 1),
        (datetime(2026, 4, 1, 10, tzinfo=UTC), 3, 0),
    ]
    facets = [("referrer", "example.org", 3), ("referrer", "", 2), ("country", "DE", 5), ("os", "Linux", 1)]
    with app.app_context(), database.writing() as connection:
        connection.execute(
            insert(ClickCount),
            [
                {
                    "link_id": link_id,
                    "quarter": quarter,
                    "humans": humans,
                    "bots": bots,
                    "prefetches": 9,
                    "uniques": humans - 1,
                }
                for quarter, humans, bots in quarters
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


def bucket(day: str, humans: int, bots: int, uniques: int) -> dict[str, Any]:
    return {
        "start": f"2026-{day}T00:00:00.000Z",
        "local_start": f"2026-{day}T00:00:00+00:00",
        "humans": humans,
        "bots": bots,
        "uniques": uniques,
    }


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
        "tz": "UTC",
        "totals": {"clicks": 6, "humans": 5, "bots": 1, "uniques": 3},
        "series": [bucket("03-30", 0, 0, 0), bucket("03-31", 2, 1, 1), bucket("04-01", 3, 0, 2)],
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
    assert follow(alice, links["clicks"]["href"]).json["items"] == []
    assert follow(alice, links["export"]["href"]).content_type == "text/csv; charset=utf-8"


@pytest.mark.usefixtures("counted")
def test_series_goes_in_the_steps_asked_for(alice: Caller) -> None:
    weekly = alice.get(f"/links/seen/stats?{RANGE}&interval=week").json["series"]
    assert weekly == [bucket("03-30", 5, 1, 3)]
    monthly = alice.get(f"/links/seen/stats?{RANGE}&interval=month").json["series"]
    assert monthly == [bucket("03-01", 2, 1, 1), bucket("04-01", 3, 0, 2)]
    hourly = alice.get(f"/links/seen/stats?{RANGE}&interval=hour").json["series"]
    assert len(hourly) == 72
    assert [entry["humans"] for entry in hourly if entry["humans"]] == [2, 3]


@pytest.mark.usefixtures("counted")
def test_steps_are_those_of_the_time_zone(alice: Caller) -> None:
    answer = alice.get(f"/links/seen/stats?{RANGE}&tz=Europe/Berlin")
    assert answer.json["tz"] == "Europe/Berlin"
    assert [(step["start"], step["local_start"], step["humans"]) for step in answer.json["series"]] == [
        ("2026-03-29T22:00:00.000Z", "2026-03-30T00:00:00+02:00", 0),
        ("2026-03-30T22:00:00.000Z", "2026-03-31T00:00:00+02:00", 0),
        ("2026-03-31T22:00:00.000Z", "2026-04-01T00:00:00+02:00", 5),
        ("2026-04-01T22:00:00.000Z", "2026-04-02T00:00:00+02:00", 0),
    ]


@pytest.mark.usefixtures("counted")
def test_range_is_answered_as_the_quarters_it_touches(alice: Caller) -> None:
    answer = alice.get("/links/seen/stats?from=2026-03-31T23:29:59Z&to=2026-04-01T10:00:00.001Z")
    assert (answer.json["from"], answer.json["to"]) == (
        "2026-03-31T23:15:00.000Z",
        "2026-04-01T10:15:00.000Z",
    )
    assert answer.json["totals"]["humans"] == 5


@pytest.mark.usefixtures("counted")
def test_period_before_is_told_on_wish(alice: Caller) -> None:
    asked = "from=2026-04-01T00:00:00Z&to=2026-04-02T00:00:00Z&compare=previous"
    assert alice.get(f"/links/seen/stats?{asked}").json["previous"] == {
        "from": "2026-03-31T00:00:00.000Z",
        "to": "2026-04-01T00:00:00.000Z",
        "totals": {"clicks": 3, "humans": 2, "bots": 1, "uniques": 1},
        "change": {"clicks": 0.0, "humans": 0.5, "bots": -1.0, "uniques": 1.0},
    }
    first = alice.get("/links/seen/stats?to=2026-03-31T00:00:00Z&compare=previous").json["previous"]
    assert first["change"] == {"clicks": None, "humans": None, "bots": None, "uniques": None}


@pytest.mark.usefixtures("counted")
def test_top_is_as_long_as_asked_for(alice: Caller) -> None:
    answer = alice.get(f"/links/seen/stats?{RANGE}&top=1")
    assert answer.json["top"]["referrers"] == [{"value": "example.org", "clicks": 3}]


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("tz=Mars/Olympus", ["tz"]),
        ("tz=", ["tz"]),
        ("tz=Europe", ["tz"]),
        ("tz=../../../etc/passwd", ["tz"]),
        ("tz=Europe/Berlin%00", ["tz"]),
        ("tz=%2B01:00", ["tz"]),
        ("top=0", ["top"]),
        ("top=101", ["top"]),
        ("compare=next", ["compare"]),
        ("interval=year", ["interval"]),
        ("interval=hour&from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z", ["interval"]),
        ("from=2026-04-01T00:00:00", ["from"]),
        ("from=2026-04-02T00:00:00Z&to=2026-04-01T00:00:00Z", ["from"]),
        ("from=1999-01-01T00:00:00Z&to=2201-01-01T00:00:00Z", ["from", "to"]),
        ("tz=x&top=x", ["top", "tz"]),
    ],
)
def test_what_is_not_acceptable_is_named(alice: Caller, query: str, fields: list[str]) -> None:
    make_link(alice, code="new")
    for path in ("/links/new/stats", "/stats"):
        answer = alice.get(f"{path}?{query}")
        assert answer.status_code == 400, answer.text
        assert sorted(detail["field"] for detail in answer.json["error"]["details"]) == fields


def test_new_link_has_thirty_days_of_nothing(alice: Caller) -> None:
    make_link(alice, code="new")
    answer = alice.get("/links/new/stats")
    assert answer.json["totals"] == {"clicks": 0, "humans": 0, "bots": 0, "uniques": 0}
    assert len(answer.json["series"]) == 31
    assert alice.call("HEAD", "/links/new/stats").status_code == 200


def test_link_of_somebody_else_is_404(alice: Caller, bob: Caller, anonymous: Caller) -> None:
    make_link(bob, code="his")
    for path in ("/links/his/stats", "/links/his/stats/export", "/links/his/clicks"):
        assert bob.get(path).status_code == 200
        assert alice.get(path).status_code == 404
        assert anonymous.get(path).status_code == 401


def test_domain_is_chosen_by_the_query(app: Flask, alice: Caller) -> None:
    add_domain(app, "go.example.org")
    make_link(alice, code="there", domain="go.example.org")
    assert alice.get("/links/there/stats").status_code == 404
    answer = alice.get("/links/there/stats?domain=go.example.org&interval=week")
    links = answer.json["_links"]
    assert follow(alice, links["self"]["href"]).json["interval"] == "week"
    assert follow(alice, links["link"]["href"]).json["domain"] == "go.example.org"
    for name in ("clicks", "export"):
        assert follow(alice, links[name]["href"]).status_code == 200


def test_unchanged_statistics_are_304_and_a_click_ends_that(app: Flask, alice: Caller, counted: None) -> None:
    for path in (f"/stats?{RANGE}", f"/links/seen/stats?{RANGE}"):
        tag = alice.get(path).headers["ETag"]
        assert tag.startswith('"0-')
        assert alice.get(path, headers={"If-None-Match": tag}).status_code == 304
        assert alice.get(f"{path}&interval=week", headers={"If-None-Match": tag}).status_code == 200
    with app.app_context(), database.writing() as connection:
        connection.execute(update(ClickCount).values(humans=ClickCount.humans + 1))
        versions.add_steps(connection, [internal_id(app, alice)])
    assert alice.get(path, headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("path", ["stats", "stats/export?of=referrers", "clicks"])
def test_tags_are_not_read_for_what_shows_none(app: Flask, alice: Caller, path: str) -> None:
    make_link(alice, code="abc", tags=["one"])
    with statements(app) as seen:
        assert alice.get(f"/links/abc/{path}").status_code == 200
    assert any("FROM links" in statement for statement in seen)
    assert not any("link_tags" in statement for statement in seen)
