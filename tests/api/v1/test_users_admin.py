"""PATCH and DELETE /users/{id}: what admins do to accounts, and that there is always one left to do it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from flask import Flask

from tests.conftest import PASSWORD, Caller, sign_up
from tests.making import URL, events, make_link, set_role, stored_link


@pytest.fixture
def admin(app: Flask) -> Caller:
    caller = sign_up(app, "root")
    set_role(app, caller, "admin")
    return caller


@pytest.mark.parametrize("role", ["user", "manager"])
def test_only_admins_change_and_close_accounts(app: Flask, alice: Caller, bob: Caller, role: str) -> None:
    set_role(app, bob, role)
    for method, path in (("PATCH", alice.id), ("DELETE", alice.id), ("PATCH", bob.id), ("DELETE", bob.id)):
        answer = bob.call(
            method, f"/users/{path}", **({"json": {"role": "admin"}} if method == "PATCH" else {})
        )
        assert (answer.status_code, answer.json["error"]["code"]) == (403, "FORBIDDEN")
    assert bob.get("/users/me").json["role"] == role
    assert alice.get("/users/me").json["role"] == "user"


@pytest.mark.asvs("8.3.2")
def test_role_counts_from_the_next_call_on(app: Flask, admin: Caller, alice: Caller) -> None:
    assert alice.get("/users").status_code == 403
    answer = admin.patch(f"/users/{alice.id}", json={"role": "manager"})
    assert (answer.status_code, answer.json["role"]) == (200, "manager")
    assert alice.get("/users").status_code == 200
    [event] = events(app, "user.role_changed")
    assert (event["actor"], event["subject"], event["owner"]) == (admin.id, alice.id, alice.id)
    assert (event["before"], event["after"]) == ({"role": "user"}, {"role": "manager"})


@pytest.mark.asvs("7.4.2", "7.4.5")
def test_disabled_user_is_out_at_once_and_comes_back_when_enabled(
    app: Flask, admin: Caller, alice: Caller
) -> None:
    make_link(alice, code="hers")
    login = {"email": alice.email, "password": PASSWORD}
    refresher = Caller(app.test_client(), token=alice.refresh_token)
    assert admin.patch(f"/users/{alice.id}", json={"status": "disabled"}).json["status"] == "disabled"
    assert alice.get("/users/me").status_code == 401
    assert refresher.post("/auth/refresh").status_code == 401
    assert Caller(app.test_client()).post("/auth/login", json=login).status_code == 401
    assert admin.client.get("/s/hers").status_code == 302
    assert admin.patch(f"/users/{alice.id}", json={"status": "active"}).json["status"] == "active"
    assert alice.get("/users/me").status_code == 401  # the sessions of before have ended
    assert refresher.post("/auth/refresh").status_code == 401
    assert Caller(app.test_client()).post("/auth/login", json=login).status_code == 200
    assert [event["action"] for event in events(app, "user.disabled", "user.enabled")] == [
        "user.disabled",
        "user.enabled",
    ]


def test_what_was_read_is_sent_back_and_nothing_is_changed_in_vain(admin: Caller, alice: Caller) -> None:
    read = admin.get(f"/users/{alice.id}")
    same = admin.patch(f"/users/{alice.id}", json=read.json, headers={"If-Match": read.headers["ETag"]})
    assert (same.status_code, same.json) == (200, read.json)
    changed = admin.patch(
        f"/users/{alice.id}", json={"role": "manager"}, headers={"If-Match": read.headers["ETag"]}
    )
    assert changed.status_code == 200
    late = admin.patch(
        f"/users/{alice.id}", json={"role": "admin"}, headers={"If-Match": read.headers["ETag"]}
    )
    assert late.status_code == 412
    assert admin.delete(f"/users/{alice.id}", headers={"If-Match": read.headers["ETag"]}).status_code == 412
    assert alice.get("/users/me").json["role"] == "manager"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": "root"}, "role"),
        ({"role": None}, "role"),
        ({"status": "closed"}, "status"),
        ({"status": True}, "status"),
        ({"password": "correct horse"}, "password"),
    ],
)
def test_bad_change_is_named(admin: Caller, alice: Caller, body: dict[str, object], field: str) -> None:
    answer = admin.patch(f"/users/{alice.id}", json=body)
    assert (answer.status_code, answer.json["error"]["field"]) == (400, field)


def test_nobody_is_404(admin: Caller, alice: Caller) -> None:
    assert admin.delete(f"/users/{alice.id}").status_code == 204
    for user in (alice.id, "usr_nobody", "%00", "me%00", "x" * 300):
        for method in ("GET", "PATCH", "DELETE"):
            body = {"json": {"role": "user"}} if method == "PATCH" else {}
            assert admin.call(method, f"/users/{user}", **body).status_code == 404, (method, user)


def test_last_admin_stays_admin_active_and_there(app: Flask, admin: Caller) -> None:
    gone = sign_up(app, "former")
    set_role(app, gone, "admin")
    assert admin.patch(f"/users/{gone.id}", json={"status": "disabled"}).status_code == 200
    own = f"/users/{admin.id}"
    refused = [
        admin.patch(own, json={"role": "manager"}),
        admin.patch(own, json={"status": "disabled"}),
        admin.delete(own),
        admin.delete(f"{own}?links_to={gone.id}"),
        admin.delete("/users/me"),
    ]
    assert [(a.status_code, a.json["error"]["code"], a.json["error"]["reason"]) for a in refused] == [
        (409, "CONFLICT", "last_admin")
    ] * 5
    assert admin.patch(own, json={"role": "admin"}).status_code == 200
    assert admin.get("/users/me").json["role"] == "admin"
    assert events(app, "user.role_changed", "user.closed") == []


def test_admin_steps_down_while_another_is_left(app: Flask, admin: Caller, alice: Caller) -> None:
    set_role(app, alice, "admin")
    assert admin.patch(f"/users/{admin.id}", json={"role": "user"}).status_code == 200
    assert admin.patch(f"/users/{admin.id}", json={"role": "admin"}).status_code == 403


@pytest.mark.parametrize("way", ["demote each other", "leave", "disable and close"])
def test_of_admins_who_go_at_once_one_stays(app: Flask, way: str) -> None:
    for turn in range(3):
        two = [sign_up(app, f"{name}{turn}") for name in ("ann", "ben")]
        for caller in two:
            set_role(app, caller, "admin")
        together = Barrier(2)

        def go(number: int, two: list[Caller] = two, together: Barrier = together) -> int:
            own, other = two[number], two[1 - number]
            together.wait()
            if way == "leave":
                return own.delete("/users/me").status_code
            if way == "disable and close" and number:
                return own.delete(f"/users/{other.id}").status_code
            change = {"role": "user"} if way == "demote each other" else {"status": "disabled"}
            return own.patch(f"/users/{other.id}", json=change).status_code

        with ThreadPoolExecutor(2) as threads:
            statuses = list(threads.map(go, range(2)))
        # The other one is refused as the last admin, or is none any more when the call begins.
        assert len([status for status in statuses if status < 300]) == 1, statuses
        assert {status for status in statuses if status >= 300} <= {401, 403, 409}
        [left] = [caller for caller in two if caller.get("/users").status_code == 200]
        set_role(app, left, "user")  # the next turn has two admins again


def test_closed_account_ends_its_links_unless_they_are_handed_over(
    app: Flask, admin: Caller, alice: Caller, bob: Caller
) -> None:
    make_link(alice, code="hers")
    make_link(bob, code="his", title="Plan", notes="n", tags=["a", "b"], password="open sesame")
    make_link(bob, code="deleted", tags=["a"])
    bob.delete("/links/deleted")
    heir = sign_up(app, "heir")
    make_link(heir, code="own", tags=["b"])
    assert admin.delete(f"/users/{alice.id}").status_code == 204
    assert admin.client.get("/s/hers").status_code == 410
    before = stored_link(app, "his")
    assert admin.delete(f"/users/{bob.id}?links_to={heir.id}").status_code == 204

    assert bob.get("/users/me").status_code == 401
    assert admin.get(f"/users/{bob.id}").status_code == 404
    link = heir.get("/links/his").json
    assert (link["owner"], link["title"], link["notes"]) == (heir.id, "Plan", "n")
    assert (link["tags"], link["has_password"]) == (["a", "b"], True)
    assert stored_link(app, "his")["version"] == before["version"] + 1
    assert [item["code"] for item in heir.get("/links?tag=b&sort=code").json["items"]] == ["his", "own"]
    assert heir.post("/links/deleted/restore").json["tags"] == ["a"]
    assert heir.patch("/links/his", json={"password": None, "tags": ["b", "c"]}).status_code == 200
    assert admin.client.get("/s/his").headers["Location"] == URL
    [event] = events(app, "links.handed_over")
    assert (event["subject"], event["owner"], event["after"]) == (heir.id, heir.id, {"links": 2})
    assert [event["subject"] for event in events(app, "user.closed")] == [alice.id, bob.id]


def test_links_go_to_an_active_account_only(app: Flask, admin: Caller, alice: Caller, bob: Caller) -> None:
    make_link(alice, code="hers")
    admin.patch(f"/users/{bob.id}", json={"status": "disabled"})
    closed = sign_up(app, "closed")
    closed.delete("/users/me")
    for heir in (alice.id, bob.id, closed.id, "usr_nobody"):
        answer = admin.delete(f"/users/{alice.id}?links_to={heir}")
        assert (answer.status_code, answer.json["error"]["field"]) == (400, "links_to"), heir
    assert alice.get("/links/hers").status_code == 200
