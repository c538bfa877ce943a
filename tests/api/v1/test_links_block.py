"""PUT and DELETE /links/{code}/block, and what else managers do to links of others."""

from typing import Any

import pytest
from flask import Flask

from tests.conftest import Caller, sign_up
from tests.making import URL, add_domain, change_link, events, make_link, set_role, stored_link

REASON = {"reason": "Phishing, reported by a visitor"}


@pytest.fixture
def manager(app: Flask) -> Caller:
    caller = sign_up(app, "manager")
    set_role(app, caller, "manager")
    return caller


def status(caller: Caller, code: str, method: str = "GET") -> int:
    """What a visitor gets."""
    return int(caller.client.open(f"/s/{code}", method=method).status_code)


def test_block_counts_at_once_and_is_lifted(app: Flask, manager: Caller, alice: Caller) -> None:
    make_link(alice, code="hers")
    assert status(alice, "hers") == 302
    blocked = manager.put("/links/hers/block", json=REASON)
    assert (blocked.status_code, blocked.json["status"]) == (200, "blocked")
    assert [
        status(alice, code, way) for code, way in (("hers", "GET"), ("hers", "HEAD"), ("hers+", "GET"))
    ] == [451] * 3
    link = alice.get("/links/hers").json
    assert (link["status"], link["blocked_reason"]) == ("blocked", REASON["reason"])
    assert [item["code"] for item in alice.get("/links?status=blocked").json["items"]] == ["hers"]
    assert manager.delete("/links/hers/block").status_code == 204
    assert status(alice, "hers") == 302
    assert alice.get("/links/hers").json["blocked_reason"] is None
    assert manager.delete("/links/hers/block").status_code == 404
    found = events(app, "link.blocked", "link.unblocked")
    assert [(event["action"], event["actor"], event["owner"], event["subject"]) for event in found] == [
        ("link.blocked", manager.id, alice.id, "sho.rt/hers"),
        ("link.unblocked", manager.id, alice.id, "sho.rt/hers"),
    ]
    assert REASON["reason"] not in str(found)


def test_visitors_learn_who_blocks_and_not_why(manager: Caller, alice: Caller) -> None:
    make_link(alice, code="hers")
    manager.put("/links/hers/block", json=REASON)
    for accept in ("text/html", "application/json"):
        answer = alice.client.get("/s/hers", headers={"Accept": accept})
        assert (answer.status_code, answer.headers["Link"]) == (451, '<http://sho.rt>; rel="blocked-by"')
        assert "reported" not in answer.text
        assert "Link" not in alice.client.get("/s/nothing", headers={"Accept": accept}).headers


def test_owner_can_neither_lift_nor_get_around_a_block(app: Flask, manager: Caller, alice: Caller) -> None:
    make_link(alice, code="hers", title="t")
    manager.put("/links/hers/block", json=REASON)
    read = alice.get("/links/hers").json
    items = [
        {"op": "update", "code": "hers", "changes": {"url": "https://other.example/"}},
        {"op": "delete", "code": "hers"},
        {"op": "create", "link": {"url": URL, "code": "hers"}},
    ]
    tries: list[tuple[str, str, Any, int]] = [
        ("DELETE", "/links/hers/block", None, 403),
        ("PUT", "/links/hers/block", REASON, 403),
        ("PATCH", "/links/hers", {"blocked_reason": None, "enabled": True, "title": "u"}, 200),
        ("PUT", "/links/hers", {**read, "blocked_reason": None, "status": "active"}, 200),
        ("DELETE", "/links/hers", None, 204),
        ("POST", "/links", {"url": URL, "code": "hers"}, 409),
        ("PUT", "/links/hers", {"url": URL}, 409),
        ("POST", "/links/hers/restore", None, 200),
        ("POST", "/links/batch", {"items": items}, 200),
    ]
    for method, path, body, expected in tries:
        answer = alice.call(method, path, **({} if body is None else {"json": body}))
        assert answer.status_code == expected, (method, path, answer.text)
        assert status(alice, "hers") == 451, (method, path)
    assert alice.delete("/users/me").status_code == 204
    assert status(alice, "hers") == 451


def test_only_managers_block(app: Flask, alice: Caller, bob: Caller) -> None:
    make_link(alice, code="hers")
    for caller in (alice, bob):
        answer = caller.put("/links/hers/block", json=REASON)
        assert (answer.status_code, answer.json["error"]["code"]) == (403, "FORBIDDEN")
    set_role(app, bob, "admin")
    assert bob.put("/links/hers/block", json=REASON).status_code == 200


def test_block_is_held_to_its_precondition(manager: Caller, alice: Caller) -> None:
    make_link(alice, code="hers")
    tag = manager.get("/links/hers").headers["ETag"]
    alice.patch("/links/hers", json={"title": "changed"})
    assert manager.put("/links/hers/block", json=REASON, headers={"If-Match": tag}).status_code == 412
    blocked = manager.put("/links/hers/block", json=REASON)
    assert blocked.headers["ETag"] == manager.get("/links/hers").headers["ETag"]
    assert manager.delete("/links/hers/block", headers={"If-Match": tag}).status_code == 412
    tag = blocked.headers["ETag"]
    assert manager.delete("/links/hers/block", headers={"If-Match": tag}).status_code == 204


def test_change_that_read_the_link_before_does_not_undo_a_block(
    app: Flask, manager: Caller, alice: Caller
) -> None:
    made = make_link(alice, code="hers")
    tag = alice.get("/links/hers").headers["ETag"]
    manager.put("/links/hers/block", json=REASON)
    assert alice.put("/links/hers", json=made, headers={"If-Match": tag}).status_code == 412
    assert stored_link(app, "hers")["blocked_reason"] == REASON["reason"]


def test_deleted_link_is_blocked_before_it_is_restored(app: Flask, manager: Caller, alice: Caller) -> None:
    make_link(alice, code="hers")
    alice.delete("/links/hers")
    assert manager.put("/links/hers/block", json=REASON).json["status"] == "blocked"
    assert alice.post("/links/hers/restore").json["status"] == "blocked"
    change_link(app, "hers", url="", deleted_at=stored_link(app, "hers")["updated_at"])  # as erased
    assert manager.put("/links/hers/block", json=REASON).status_code == 404


def test_domain_names_the_host(app: Flask, manager: Caller, alice: Caller) -> None:
    add_domain(app, "other.example")
    make_link(alice, code="same")
    make_link(alice, code="same", domain="other.example")
    assert manager.put("/links/same/block?domain=other.example", json=REASON).status_code == 200
    assert alice.get("/links/same").json["status"] == "active"
    assert alice.get("/links/same?domain=other.example").json["status"] == "blocked"
    assert [event["subject"] for event in events(app, "link.blocked")] == ["other.example/same"]


@pytest.mark.parametrize(
    "body", [{}, {"reason": ""}, {"reason": "  "}, {"reason": None}, {"reason": "x" * 256}]
)
def test_block_has_a_reason(manager: Caller, alice: Caller, body: dict[str, Any]) -> None:
    make_link(alice, code="hers")
    answer = manager.put("/links/hers/block", json=body)
    assert (answer.status_code, answer.json["error"]["field"]) == (400, "reason")
    assert status(alice, "hers") == 302


def test_what_is_not_there_is_404(manager: Caller) -> None:
    for code in ("nothing", "%00", "a.b"):
        assert manager.put(f"/links/{code}/block", json=REASON).status_code == 404
        assert manager.delete(f"/links/{code}/block").status_code == 404


def test_managers_read_any_link_and_its_statistics(manager: Caller, alice: Caller, bob: Caller) -> None:
    made = make_link(alice, code="hers", notes="n")
    assert manager.get("/links/hers").json == made
    for path in ("/links/hers?embed=clicks", "/links/hers/stats", "/links/hers/stats/export?of=series"):
        assert manager.get(path).status_code == 200, path
        assert bob.get(path).status_code == 404, path
    # The visits one by one tell more of people than moderation needs.
    assert manager.get("/links/hers/clicks").status_code == 404


@pytest.mark.asvs("8.2.3")
def test_managers_switch_links_off_and_on_and_change_nothing_else(
    app: Flask, manager: Caller, alice: Caller
) -> None:
    make_link(alice, code="hers", title="t")
    assert manager.patch("/links/hers", json={"enabled": False}).json["status"] == "disabled"
    assert status(alice, "hers") == 410
    tag = manager.get("/links/hers").headers["ETag"]
    assert manager.patch("/links/hers", json={"enabled": False}).headers["ETag"] == tag
    before = stored_link(app, "hers")
    for body in ({"title": "u"}, {"enabled": True, "url": "https://evil.example/"}, {"password": "secret"}):
        answer = manager.patch("/links/hers", json=body)
        assert (answer.status_code, answer.json["error"]["field"]) == (403, [*body][-1])
    assert manager.delete("/links/hers").status_code == 404
    assert manager.put("/links/hers", json={"url": URL}).status_code == 409
    assert manager.post("/links/hers/restore").status_code == 404
    items = [{"op": "update", "code": "hers", "changes": {"enabled": True}}, {"op": "delete", "code": "hers"}]
    results = manager.post("/links/batch", json={"items": items}).json["items"]
    assert [result["status"] for result in results] == [404, 404]
    assert stored_link(app, "hers") == before
    assert alice.patch("/links/hers", json={"enabled": True}).json["status"] == "active"
    assert manager.patch("/links/nothing", json={"title": "u"}).status_code == 404
    [event] = events(app, "link.disabled")
    assert (event["actor"], event["owner"], event["subject"]) == (manager.id, alice.id, "sho.rt/hers")


def test_managers_own_links_are_theirs(app: Flask, manager: Caller) -> None:
    make_link(manager, code="own")
    assert manager.patch("/links/own", json={"title": "u", "enabled": False}).json["title"] == "u"
    assert events(app, "link.disabled") == []
