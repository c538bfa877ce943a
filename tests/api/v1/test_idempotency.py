"""Idempotency-Key: a creating call that comes again is answered as it was."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from app import database
from app.accounts import answers
from app.accounts.models import StoredAnswer
from app.extensions import db
from tests.conftest import PASSWORD, AppFactory, Caller, sign_up
from tests.making import URL, let_pass, stored_links

BODY: dict[str, Any] = {"url": URL}


def create(caller: Caller, key: str, body: Any = BODY, path: str = "/links") -> TestResponse:
    return caller.post(path, json=body, headers={"Idempotency-Key": key})


def kept(app: Flask) -> int:
    with app.app_context(), database.reading() as connection:
        return int(connection.scalar(select(func.count()).select_from(StoredAnswer)) or 0)


@pytest.mark.parametrize("path", ["/links", "/shorten"])
def test_second_call_gets_the_first_ones_answer(app: Flask, alice: Caller, path: str) -> None:
    first, second = create(alice, "k", path=path), create(alice, "k", path=path)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.data == first.data
    for name in ("Location", "Content-Type", "ETag"):
        assert second.headers.get(name) == first.headers.get(name)
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    assert len(stored_links(app)) == 1


def test_each_key_is_another_link_and_none_makes_one_each_time(app: Flask, alice: Caller) -> None:
    for key in ("a", "b"):
        create(alice, key)
    for _ in range(2):
        alice.post("/links", json=BODY)
    assert len(stored_links(app)) == 4


def test_key_belongs_to_its_user(app: Flask, alice: Caller, bob: Caller) -> None:
    assert create(alice, "k").json["owner"] == alice.id
    assert create(bob, "k").json["owner"] == bob.id
    assert len(stored_links(app)) == 2


@pytest.mark.parametrize(
    ("path", "body"),
    [("/links", {"url": f"{URL}2"}), ("/links", {"url": URL, "title": "t"}), ("/shorten", BODY)],
)
def test_key_with_another_request_is_422(app: Flask, alice: Caller, path: str, body: Any) -> None:
    create(alice, "k")
    answer = create(alice, "k", body, path)
    assert (answer.status_code, answer.json["error"]["code"]) == (422, "IDEMPOTENCY_MISMATCH")
    assert len(stored_links(app)) == 1


def test_refusals_are_not_kept(app: Flask, alice: Caller) -> None:
    assert create(alice, "k", {"url": "ftp://example.com/"}).status_code == 400
    assert create(alice, "k", {"url": URL, "code": "mine"}).status_code == 201
    assert create(alice, "l", {"url": URL, "code": "mine"}).status_code == 409
    assert create(alice, "l").status_code == 201
    assert kept(app) == 2


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "schlüssel".encode().decode("latin-1")])
def test_key_that_is_none_is_400(app: Flask, alice: Caller, key: str) -> None:
    answer = create(alice, key)
    assert (answer.status_code, answer.json["error"]["field"]) == (400, "Idempotency-Key")
    assert stored_links(app) == []


@pytest.mark.parametrize("path", ["/auth/register", "/auth/login", "/auth/refresh", "/auth/logout"])
def test_calls_whose_answers_are_secret_take_no_key(app: Flask, alice: Caller, path: str) -> None:
    answer = create(alice, "k", {"email": "new@example.org", "password": PASSWORD}, path)
    assert (answer.status_code, answer.json["error"]["field"]) == (400, "Idempotency-Key")
    assert kept(app) == 0


def test_key_is_good_for_24_hours(app: Flask, alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    code = create(alice, "k").json["code"]
    let_pass(monkeypatch, minutes=10)
    assert create(alice, "k").json["code"] == code
    with app.app_context():
        answers.forget_expired()
        assert kept(app) == 1
        # An access token is good for 15 minutes: what is asked here is the noun.
        user_id = stored_links(app)[0]["owner_id"]
        let_pass(monkeypatch, hours=25)
        assert answers.find(user_id, "k") is None
        answers.store(user_id, "k", answers.Answer(b"new", 201, {}, b"new"))
        found = answers.find(user_id, "k")
        db.session.commit()
        assert answers.find(user_id, "k") == answers.Answer(b"new", 201, {}, b"new")
        assert found is None  # not before the work it tells of is committed
        let_pass(monkeypatch, hours=50)
        answers.forget_expired()
    assert kept(app) == 0


def test_no_secret_is_kept(app: Flask, alice: Caller) -> None:
    create(alice, "k", {"url": URL, "password": "open sesame"})
    with app.app_context(), database.reading() as connection:
        row = connection.execute(select(StoredAnswer.__table__)).one()
    assert b"sesame" not in repr(tuple(row)).encode()
    assert len(row.request) == 32


def test_closing_the_account_deletes_what_was_kept(app: Flask, alice: Caller) -> None:
    create(alice, "k")
    assert alice.delete("/users/me").status_code == 204
    assert kept(app) == 0


@pytest.mark.parametrize("body", [BODY, {"url": URL, "code": "mine"}], ids=["random code", "own code"])
def test_sixteen_at_once_make_one_link(app: Flask, alice: Caller, body: dict[str, str]) -> None:
    together = Barrier(16)

    def call(_number: int) -> TestResponse:
        own = Caller(app.test_client(), token=alice.token)
        together.wait()
        return create(own, "k", body)

    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(call, range(16)))
    assert {answer.status_code for answer in found} == {201}, [answer.text for answer in found]
    assert len({answer.data for answer in found}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in found) == 1
    assert len(stored_links(app)) == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_twin_that_goes_on_for_too_long_is_409(make_app: AppFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_BUSY_TIMEOUT", 0.2)
    app = make_app()
    alice = sign_up(app, "alice")
    create(alice, "first")
    url = app.config["SQLALCHEMY_DATABASE_URI"].replace("+psycopg", "")
    with psycopg.connect(url) as twin:
        twin.execute(
            "INSERT INTO stored_answers SELECT user_id, 'k', request, status, headers, body, created_at "
            "FROM stored_answers"
        )
        answer = create(alice, "k")
        twin.rollback()
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "CONFLICT")
    assert create(alice, "k").status_code == 201
    assert len(stored_links(app)) == 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_lock_of_somebody_else_is_503(make_app: AppFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_BUSY_TIMEOUT", 0.2)
    app = make_app()
    alice = sign_up(app, "alice")
    with psycopg.connect(app.config["SQLALCHEMY_DATABASE_URI"].replace("+psycopg", "")) as other:
        other.execute("LOCK TABLE links IN SHARE MODE")
        answer = create(alice, "k")
        other.rollback()
    assert (answer.status_code, answer.json["error"]["code"]) == (503, "UNAVAILABLE")
    assert create(alice, "k").status_code == 201


def test_replay_comes_under_the_name_that_is_asked_for(alice: Caller) -> None:
    for name in ("application/vnd.slugline.v1+json", "application/json"):
        answer = alice.post("/links", json=BODY, headers={"Idempotency-Key": "k", "Accept": name})
        assert (answer.status_code, answer.mimetype) == (201, name)
        assert "Accept" in answer.vary


def batch(caller: Caller, key: str, *items: dict[str, Any], **flags: bool) -> TestResponse:
    return create(caller, key, {"items": list(items), **flags}, "/links/batch")


def test_a_batch_is_kept_with_its_failures_if_it_did_anything(app: Flask, alice: Caller) -> None:
    made, gone = {"op": "create", "link": BODY}, {"op": "delete", "code": "gone"}
    for key, items, flags, stored in (
        ("nothing-done", [gone], {}, 0),
        ("dry-run", [made], {"dry_run": True}, 0),
        ("partly-done", [made, gone], {}, 1),
    ):
        answers = [batch(alice, key, *items, **flags) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert ("Idempotency-Replayed" in answers[1].headers, kept(app)) == (bool(stored), stored), key
    assert len(stored_links(app)) == 1


def test_large_answers_have_a_bound(app: Flask, alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "_LARGE", 100)
    monkeypatch.setattr(answers, "_ROOM", 1_000)
    found = [create(alice, f"{number}") for number in range(9)]
    done = [answer for answer in found if answer.status_code == 201]
    refused = found[len(done)]
    assert 1 <= len(done) < 9
    assert (refused.status_code, refused.json["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert len(stored_links(app)) == kept(app) == len(done)
    assert alice.post("/links", json=BODY).status_code == 201
