"""GET /audit-events and GET /audit-events/export."""

import json
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, select

from app import database
from app.audit.models import AuditEvent
from tests.conftest import PASSWORD, Caller
from tests.making import make_link, set_role


def told(caller: Caller, query: str = "") -> list[dict[str, Any]]:
    answer = caller.get(f"/audit-events{query}")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json["items"]
    return items


def actions(caller: Caller, query: str = "") -> list[str]:
    return [item["action"] for item in told(caller, query)]


@pytest.fixture
def admin(app: Flask, bob: Caller) -> Caller:
    set_role(app, bob, "admin")
    return bob


def test_user_sees_what_happened_to_the_own_account_latest_first(alice: Caller, bob: Caller) -> None:
    make_link(alice, code="spring")
    make_link(bob)
    latest = told(alice)[0]
    assert actions(alice) == ["link.created", "session.begun", "user.created"]
    assert latest["id"].startswith("evt_")
    assert latest["at"].endswith("Z")
    assert {
        name: latest[name] for name in latest if name not in ("id", "at", "credential", "request_id")
    } == {
        "action": "link.created",
        "outcome": "success",
        "actor": alice.id,
        "actor_email": alice.email,
        "subject": "sho.rt/spring",
        "owner": alice.id,
        "before": None,
        "after": None,
        "ip_prefix": "127.0.0.0/24",
    }
    assert latest["credential"] == alice.get("/auth/sessions").json["items"][0]["id"]


def test_wrong_sign_ins_at_the_own_account_are_among_them(alice: Caller, bob: Caller) -> None:
    bob.post("/auth/login", json={"email": alice.email, "password": "a wrong password"})
    [refused] = told(alice, "?outcome=failure")
    assert (refused["action"], refused["actor"], refused["actor_email"]) == ("session.refused", None, None)
    assert "session.refused" not in actions(bob)


def test_user_and_manager_see_no_one_elses(app: Flask, alice: Caller, bob: Caller) -> None:
    for role in ("user", "manager"):
        set_role(app, bob, role)
        assert {item["owner"] for item in told(bob)} == {bob.id}
        for path in ("", "/export"):
            answer = bob.get(f"/audit-events{path}?owner={alice.id}")
            assert (answer.status_code, answer.json["error"]["code"]) == (403, "FORBIDDEN")
            assert answer.json["error"]["field"] == "owner"
        assert told(bob, f"?actor={alice.id}") == []
        assert told(bob, f"?owner={bob.id}") != []


def test_admin_sees_all_with_the_names_of_today(app: Flask, alice: Caller, admin: Caller) -> None:
    make_link(alice)
    assert {item["owner"] for item in told(admin)} == {alice.id, admin.id}
    assert {item["actor_email"] for item in told(admin, f"?owner={alice.id}")} == {alice.email}
    alice.delete("/users/me")
    assert {item["actor_email"] for item in told(admin, f"?owner={alice.id}")} == {None}
    assert alice.email not in admin.get("/audit-events?limit=100").text


@pytest.mark.asvs("8.2.3")
def test_user_does_not_learn_who_the_admin_is(app: Flask, alice: Caller, admin: Caller) -> None:
    with app.app_context(), database.writing() as connection:
        row = connection.execute(select(AuditEvent.__table__).limit(1)).mappings().one()
        changed = {**row, "id": None, "public_id": "evt_1", "owner": alice.id, "actor": admin.id}
        del changed["id"]
        connection.execute(insert(AuditEvent), changed)
    [event] = told(alice, f"?actor={admin.id}")
    assert (event["actor"], event["actor_email"]) == (admin.id, None)


def test_filters_add_up(alice: Caller, admin: Caller) -> None:
    make_link(alice, code="one")
    make_link(alice, code="two")
    begun = told(alice, "?action=session.begun")[0]["at"]
    assert actions(alice, "?action=link.created") == ["link.created"] * 2
    assert actions(alice, "?subject=sho.rt/one") == ["link.created"]
    assert actions(alice, "?subject=sho.rt/one&action=link.deleted") == []
    assert actions(alice, f"?to={begun}") == ["user.created"]
    assert "user.created" not in actions(alice, "?from=2099-01-01T00:00:00Z")
    assert set(actions(admin, f"?actor={alice.id}")) == {"user.created", "session.begun", "link.created"}
    assert told(admin, "?actor=operator") == []


@pytest.mark.parametrize("query", ["?outcome=maybe", "?action=", "?from=yesterday", "?zzz=1", "?cursor=x"])
def test_bad_filter_is_refused(alice: Caller, query: str) -> None:
    assert alice.get(f"/audit-events{query}").status_code == 400


def test_pages_lead_there_and_back(alice: Caller) -> None:
    for _ in range(3):
        make_link(alice)
    pages, href = [], "/audit-events?limit=2"
    while href:
        page = alice.get(href.removeprefix("/api/v1")).json
        pages.append([item["id"] for item in page["items"]])
        href = page["_links"].get("next", {}).get("href")
    assert [len(page) for page in pages] == [2, 2, 1]
    assert len({item for page in pages for item in page}) == 5
    before = alice.get(page["_links"]["prev"]["href"].removeprefix("/api/v1")).json
    assert [item["id"] for item in before["items"]] == pages[1]


def test_fields_are_trimmed_and_counted(alice: Caller) -> None:
    answer = alice.get("/audit-events?fields=action&include_total=true").json
    assert answer["items"] == [{"action": "session.begun"}, {"action": "user.created"}]
    assert answer["page"]["total"] == 2


def test_cursor_of_another_is_refused(alice: Caller, bob: Caller) -> None:
    cursor = alice.get("/audit-events?limit=1").json["page"]["next_cursor"]
    assert bob.get(f"/audit-events?limit=1&cursor={cursor}").status_code == 400


def exported(caller: Caller, query: str = "") -> list[dict[str, Any]]:
    answer = caller.get(f"/audit-events/export{query}")
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "application/x-ndjson"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="slugline-audit-2')
    lines = [json.loads(line) for line in answer.text.splitlines()]
    answer.close()
    return lines


def test_export_is_a_line_for_each_oldest_first_and_an_event_itself(alice: Caller, bob: Caller) -> None:
    lines = exported(alice)
    assert [line["action"] for line in lines] == ["user.created", "session.begun", "audit.exported"]
    shown = told(alice)[::-1]
    assert lines == [{name: item[name] for name in item if name != "actor_email"} for item in shown]
    assert exported(bob, "?action=session.begun")[0]["owner"] == bob.id


def test_export_of_an_admin_holds_all_and_no_address(alice: Caller, admin: Caller) -> None:
    assert {line["owner"] for line in exported(admin)} == {alice.id, admin.id}
    assert [line["owner"] for line in exported(admin, f"?owner={alice.id}")] == [alice.id] * 2
    assert "@" not in admin.get("/audit-events/export").text


def test_long_export_is_whole(app: Flask, alice: Caller) -> None:
    """More than is read at a time, and more than is held in memory."""
    with app.app_context(), database.writing() as connection:
        row = dict(connection.execute(select(AuditEvent.__table__).limit(1)).mappings().one())
        del row["id"]
        connection.execute(insert(AuditEvent), [{**row, "public_id": f"evt_{n}"} for n in range(3_500)])
    lines = exported(alice)
    assert len({line["id"] for line in lines}) == len(lines) == 3_503


def test_head_of_an_export_is_no_download(alice: Caller) -> None:
    assert alice.call("HEAD", "/audit-events/export").status_code == 200
    assert "audit.exported" not in actions(alice)


def test_nothing_of_what_was_typed_stands_in_them(alice: Caller, admin: Caller) -> None:
    make_link(alice, code="x1", title="Private title", password="hush hush", notes="Private notes")
    alice.patch("/users/me", json={"name": "Private name"})
    text = alice.get("/audit-events?limit=100").text + admin.get("/audit-events/export").text
    for typed in ("Private", "hush", PASSWORD, "example.com"):
        assert typed not in text
