"""GET /users, and GET /users/{id} of others: for managers."""

import pytest
from flask import Flask

from tests.conftest import Caller, sign_up
from tests.making import follow, set_role


@pytest.fixture
def manager(app: Flask) -> Caller:
    caller = sign_up(app, "manager")
    set_role(app, caller, "manager")
    return caller


def ids(caller: Caller, query: str = "") -> list[str]:
    answer = caller.get(f"/users?{query}")
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json["items"]]


def test_users_read_their_own_account_alone(alice: Caller, bob: Caller) -> None:
    assert (alice.get("/users").status_code, alice.get(f"/users/{bob.id}").status_code) == (403, 404)
    assert alice.get(f"/users/{alice.id}").status_code == 200


@pytest.mark.asvs("15.3.1")
def test_managers_read_all_but_closed_ones(app: Flask, manager: Caller, alice: Caller, bob: Caller) -> None:
    bob.delete("/users/me")
    assert ids(manager) == [alice.id, manager.id]
    assert ids(manager, "sort=created_at") == [manager.id, alice.id]
    read = manager.get(f"/users/{alice.id}")
    assert read.json == alice.get("/users/me").json == manager.get("/users?limit=1").json["items"][0]
    for link in read.json["_links"].values():
        assert follow(manager, link["href"]).status_code == 200
    assert (
        manager.get(f"/users/{alice.id}", headers={"If-None-Match": read.headers["ETag"]}).status_code == 304
    )
    assert manager.get(f"/users/{bob.id}").status_code == 404


def test_list_is_narrowed_and_walked(app: Flask, manager: Caller) -> None:
    people = [sign_up(app, name) for name in ("zoe", "yan", "xia")]
    set_role(app, people[0], "admin")
    people[0].patch(f"/users/{people[2].id}", json={"status": "disabled"})
    assert ids(manager, "role=admin") == [people[0].id]
    assert ids(manager, "status=disabled&role=user") == [people[2].id]
    assert ids(manager, "q=ZOE") == [people[0].id]
    assert ids(manager, "q=%25") == []
    by_address = ids(manager, "sort=email")
    assert by_address == [manager.id, *(person.id for person in reversed(people))]
    page, found = "/users?sort=email&limit=3", []
    while page:
        answer = manager.get(page).json
        found += [item["id"] for item in answer["items"]]
        page = answer["_links"].get("next", {}).get("href", "").removeprefix("/api/v1")
    assert found == by_address


@pytest.mark.parametrize("query", ["role=root", "status=closed", "sort=password_hash", "q=", "email=x"])
def test_bad_parameter_is_named(manager: Caller, query: str) -> None:
    answer = manager.get(f"/users?{query}")
    assert (answer.status_code, answer.json["error"]["field"]) == (400, query.partition("=")[0])
