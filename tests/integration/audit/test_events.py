"""What each call leaves in the audit log, and what it must not."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select

from app import database
from app.audit.models import AuditEvent
from app.extensions import db
from app.links.closing import erase_deleted
from tests.conftest import PASSWORD, Caller
from tests.making import let_pass, make_link, set_role

Told = tuple[str, str, str | None, str | None, str | None, Any]


@pytest.fixture(autouse=True)
def context() -> None:
    """None: these come through the doors."""


def events(app: Flask, *, since: int = 0) -> list[AuditEvent]:
    with app.app_context(), database.reading() as connection:
        query = select(AuditEvent).where(AuditEvent.id > since).order_by(AuditEvent.id)
        return list(connection.execute(query).all())  # type: ignore[arg-type]  # rows with a model's columns


def last(app: Flask) -> int:
    return events(app)[-1].id


def told(app: Flask, since: int) -> list[Told]:
    return [
        (row.action, row.outcome, row.actor, row.subject, row.owner, row.after)
        for row in events(app, since=since)
    ]


@pytest.mark.asvs("16.2.1", "16.3.1")
def test_registering_and_signing_in(app: Flask, anonymous: Caller) -> None:
    account = {"email": "alice@example.org", "password": PASSWORD}
    alice = anonymous.post("/auth/register", json=account).json["id"]
    anonymous.post("/auth/login", json=account)
    created, begun = events(app)
    assert (created.action, created.actor, created.subject, created.owner, created.after) == (
        "user.created",
        alice,
        alice,
        alice,
        {"role": "user"},
    )
    assert (begun.action, begun.actor, begun.owner, begun.after) == (
        "session.begun",
        alice,
        alice,
        {"method": "password", "new_device": True},
    )
    assert begun.request_id
    assert begun.request_id.startswith("req_")
    assert begun.ip_prefix == "127.0.0.0/24"


@pytest.mark.asvs("16.3.1")
def test_refusals_are_recorded_though_nothing_else_is(app: Flask, alice: Caller) -> None:
    since = last(app)
    for email in (alice.email, "nobody@example.org"):
        alice.post("/auth/login", json={"email": email, "password": "not the password"})
    passwords = {"current_password": "not the password", "new_password": f"{PASSWORD} 2"}
    assert alice.put("/users/me/password", json=passwords).status_code == 403
    assert told(app, since) == [
        ("session.refused", "failure", None, alice.id, alice.id, {"method": "password"}),
        ("session.refused", "failure", None, None, None, {"method": "password"}),
        ("password.refused", "failure", alice.id, alice.id, alice.id, None),
    ]


def test_ended_sessions(app: Flask, alice: Caller) -> None:
    others = [sign_in(alice) for _ in range(3)]
    sessions = [item["id"] for item in alice.get("/auth/sessions").json["items"]]
    third, second, first, own = sessions
    since = last(app)
    alice.delete(f"/auth/sessions/{first}")
    others[1].post("/auth/logout")
    alice.delete("/auth/sessions")
    assert told(app, since) == [
        ("session.ended", "success", alice.id, session, alice.id, None) for session in (first, second, third)
    ]
    alice.call("POST", "/auth/logout", headers={"Authorization": f"Bearer {alice.refresh_token}"})
    assert told(app, since)[-1] == ("session.ended", "success", alice.id, own, alice.id, None)


def sign_in(caller: Caller) -> Caller:
    account = {"email": caller.email, "password": PASSWORD}
    tokens = Caller(caller.client).post("/auth/login", json=account).json
    return Caller(caller.client, caller.id, caller.email, tokens["access_token"], tokens["refresh_token"])


@pytest.mark.asvs("16.3.3")
def test_refreshing_is_not_recorded_but_a_second_time_is(app: Flask, alice: Caller) -> None:
    since = last(app)
    headers = {"Authorization": f"Bearer {alice.refresh_token}"}
    assert alice.post("/auth/refresh", headers=headers).status_code == 200
    assert told(app, since) == []
    assert alice.post("/auth/refresh", headers=headers).status_code == 401
    ended, reused = told(app, since)
    assert (ended[0], ended[4], reused[0], reused[1], reused[4]) == (
        "session.ended",
        alice.id,
        "session.token_reused",
        "failure",
        alice.id,
    )


def test_account_is_changed_and_closed(app: Flask, alice: Caller) -> None:
    since = last(app)
    alice.patch("/users/me", json={"name": "Countess"})
    alice.patch("/users/me", json={"name": "Countess"})
    session = alice.get("/auth/sessions").json["items"][0]["id"]
    alice.delete("/users/me")
    assert told(app, since) == [
        ("user.changed", "success", alice.id, alice.id, alice.id, {"fields": ["name"]}),
        ("user.closed", "success", alice.id, alice.id, alice.id, None),
        ("session.ended", "success", alice.id, session, alice.id, None),
    ]


def test_life_of_a_link(app: Flask, alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    since = last(app)
    make_link(alice, code="spring", tags=["a"])
    alice.post("/shorten", json={"url": "https://example.com/", "custom_code": "short"})
    changes = {"url": "https://example.com/2", "password": "hush hush", "tags": ["b"], "notes": None}
    alice.patch("/links/spring", json=changes)
    alice.patch("/links/spring", json={"tags": ["b"]})
    alice.put("/links/spring", json={"url": "https://example.com/2", "has_password": True, "tags": ["b"]})
    alice.delete("/links/spring")
    alice.post("/links/spring/restore")
    alice.post("/links/spring/restore")
    alice.delete("/links/spring")
    let_pass(monkeypatch, days=31)
    with app.app_context():
        erase_deleted()
    name, user = "sho.rt/spring", alice.id
    assert told(app, since) == [
        ("link.created", "success", user, name, user, None),
        ("link.created", "success", user, "sho.rt/short", user, None),
        ("link.changed", "success", user, name, user, {"fields": ["password", "tags", "url"]}),
        ("link.deleted", "success", user, name, user, None),
        ("link.restored", "success", user, name, user, None),
        ("link.deleted", "success", user, name, user, None),
        ("link.erased", "success", "system", name, user, None),
    ]


@pytest.mark.asvs("2.3.3")
def test_refused_change_leaves_nothing(app: Flask, alice: Caller) -> None:
    make_link(alice, code="spring")
    since = last(app)
    assert alice.post("/links", json={"url": "https://example.com/", "code": "spring"}).status_code == 409
    assert alice.patch("/links/spring", json={"url": "nonsense"}).status_code == 400
    stale = {"If-Match": '"99-0123456789ab"'}
    assert alice.patch("/links/spring", json={"title": "x"}, headers=stale).status_code == 412
    assert alice.delete("/links/spring", headers=stale).status_code == 412
    assert told(app, since) == []


def test_batch_records_each_link_in_a_few_statements(app: Flask, alice: Caller) -> None:
    for code in ("a1", "a2"):
        make_link(alice, code=code)
    since = last(app)
    items: list[dict[str, Any]] = [
        {"op": "create", "link": {"url": "https://example.com/", "code": f"new-{number}"}}
        for number in range(50)
    ]
    items += [{"op": "update", "code": "a1", "changes": {"title": "x"}}, {"op": "delete", "code": "a2"}]
    seen: list[str] = []
    with app.app_context():
        engine = db.engine
    listener: Any = lambda *args: seen.append(args[2])  # noqa: E731  # a name to take it off again
    event.listen(engine, "before_cursor_execute", listener)
    dry = alice.post("/links/batch", json={"items": items, "dry_run": True})
    assert dry.json["summary"]["failed"] == 0, dry.text
    assert told(app, since) == []
    seen.clear()
    assert alice.post("/links/batch", json={"items": items}).status_code == 200
    event.remove(engine, "before_cursor_execute", listener)
    assert len([text for text in seen if text.startswith("INSERT INTO audit_events")]) <= 2
    found = told(app, since)
    assert sorted(row[0] for row in found) == [*["link.changed"], *["link.created"] * 50, "link.deleted"]
    assert {row[3] for row in found} == {f"sho.rt/new-{n}" for n in range(50)} | {"sho.rt/a1", "sho.rt/a2"}
    assert {row[4] for row in found} == {alice.id}


@pytest.mark.asvs("16.5.3")
def test_exports_are_recorded_and_not_given_where_they_cannot_be(app: Flask, alice: Caller) -> None:
    make_link(alice, code="spring")
    since = last(app)
    for path in ("/links/spring/stats/export?of=browsers", "/stats/export"):
        assert alice.get(path).status_code == 200
        assert alice.call("HEAD", path).status_code == 200
    assert told(app, since) == [
        ("stats.exported", "success", alice.id, "sho.rt/spring", alice.id, {"of": "browsers"}),
        ("stats.exported", "success", alice.id, alice.id, alice.id, {"of": "series"}),
    ]
    with app.app_context():
        engine = db.engine

    def full(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("INSERT INTO audit_events"):
            raise OSError("disk full")

    event.listen(engine, "before_cursor_execute", full)
    refused = alice.get("/stats/export")
    event.remove(engine, "before_cursor_execute", full)
    assert refused.status_code == 500
    assert "start" not in refused.text


def test_what_operators_do(app: Flask, alice: Caller) -> None:
    set_role(app, alice, "admin")
    since = last(app)
    runner = app.test_cli_runner()
    runner.invoke(args=["domains", "add", "go.example"])
    runner.invoke(
        args=["users", "create-admin", "--email", "root@example.org"], env={"ADMIN_PASSWORD": PASSWORD}
    )
    alice.post("/cache/invalidate")
    added, created, invalidated = told(app, since)
    assert added == ("domain.added", "success", "operator", "go.example", None, None)
    assert (created[0], created[2], created[5]) == ("user.created", "operator", {"role": "admin"})
    assert invalidated == ("cache.invalidated", "success", alice.id, None, None, None)
