"""PATCH /links/{code}."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Caller
from tests.making import URL, add_domain, from_now, let_pass, make_link, stored_link

FULL: dict[str, Any] = {
    "title": "t",
    "notes": "n",
    "tags": ["a", "b"],
    "starts_at": "2026-01-01T00:00:00.000Z",
    "expires_at": "2099-01-01T00:00:00.000Z",
    "max_clicks": 5,
    "password": "secret",
}


@pytest.fixture
def link(alice: Caller) -> dict[str, Any]:
    return make_link(alice, code="mine", **FULL)


def test_each_field_is_changed_and_nothing_else(alice: Caller, link: dict[str, Any]) -> None:
    changes: dict[str, Any] = {
        "url": "https://example.org/x",
        "title": "T",
        "notes": "N",
        "tags": ["b", "c"],
        "redirect_status": 307,
        "forward_query": True,
        "enabled": False,
        "starts_at": "2026-02-01T00:00:00.000Z",
        "expires_at": "2098-01-01T00:00:00.000Z",
        "max_clicks": 6,
    }
    for name, value in changes.items():
        before = alice.get("/links/mine").json
        answer = alice.patch("/links/mine", json={name: value})
        assert answer.status_code == 200, name
        derived = {"updated_at", "status", "_links"}
        assert {key for key in before if before[key] != answer.json[key]} - derived == {name}
        assert answer.json[name] == value
        assert answer.json["updated_at"] > before["updated_at"]
        assert alice.get("/links/mine").json == answer.json


def test_null_clears(app: Flask, alice: Caller, link: dict[str, Any]) -> None:
    answer = alice.patch("/links/mine", json=dict.fromkeys(FULL))
    assert answer.status_code == 200
    empty = dict.fromkeys(FULL) | {"tags": []}
    assert {name: answer.json[name] for name in empty if name != "password"} == {
        name: value for name, value in empty.items() if name != "password"
    }
    assert stored_link(app, "mine")["password_hash"] is None
    assert answer.json["has_password"] is False


def test_password_is_set_and_changed(app: Flask, alice: Caller) -> None:
    make_link(alice, code="mine")
    hashes = {None}
    for password in ("one", "two"):
        answer = alice.patch("/links/mine", json={"password": password})
        assert answer.json["has_password"] is True
        assert password not in answer.text
        hashes.add(stored_link(app, "mine")["password_hash"])
    assert len(hashes) == 3


def test_merge_patch_is_taken_by_its_own_type(alice: Caller, link: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    answer = alice.patch("/links/mine", data='{"title": "merged"}', headers=headers)
    assert (answer.status_code, answer.json["title"]) == (200, "merged")
    assert alice.patch("/links/mine", data="{}", headers={"Content-Type": "text/plain"}).status_code == 415
    assert alice.put("/links/mine", data="{}", headers=headers).status_code == 415


def test_read_only_fields_are_ignored_and_nothing_changed_changes_nothing(
    app: Flask, alice: Caller, link: dict[str, Any]
) -> None:
    before = stored_link(app, "mine")
    for body in ({}, {"code": "other", "owner": "usr_x", "has_password": False, "clicks": 7}, link):
        assert alice.patch("/links/mine", json=body).json == link
    assert stored_link(app, "mine") == before


@pytest.mark.asvs("2.2.3")
def test_times_are_checked_beside_those_that_stay(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    make_link(alice, code="mine", expires_at=from_now(hours=1))
    cases = [
        ({"starts_at": from_now(hours=2)}, "starts_at"),
        ({"expires_at": from_now(hours=-1)}, "expires_at"),
        ({"starts_at": from_now(hours=3), "expires_at": from_now(hours=2)}, "expires_at"),
    ]
    for changes, field in cases:
        answer = alice.patch("/links/mine", json=changes)
        assert (answer.status_code, answer.json["error"]["field"]) == (400, field)
    assert alice.patch("/links/mine", json={"starts_at": from_now(minutes=30)}).status_code == 200
    shown = alice.get("/links/mine").json
    let_pass(monkeypatch, hours=5)
    again = alice.patch("/links/mine", json={"expires_at": shown["expires_at"], "title": "x"})
    assert (again.status_code, again.json["status"]) == (200, "expired")


def test_domain_is_chosen_by_the_query(app: Flask, alice: Caller) -> None:
    add_domain(app, "go.example.org")
    make_link(alice, code="both")
    make_link(alice, code="both", domain="go.example.org")
    assert alice.patch("/links/both?domain=go.example.org", json={"title": "there"}).status_code == 200
    assert alice.get("/links/both").json["title"] is None
    assert alice.delete("/links/both?domain=go.example.org").status_code == 204
    assert alice.get("/links/both").status_code == 200
    assert alice.post("/links/both/restore?domain=go.example.org").json["title"] == "there"


def test_changes_at_once_are_applied_whole_or_refused(app: Flask, alice: Caller) -> None:
    make_link(alice, code="mine", title="-", notes="-", tags=["-"])
    together = Barrier(8)

    def patch(number: int) -> tuple[str, int]:
        caller = Caller(app.test_client(), token=alice.token)
        text = str(number)
        together.wait()
        answer = caller.patch("/links/mine", json={"title": text, "notes": text, "tags": [text, "common"]})
        return text, answer.status_code

    with ThreadPoolExecutor(8) as threads:
        outcomes = dict(threads.map(patch, range(8)))
    assert set(outcomes.values()) <= {200, 409}
    link = alice.get("/links/mine").json
    assert link["title"] == link["notes"]
    assert link["tags"] == [link["title"], "common"]
    assert outcomes[link["title"]] == 200
    assert stored_link(app, "mine")["version"] == 1 + list(outcomes.values()).count(200)


def test_url_is_canonical_after_a_change(alice: Caller, link: dict[str, Any]) -> None:
    answer = alice.patch("/links/mine", json={"url": "HTTPS://EXAMPLE.com:443/%7Ea"})
    assert answer.json["url"] == "https://example.com/%7Ea"
    refused = alice.patch("/links/mine", json={"url": "javascript:alert(1)"})
    assert (refused.status_code, refused.json["error"]["field"]) == (400, "url")
    assert alice.get("/links/mine").json["url"] == answer.json["url"] != URL
