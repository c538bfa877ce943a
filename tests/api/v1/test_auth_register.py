"""POST /auth/register."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app import database
from app.accounts.models import User
from tests.conftest import PASSWORD, AppFactory, Caller

ACCOUNT = {"email": "Ada@Example.org", "password": PASSWORD, "name": "Ada"}


def test_new_user_is_created_and_located(anonymous: Caller) -> None:
    answer = anonymous.post("/auth/register", json=ACCOUNT)
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/v1/users/{answer.json['id']}"
    assert answer.json["id"].startswith("usr_")
    assert answer.json["email"] == "Ada@example.org"
    assert (answer.json["name"], answer.json["role"], answer.json["status"]) == ("Ada", "user", "active")
    assert "password" not in answer.text


@pytest.mark.asvs("11.4.2")
def test_password_is_stored_as_a_salted_hash(app: Flask, anonymous: Caller) -> None:
    for number in (1, 2):
        anonymous.post("/auth/register", json={**ACCOUNT, "email": f"u{number}@example.org"})
    with app.app_context(), database.reading() as connection:
        first, second = connection.scalars(select(User.password_hash)).all()
    assert first != second
    assert first.startswith("pbkdf2:sha256:")
    assert PASSWORD not in first


@pytest.mark.parametrize("email", ["Ada@Example.org", "ada@example.org", "ADA@EXAMPLE.ORG"])
def test_taken_address_in_any_case_is_409(anonymous: Caller, email: str) -> None:
    anonymous.post("/auth/register", json=ACCOUNT)
    answer = anonymous.post("/auth/register", json={**ACCOUNT, "email": email})
    assert answer.status_code == 409
    assert (answer.json["error"]["code"], answer.json["error"]["field"]) == ("EMAIL_TAKEN", "email")


def test_sixteen_at_once_make_one_user(app: Flask) -> None:
    app.config["WEB_THREADS"] = 32  # so that all of them may wait for their turn at hashing

    def register(_: int) -> int:
        return Caller(app.test_client()).post("/auth/register", json=ACCOUNT).status_code

    with ThreadPoolExecutor(16) as pool:
        assert sorted(pool.map(register, range(16))) == [201] + [409] * 15


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", None),
        ("email", 1),
        ("email", ""),
        ("email", "ada"),
        ("email", "ada@"),
        ("email", "a\x00da@example.org"),
        ("email", "ada\ud800@example.org"),
        ("email", "a" * 250 + "@example.org"),
        ("password", None),
        ("password", ["x"]),
        ("password", "short one"),
        ("password", "x" * 257),
        ("password", "x" * 2000),
        ("name", 7),
        ("name", "x" * 101),
        ("name", "a\x07"),
        ("nickname", "ada"),
    ],
)
def test_bad_field_is_named_and_nothing_is_stored(
    app: Flask, anonymous: Caller, field: str, value: Any
) -> None:
    answer = anonymous.post("/auth/register", json={**ACCOUNT, field: value})
    assert answer.status_code == 400
    error = answer.json["error"]
    assert (error["code"], error["field"]) == ("VALIDATION_ERROR", field)
    assert [detail["field"] for detail in error["details"]] == [field]
    with app.app_context(), database.reading() as connection:
        assert connection.execute(select(User.id)).first() is None


def test_all_bad_fields_are_listed(anonymous: Caller) -> None:
    answer = anonymous.post("/auth/register", json={"name": 1})
    assert {detail["field"] for detail in answer.json["error"]["details"]} == {"email", "password", "name"}


def test_closed_registration_is_403(make_app: AppFactory) -> None:
    answer = Caller(make_app(REGISTRATION="closed").test_client()).post("/auth/register", json=ACCOUNT)
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "REGISTRATION_CLOSED")


@pytest.mark.parametrize(("email", "status"), [("a@corp.example", 201), ("a@evil-corp.example", 403)])
def test_registration_by_domain_admits_listed_ones_only(
    make_app: AppFactory, email: str, status: int
) -> None:
    app = make_app(REGISTRATION="domains", REGISTRATION_DOMAINS="corp.example, other.example")
    answer = Caller(app.test_client()).post("/auth/register", json={**ACCOUNT, "email": email})
    assert answer.status_code == status


@pytest.mark.asvs("6.2.1")
@pytest.mark.parametrize(
    ("password", "reason"),
    [("short one", "length"), ("password1234", "common"), ("ada@example.org", "context")],
)
def test_refused_password_tells_why(app: Flask, anonymous: Caller, password: str, reason: str) -> None:
    answer = anonymous.post("/auth/register", json={**ACCOUNT, "password": password})
    assert answer.status_code == 400
    error = answer.json["error"]
    assert (error["code"], error["field"], error["reason"]) == ("VALIDATION_ERROR", "password", reason)
    assert error["details"] == [{"field": "password", "message": error["message"]}]


def test_composition_rules_take_eight_characters_of_four_kinds(make_app: AppFactory) -> None:
    caller = Caller(make_app(PASSWORD_RULES="composition").test_client())
    for password, status in ((PASSWORD, 400), ("zX9!klmQ", 201)):
        assert caller.post("/auth/register", json={**ACCOUNT, "password": password}).status_code == status


def test_registrations_from_one_address_are_limited(make_app: AppFactory) -> None:
    caller = Caller(make_app(RATELIMIT_ENABLED="true", LIMIT_REGISTER="1/minute").test_client())
    first, second = (
        caller.post("/auth/register", json={**ACCOUNT, "email": f"u{number}@example.org"})
        for number in (1, 2)
    )
    assert (first.status_code, second.status_code) == (201, 429)
    assert int(second.headers["Retry-After"]) > 0
