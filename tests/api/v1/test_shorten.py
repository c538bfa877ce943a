"""POST /shorten."""

from datetime import datetime

from flask import Flask

from tests.conftest import Caller
from tests.making import URL, add_domain, follow, make_link, stored_links


def test_url_is_shortened(alice: Caller) -> None:
    answer = alice.post("/shorten", json={"url": "HTTPS://example.com/a b"})
    assert answer.status_code == 201
    code = answer.json["code"]
    assert answer.json == {
        "short_url": f"http://sho.rt/s/{code}",
        "code": code,
        "url": "https://example.com/a%20b",
        "created_at": answer.json["created_at"],
        "expires_in": None,
    }
    assert alice.client.get(f"/s/{code}").headers["Location"] == "https://example.com/a%20b"


def test_location_is_the_link_with_all_else_by_default(alice: Caller) -> None:
    answer = alice.post("/shorten", json={"url": URL})
    link = follow(alice, answer.headers["Location"]).json
    plain = make_link(alice)
    own = ("code", "short_url", "created_at", "updated_at", "_links")
    assert {**link, **{name: plain[name] for name in own}} == plain
    assert link["created_at"] == answer.json["created_at"]


def test_code_and_lifetime_are_chosen(alice: Caller) -> None:
    for code, seconds in (("short", 1), ("long", 315_360_000), ("day", 86_400)):
        answer = alice.post("/shorten", json={"url": URL, "custom_code": code, "expires_in": seconds})
        assert answer.status_code == 201
        assert (answer.json["code"], answer.json["expires_in"]) == (code, seconds)
        link = alice.get(f"/links/{code}").json
        lifetime = datetime.fromisoformat(link["expires_at"]) - datetime.fromisoformat(link["created_at"])
        assert lifetime.total_seconds() == seconds


def test_null_is_as_good_as_absent(alice: Caller) -> None:
    answer = alice.post("/shorten", json={"url": URL, "custom_code": None, "expires_in": None})
    assert (answer.status_code, answer.json["expires_in"]) == (201, None)


def test_taken_code_names_custom_code(app: Flask, alice: Caller, bob: Caller) -> None:
    make_link(alice, code="mine")
    answer = bob.post("/shorten", json={"url": URL, "custom_code": "mine"})
    assert answer.status_code == 409
    assert (answer.json["error"]["code"], answer.json["error"]["field"]) == ("CODE_TAKEN", "custom_code")
    assert len(stored_links(app)) == 1


def test_every_field_that_is_wrong_is_named_at_once(app: Flask, alice: Caller) -> None:
    add_domain(app, "go.example.org")
    body = {"url": "http://go.example.org/s/x", "custom_code": "docs", "expires_in": 0, "code": "x"}
    answer = alice.post("/shorten", json=body)
    assert answer.status_code == 400
    named = {detail["field"] for detail in answer.json["error"]["details"]}
    assert named == {"url", "custom_code", "expires_in", "code"}
    assert stored_links(app) == []
