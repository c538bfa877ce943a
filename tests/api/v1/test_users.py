"""/users/me, /users/{id}, /users/me/password."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app import database
from app.accounts.models import User
from tests.conftest import PASSWORD, Caller

NEW = "another good long secret"


def test_profile_is_read_and_linked(alice: Caller) -> None:
    answer = alice.get("/users/me")
    assert answer.status_code == 200
    assert answer.json["id"] == alice.id
    for link in answer.json["_links"].values():
        path = link["href"].removeprefix("/api/v1")
        assert alice.get(path).status_code < 400


def test_own_account_answers_under_its_id(alice: Caller) -> None:
    assert alice.get(f"/users/{alice.id}").json == alice.get("/users/me").json


def test_somebody_elses_account_is_404(alice: Caller, bob: Caller) -> None:
    assert alice.get(f"/users/{bob.id}").status_code == 404


@pytest.mark.parametrize("name", ["Grace", None])
def test_name_is_changed_or_cleared(alice: Caller, name: str | None) -> None:
    assert alice.patch("/users/me", json={"name": name}).json["name"] == name
    assert alice.get("/users/me").json["name"] == name


def test_what_get_gave_can_be_sent_back(alice: Caller) -> None:
    before = alice.get("/users/me").json
    answer = alice.patch("/users/me", json={**before, "name": "Grace"})
    assert answer.status_code == 200
    assert answer.json["email"] == before["email"]


def test_merge_patch_media_type_is_taken(alice: Caller) -> None:
    answer = alice.patch("/users/me", data='{"name": "G"}', content_type="application/merge-patch+json")
    assert answer.json["name"] == "G"


@pytest.mark.asvs("8.2.3", "15.3.3")
@pytest.mark.parametrize(
    ("field", "value"), [("name", 1), ("name", "x" * 101), ("role", "admin"), ("colour", "red")]
)
def test_role_is_not_writable_and_bad_fields_are_named(alice: Caller, field: str, value: Any) -> None:
    answer = alice.patch("/users/me", json={field: value})
    if field == "role":
        assert answer.json["role"] == "user"
    else:
        assert (answer.status_code, answer.json["error"]["field"]) == (400, field)


@pytest.mark.asvs("6.2.2", "6.2.3", "7.4.3")
def test_password_change_needs_the_old_one_and_ends_other_sessions(alice: Caller) -> None:
    login = {"email": alice.email, "password": PASSWORD}
    other = Caller(alice.client, token=alice.post("/auth/login", json=login).json["access_token"])
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert alice.put("/users/me/password", json=body).status_code == 204
    assert other.get("/users/me").status_code == 401
    assert alice.get("/users/me").status_code == 200
    assert alice.post("/auth/login", json=login).status_code == 401
    assert alice.post("/auth/login", json={**login, "password": NEW}).status_code == 200


@pytest.mark.asvs("6.2.3", "7.5.1")
def test_wrong_old_password_is_403(alice: Caller) -> None:
    body = {"current_password": "not the right one", "new_password": NEW}
    answer = alice.put("/users/me/password", json=body)
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "WRONG_PASSWORD")


@pytest.mark.asvs("6.2.4")
def test_weak_new_password_is_named(alice: Caller) -> None:
    answer = alice.put("/users/me/password", json={"current_password": PASSWORD, "new_password": "short"})
    assert (answer.status_code, answer.json["error"]["field"]) == (400, "new_password")


def test_guesses_at_the_old_password_and_at_the_door_share_one_count(alice: Caller) -> None:
    body = {"current_password": "not the right one", "new_password": NEW}
    for _ in range(10):
        assert alice.put("/users/me/password", json=body).status_code == 403
    assert alice.put("/users/me/password", json=body).status_code == 429
    login = {"email": alice.email, "password": PASSWORD}
    assert alice.post("/auth/login", json=login).status_code == 429


@pytest.mark.asvs("7.4.2")
def test_closed_account_is_erased_and_signed_out(app: Flask, alice: Caller) -> None:
    assert alice.delete("/users/me").status_code == 204
    assert alice.get("/users/me").status_code == 401
    with app.app_context(), database.reading() as connection:
        user = connection.execute(select(User.email, User.email_key, User.name, User.password_hash)).one()
    assert tuple(user) == (None, None, None, None)


def test_address_of_a_closed_account_can_be_registered_anew(alice: Caller) -> None:
    alice.delete("/users/me")
    alice.token = None
    answer = alice.post("/auth/register", json={"email": alice.email, "password": PASSWORD})
    assert answer.status_code == 201


@pytest.mark.asvs("6.2.11")
def test_new_password_made_of_the_address_is_refused(alice: Caller) -> None:
    change = {"current_password": PASSWORD, "new_password": alice.email}
    error = alice.put("/users/me/password", json=change).json["error"]
    assert (error["code"], error["field"], error["reason"]) == ("VALIDATION_ERROR", "new_password", "context")
