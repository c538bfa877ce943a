"""DELETE /links/{code} and POST /links/{code}/restore."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from flask import Flask

from app.links import closing
from tests.conftest import AppFactory, Caller, sign_up
from tests.making import URL, follow, let_pass, make_link, stored_link

FULL: dict[str, Any] = {"title": "t", "notes": "n", "tags": ["a", "b"], "max_clicks": 5, "password": "secret"}


def test_deleted_link_is_404_to_every_call_and_its_code_stays_taken(alice: Caller, bob: Caller) -> None:
    make_link(alice, code="gone")
    answer = alice.delete("/links/gone")
    assert (answer.status_code, answer.data) == (204, b"")
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/stats")):
        body = {"json": {"title": "x"}} if method == "PATCH" else {}
        assert alice.call(method, f"/links/gone{path}", **body).status_code == 404, (method, path)
    for caller in (alice, bob):
        assert caller.post("/links", json={"url": URL, "code": "gone"}).status_code == 409
        assert caller.post("/shorten", json={"url": URL, "custom_code": "gone"}).status_code == 409
    assert alice.client.get("/s/gone").status_code == 410
    assert alice.get("/links").json["items"] == []


def test_deleted_link_is_listed_and_restored_as_it_was(alice: Caller, bob: Caller) -> None:
    before = make_link(alice, code="back", **FULL)
    alice.delete("/links/back")
    [listed] = alice.get("/links?status=deleted").json["items"]
    assert (listed["code"], listed["status"]) == ("back", "deleted")
    for link in listed["_links"].values():
        assert follow(alice, link["href"]).status_code == 200
    assert bob.get("/links?status=deleted").json["items"] == []
    assert bob.post("/links/back/restore").status_code == 404
    answer = alice.post("/links/back/restore")
    assert answer.status_code == 200
    assert answer.json == {**before, "updated_at": answer.json["updated_at"]}
    assert alice.get("/links/back").json == answer.json
    assert alice.get("/links?status=deleted").json["items"] == []


def test_restoring_what_is_there_changes_nothing(alice: Caller) -> None:
    link = make_link(alice, code="here")
    answer = alice.post("/links/here/restore")
    assert (answer.status_code, answer.json) == (200, link)


def test_link_comes_back_for_as_long_as_the_setting_says(
    make_app: AppFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = sign_up(make_app(RESTORE_DAYS="3"), "alice")
    make_link(caller, code="old")
    caller.delete("/links/old")
    let_pass(monkeypatch, days=2, hours=23)
    assert [link["code"] for link in caller.get("/links?status=deleted").json["items"]] == ["old"]
    let_pass(monkeypatch, days=3)
    assert caller.get("/links?status=deleted").json["items"] == []
    refused = caller.post("/links/old/restore")
    assert (refused.status_code, refused.json["error"]["code"]) == (410, "LINK_DELETED")
    let_pass(monkeypatch, days=2, hours=23)
    assert caller.post("/links/old/restore").status_code == 200


def test_what_was_deleted_too_long_ago_is_erased_and_stays_taken(
    app: Flask, alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_link(alice, code="old", **FULL)
    make_link(alice, code="live", **FULL)
    alice.delete("/links/old")
    let_pass(monkeypatch, days=29)
    with app.app_context():
        closing.erase_deleted()
    assert stored_link(app, "old")["url"] == URL
    let_pass(monkeypatch, days=31)
    with app.app_context():
        closing.erase_deleted()
        closing.erase_deleted()
    row = stored_link(app, "old")
    assert (row["url"], row["title"], row["notes"], row["password_hash"]) == ("", None, None, None)
    assert stored_link(app, "live")["title"] == "t"
    assert alice.get("/links?tag=a").json["items"][0]["code"] == "live"
    assert alice.post("/links", json={"url": URL, "code": "old"}).status_code == 409
    let_pass(monkeypatch, days=1)  # as if RESTORE_DAYS were raised later: what was erased does not come back
    assert alice.get("/links?status=deleted").json["items"] == []
    assert alice.post("/links/old/restore").status_code == 410


def test_of_two_deletions_at_once_one_succeeds(app: Flask, alice: Caller) -> None:
    make_link(alice, code="once")
    together = Barrier(8)

    def delete(_: int) -> int:
        caller = Caller(app.test_client(), token=alice.token)
        together.wait()
        return caller.delete("/links/once").status_code

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(delete, range(8))) == [204] + [404] * 7
