"""GET /links/{code}."""

from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import insert

from app import database
from app.clicks.models import ClickCount
from tests.conftest import Caller
from tests.making import change_link, make_link, stored_link

AT = datetime(2026, 4, 1, 10, 30, tzinfo=UTC)


def test_link_is_read_as_it_was_made(alice: Caller) -> None:
    made = make_link(alice, title="Spring", tags=["b", "a"])
    answer = alice.get(f"/links/{made['code']}")
    assert (answer.status_code, answer.json) == (200, made)
    assert alice.call("HEAD", f"/links/{made['code']}").status_code == 200


@pytest.mark.asvs("8.2.2")
def test_somebody_elses_link_is_404_to_every_call(app: Flask, alice: Caller, bob: Caller) -> None:
    make_link(alice, code="hers")
    before = stored_link(app, "hers")
    for method, path in (
        ("GET", "/links/hers"),
        ("PATCH", "/links/hers"),
        ("DELETE", "/links/hers"),
        ("POST", "/links/hers/restore"),
        ("GET", "/links/hers/stats"),
    ):
        body = {"json": {"title": "mine"}} if method == "PATCH" else {}
        answer = bob.call(method, path, **body)
        assert (answer.status_code, answer.json["error"]["code"]) == (404, "NOT_FOUND"), (method, path)
    assert stored_link(app, "hers") == before


def test_what_is_no_code_is_404(alice: Caller) -> None:
    for code in ("nothing", "%00", "a%0A", "%ff", "x" * 65, "a.b"):
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/restore"), ("GET", "/stats")):
            answer = alice.call(method, f"/links/{code}{path}")
            assert (answer.status_code, answer.json["error"]["code"]) == (404, "NOT_FOUND"), (method, code)


def test_counts_are_embedded_when_asked_for(app: Flask, alice: Caller) -> None:
    make_link(alice, code="unseen")
    make_link(alice, code="seen")
    assert "clicks" not in alice.get("/links/seen").json
    nothing = {"total": 0, "humans": 0, "bots": 0, "last_at": None}
    assert alice.get("/links/unseen?embed=clicks").json["clicks"] == nothing
    count = {"link_id": stored_link(app, "seen")["id"], "humans": 3, "bots": 2, "prefetches": 7}
    with app.app_context(), database.writing() as connection:
        connection.execute(insert(ClickCount), [{**count, "quarter": AT.replace(minute=0), "last_at": AT}])
    expected = {"total": 5, "humans": 3, "bots": 2, "last_at": "2026-04-01T10:30:00.000Z"}
    assert alice.get("/links/seen?embed=clicks").json["clicks"] == expected
    assert [link["clicks"] for link in alice.get("/links?embed=clicks").json["items"]] == [
        expected,
        nothing,
    ]


def test_status_says_why_a_link_does_not_lead_on(app: Flask, alice: Caller) -> None:
    states: dict[str, dict[str, object]] = {
        "blocked": {"blocked_reason": "phishing", "enabled": False},
        "disabled": {"enabled": False, "expires_at": AT},
        "scheduled": {"starts_at": AT.replace(year=2099)},
        "expired": {"expires_at": AT.replace(year=2020), "max_clicks": 1, "clicks_used": 1},
        "exhausted": {"max_clicks": 1, "clicks_used": 1},
    }
    for status, columns in states.items():
        make_link(alice, code=status)
        change_link(app, status, **columns)
        link = alice.get(f"/links/{status}").json
        assert link["status"] == status
        assert set(link["_links"]) == {"self", "stats"}
        assert alice.client.get(f"/s/{status}").status_code >= 400
