"""PUT /links/{code}."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from flask import Flask

from app.accounts import passwords
from tests.conftest import Caller
from tests.making import (
    URL,
    add_domain,
    change_link,
    follow,
    from_now,
    let_pass,
    make_link,
    stored_link,
    stored_links,
)


def test_new_code_makes_a_link(alice: Caller) -> None:
    answer = alice.put("/links/new", json={"url": URL, "title": "New"})
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/api/v1/links/new"
    assert alice.get("/links/new").json == answer.json
    assert answer.json["title"] == "New"


def test_absent_means_default(alice: Caller) -> None:
    make_link(
        alice,
        code="full",
        title="t",
        notes="n",
        tags=["a"],
        redirect_status=301,
        forward_query=True,
        enabled=False,
        starts_at=from_now(days=1),
        expires_at=from_now(days=2),
        max_clicks=5,
        password="secret",
    )
    plain = make_link(alice, code="plain")
    answer = alice.put("/links/full", json={"url": URL})
    assert answer.status_code == 200
    assert "Location" not in answer.headers
    own = ("code", "short_url", "created_at", "updated_at", "_links")
    assert {**answer.json, **{name: plain[name] for name in own}} == plain


def test_what_get_showed_can_be_changed_and_sent_back(app: Flask, alice: Caller) -> None:
    fields: dict[str, Any] = {
        "title": "t",
        "tags": ["b", "a"],
        "max_clicks": 9,
        "starts_at": from_now(days=1),
    }
    make_link(alice, code="mine", password="open sesame", **fields)
    for query in ("", "?embed=clicks"):
        shown = alice.get(f"/links/mine{query}").json
        answer = alice.put("/links/mine", json={**shown, "title": f"changed {query}"})
        assert answer.status_code == 200, answer.text
        shown.pop("clicks", None)
        changed = {"title": f"changed {query}", "updated_at": answer.json["updated_at"]}
        assert answer.json == {**shown, **changed}
    with app.app_context():
        assert passwords.matches("open sesame", stored_link(app, "mine")["password_hash"])


def test_password_stays_only_where_the_body_says_so(app: Flask, alice: Caller) -> None:
    cases: list[tuple[dict[str, Any], str | None]] = [
        ({"has_password": True}, "open sesame"),
        ({"has_password": False}, None),
        ({"has_password": True, "password": None}, None),
        ({"has_password": True, "password": "another"}, "another"),
        ({"has_password": False, "password": "another"}, "another"),
        ({}, None),
    ]
    make_link(alice, code="mine")
    for sent, password in cases:
        alice.patch("/links/mine", json={"password": "open sesame"})
        answer = alice.put("/links/mine", json={"url": URL, **sent})
        stored = stored_link(app, "mine")["password_hash"]
        assert answer.json["has_password"] == (stored is not None) == (password is not None), sent
        with app.app_context():
            assert password is None or passwords.matches(password, stored), sent


@pytest.mark.asvs("15.3.3")
def test_has_password_makes_no_password(alice: Caller) -> None:
    answer = alice.put("/links/new", json={"url": URL, "has_password": True})
    assert (answer.status_code, answer.json["has_password"]) == (201, False)


def test_expiry_that_has_passed_meanwhile_can_be_sent_back(
    alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = make_link(alice, code="old", expires_at=from_now(seconds=90))
    let_pass(monkeypatch, minutes=5)
    assert alice.get("/links/old").json["status"] == "expired"
    assert alice.put("/links/old", json={**shown, "title": "changed"}).status_code == 200
    refused = alice.put("/links/old", json={**shown, "expires_at": from_now(seconds=60)})
    assert (refused.status_code, refused.json["error"]["field"]) == (400, "expires_at")


def test_another_owners_or_a_deleted_code_is_409(app: Flask, alice: Caller, bob: Caller) -> None:
    make_link(alice, code="hers")
    make_link(bob, code="gone")
    bob.delete("/links/gone")
    before = stored_links(app)
    for code in ("hers", "gone"):
        answer = bob.put(f"/links/{code}", json={"url": f"{URL}mine"})
        assert answer.status_code == 409
        assert answer.json["error"]["code"] == "CODE_TAKEN"
        assert answer.json["error"]["field"] == "code"
    assert stored_links(app) == before


def test_code_that_no_link_may_have_is_400(app: Flask, alice: Caller) -> None:
    for code in ("a.b", "x" * 65, "docs", "a%20b"):
        answer = alice.put(f"/links/{code}", json={"url": URL})
        assert (answer.status_code, answer.json["error"]["field"]) == (400, "code"), code
    assert stored_links(app) == []


def test_domain_is_chosen_by_the_query(app: Flask, alice: Caller) -> None:
    add_domain(app, "go.example.org")
    here = alice.put("/links/both", json={"url": URL})
    there = alice.put("/links/both?domain=go.example.org", json={"url": f"{URL}there"})
    assert (here.status_code, there.status_code) == (201, 201)
    assert follow(alice, there.headers["Location"]).json["url"] == f"{URL}there"
    assert alice.get("/links/both").json["url"] == URL
    refused = alice.put("/links/both?domain=nowhere.example", json={"url": URL})
    assert (refused.status_code, refused.json["error"]["field"]) == (400, "domain")


def test_limit_that_is_taken_away_takes_its_count_along(app: Flask, alice: Caller) -> None:
    make_link(alice, code="five", max_clicks=5)
    change_link(app, "five", clicks_used=5)
    assert alice.put("/links/five", json={"url": URL, "max_clicks": 5}).json["status"] == "exhausted"
    assert alice.put("/links/five", json={"url": URL}).json["status"] == "active"
    assert alice.put("/links/five", json={"url": URL, "max_clicks": 5}).json["status"] == "active"


def test_sixteen_at_once_make_one_link(app: Flask, alice: Caller) -> None:
    together = Barrier(16)

    def put(number: int) -> int:
        caller = Caller(app.test_client(), token=alice.token)
        together.wait()
        return caller.put("/links/wanted", json={"url": f"{URL}{number}", "tags": ["same"]}).status_code

    with ThreadPoolExecutor(16) as threads:
        statuses = list(threads.map(put, range(16)))
    # A change that meets another is refused (PostgreSQL) or waits (SQLite); none makes a second link.
    assert statuses.count(201) == 1
    assert set(statuses) <= {200, 201, 409}
    assert [link["code"] for link in stored_links(app)] == ["wanted"]
