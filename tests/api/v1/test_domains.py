"""/domains: hosts of short links, which admins add."""

import pytest
from flask import Flask

from tests.conftest import Caller, sign_up
from tests.making import events, follow, make_link, set_role


@pytest.fixture
def admin(app: Flask) -> Caller:
    caller = sign_up(app, "root")
    set_role(app, caller, "admin")
    return caller


def hosts(caller: Caller) -> list[str]:
    return [item["host"] for item in caller.get("/domains").json["items"]]


def test_domain_is_added_used_and_stays(app: Flask, admin: Caller, alice: Caller) -> None:
    made = admin.post("/domains", json={"host": "Go.B\u00fccher.example."})
    assert made.status_code == 201, made.text
    host = "go.xn--bcher-kva.example"
    assert (made.json["host"], made.json["default"]) == (host, False)
    assert follow(alice, made.headers["Location"]).json == made.json
    for link in made.json["_links"].values():
        assert follow(alice, link["href"]).status_code == 200
    assert hosts(alice) == ["sho.rt", host]
    assert [item["default"] for item in alice.get("/domains?fields=default").json["items"]] == [True, False]
    make_link(alice, domain=host, code="there")
    alice.delete(f"/links/there?domain={host}")
    refused = admin.delete(f"/domains/{host}")
    assert (refused.status_code, refused.json["error"]["reason"]) == (409, "in_use")
    assert [
        (e["action"], e["subject"], e["actor"]) for e in events(app, "domain.added", "domain.removed")
    ] == [("domain.added", host, admin.id)]


def test_domain_without_links_is_removed(app: Flask, admin: Caller, alice: Caller) -> None:
    admin.post("/domains", json={"host": "go.example.net"})
    assert admin.delete("/domains/GO.example.net").status_code == 204
    assert admin.get("/domains/go.example.net").status_code == 404
    answer = alice.post("/links", json={"url": "https://example.com/", "domain": "go.example.net"})
    assert (answer.status_code, answer.json["error"]["field"]) == (400, "domain")
    assert [event["subject"] for event in events(app, "domain.removed")] == ["go.example.net"]


def test_default_domain_stays(admin: Caller) -> None:
    assert admin.delete("/domains/sho.rt").status_code == 409
    assert hosts(admin) == ["sho.rt"]


@pytest.mark.parametrize("role", ["user", "manager"])
def test_only_admins_add_and_remove(app: Flask, admin: Caller, bob: Caller, role: str) -> None:
    admin.post("/domains", json={"host": "go.example.net"})
    set_role(app, bob, role)
    assert bob.post("/domains", json={"host": "evil.example"}).status_code == 403
    assert bob.delete("/domains/go.example.net").status_code == 403
    assert hosts(bob) == ["sho.rt", "go.example.net"]


@pytest.mark.parametrize("host", ["", "a b", "http://x.example", "x.example/y", "u@x.example", "x..example"])
def test_what_is_no_host_is_named(admin: Caller, host: str) -> None:
    answer = admin.post("/domains", json={"host": host})
    assert (answer.status_code, answer.json["error"]["field"]) == (400, "host")


def test_known_domain_is_409_and_a_retry_is_none(admin: Caller) -> None:
    key = {"Idempotency-Key": "one"}
    first, again = (admin.post("/domains", json={"host": "x.example"}, headers=key) for _ in range(2))
    assert (first.status_code, again.status_code, again.json) == (201, 201, first.json)
    answer = admin.post("/domains", json={"host": "X.example"})
    assert (answer.status_code, answer.json["error"]["field"]) == (409, "host")


def test_unknown_domain_is_404(admin: Caller) -> None:
    for host in ("nothing.example", "%00", "sho.rt%00", "a%20b"):
        assert admin.get(f"/domains/{host}").status_code == 404
        assert admin.delete(f"/domains/{host}").status_code == 404
