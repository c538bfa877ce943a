"""GET /links/{code}/clicks."""

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import insert

from app import database
from app.clicks.models import Click
from tests.conftest import Caller
from tests.making import add_domain, follow, make_link, stored_link

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
CLICK = {
    "visitor": b"01234567",
    "address": "193.99.144.0/24",
    "country": "DE",
    "browser": "Firefox",
    "os": "Linux",
    "device": "desktop",
    "bot": False,
    "referrer": "example.org",
    "query": "ref=mail",
}
NOTHING = dict.fromkeys(("address", "country", "browser", "os", "device", "referrer", "query"), "")


def put(app: Flask, code: str, *clicks: dict[str, Any]) -> None:
    link_id = stored_link(app, code)["id"]
    with app.app_context(), database.writing() as connection:
        connection.execute(
            insert(Click), [{"link_id": link_id, "at": NOON, **CLICK, **click} for click in clicks]
        )


def queries(caller: Caller, path: str) -> list[str]:
    """The query of each click, page after page: the clicks' own names."""
    found: list[str] = []
    for _ in range(50):
        answer = follow(caller, path)
        assert answer.status_code == 200, answer.text
        found += [click["query"] for click in answer.json["items"]]
        if "next" not in answer.json["_links"]:
            return found
        path = answer.json["_links"]["next"]["href"]
    raise AssertionError("the list has no end")


def test_clicks_come_newest_first_with_what_is_known(app: Flask, alice: Caller) -> None:
    make_link(alice, code="seen")
    put(app, "seen", {}, {"at": NOON + timedelta(seconds=1), "visitor": b"", "bot": True, **NOTHING})
    answer = alice.get("/links/seen/clicks")
    assert answer.status_code == 200
    assert answer.json["items"] == [
        {"at": "2026-04-01T12:00:01.000Z", "bot": True, **NOTHING},
        {
            "at": "2026-04-01T12:00:00.000Z",
            "bot": False,
            "country": "DE",
            "browser": "Firefox",
            "os": "Linux",
            "device": "desktop",
            "referrer": "example.org",
            "query": "ref=mail",
            "address": "193.99.144.0/24",
        },
    ]
    assert answer.json["page"] == {"limit": 20, "next_cursor": None, "prev_cursor": None, "has_more": False}
    assert alice.call("HEAD", "/links/seen/clicks").status_code == 200


def test_pages_neither_repeat_nor_skip_clicks_of_one_moment(app: Flask, alice: Caller) -> None:
    make_link(alice, code="seen")
    put(app, "seen", *({"query": f"{n}", "at": NOON + timedelta(seconds=n // 10)} for n in range(45)))
    first = alice.get("/links/seen/clicks?limit=7")
    put(app, "seen", {"query": "late", "at": NOON + timedelta(hours=1)})
    found = [click["query"] for click in first.json["items"]]
    found += queries(alice, first.json["_links"]["next"]["href"])
    assert found == [f"{n}" for n in reversed(range(45))]
    assert 'rel="next"' in first.headers["Link"]


def test_range_includes_its_beginning_and_not_its_end(app: Flask, alice: Caller) -> None:
    make_link(alice, code="seen")
    put(app, "seen", *({"query": f"{n}", "at": NOON + timedelta(minutes=n)} for n in range(5)))
    asked = "from=2026-04-01T12:01:00Z&to=2026-04-01T12:04:00Z"
    assert queries(alice, f"/links/seen/clicks?{asked}&limit=2") == ["3", "2", "1"]
    assert queries(alice, "/links/seen/clicks?from=2026-04-01T14:04:00%2B02:00") == ["4"]
    assert queries(alice, "/links/seen/clicks?to=2026-04-01T12:00:00Z") == []
    assert queries(alice, "/links/seen/clicks?from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z&limit=100")


def test_pages_lead_back_and_by_number_and_show_what_is_asked_for(app: Flask, alice: Caller) -> None:
    make_link(alice, code="seen")
    put(app, "seen", *({"query": f"{n}"} for n in range(5)))
    first = alice.get("/links/seen/clicks?limit=2&fields=query&include_total=true")
    assert first.json["items"] == [{"query": "4"}, {"query": "3"}]
    assert first.json["page"]["total"] == 5
    second = follow(alice, first.json["_links"]["next"]["href"])
    assert follow(alice, second.json["_links"]["prev"]["href"]).json["items"] == first.json["items"]
    assert alice.get("/links/seen/clicks?limit=2&page=2&fields=query").json["items"] == second.json["items"]
    assert alice.get("/links/seen/clicks?fields=visitor").json["error"]["field"] == "fields"


def test_other_links_are_not_listed(app: Flask, alice: Caller) -> None:
    add_domain(app, "go.example.org")
    make_link(alice, code="one")
    make_link(alice, code="two", domain="go.example.org")
    put(app, "one", {"query": "1"})
    put(app, "two", {"query": "2"}, {"query": "3"})
    assert queries(alice, "/links/one/clicks") == ["1"]
    assert queries(alice, "/links/two/clicks?domain=go.example.org&limit=1") == ["3", "2"]
    cursor = alice.get("/links/two/clicks?domain=go.example.org&limit=1").json["page"]["next_cursor"]
    assert alice.get(f"/links/one/clicks?cursor={cursor}").json["error"]["field"] == "cursor"


def test_what_is_not_acceptable_is_named(alice: Caller) -> None:
    make_link(alice, code="seen")
    for query, field in (
        ("from=x", "from"),
        ("to=2026-04-01", "to"),
        ("limit=0", "limit"),
        ("cursor=x", "cursor"),
    ):
        answer = alice.get(f"/links/seen/clicks?{query}")
        assert (answer.status_code, answer.json["error"]["field"]) == (400, field)


def test_deleted_link_is_404(alice: Caller) -> None:
    make_link(alice, code="gone")
    alice.delete("/links/gone")
    assert alice.get("/links/gone/clicks").status_code == 404
    assert alice.get("/links/gone/stats/export").status_code == 404
