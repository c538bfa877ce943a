"""POST /auth/logout, GET and DELETE /auth/sessions."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from app import clock, database
from app.accounts import sessions
from app.accounts.models import Session
from tests.conftest import PASSWORD, Caller


def sign_in_again(caller: Caller) -> Caller:
    body = {"email": caller.email, "password": PASSWORD}
    answer = caller.post("/auth/login", json=body, headers={"User-Agent": "Second device"})
    tokens = answer.json
    return Caller(caller.client, caller.id, caller.email, tokens["access_token"], tokens["refresh_token"])


@pytest.mark.asvs("7.4.1")
def test_logout_ends_the_access_token_at_once(alice: Caller) -> None:
    assert alice.post("/auth/logout").status_code == 204
    answer = alice.get("/users/me")
    assert (answer.status_code, answer.json["error"]["code"]) == (401, "INVALID_TOKEN")


@pytest.mark.asvs("7.4.1")
def test_logout_with_the_refresh_token_ends_the_session(alice: Caller) -> None:
    header = {"Authorization": f"Bearer {alice.refresh_token}"}
    assert alice.post("/auth/logout", headers=header).status_code == 204
    assert alice.get("/users/me").status_code == 401


def test_one_session_too_many_ends_the_users_own_that_was_not_used_for_longest(
    bob: Caller, alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MOST", 2)
    second = sign_in_again(alice)
    assert (
        alice.post("/auth/refresh", headers={"Authorization": f"Bearer {alice.refresh_token}"}).status_code
        == 200
    )
    third = sign_in_again(alice)
    callers = (alice, second, third, bob)
    assert [caller.get("/users/me").status_code for caller in callers] == [200, 401, 200, 200]


def test_second_logout_is_401(alice: Caller) -> None:
    alice.post("/auth/logout")
    assert alice.post("/auth/logout").status_code == 401


@pytest.mark.asvs("7.5.2")
def test_sessions_are_listed_latest_first_with_the_current_one_marked(alice: Caller) -> None:
    second = sign_in_again(alice)
    items = second.get("/auth/sessions").json["items"]
    assert [item["current"] for item in items] == [True, False]
    assert items[0]["device"] == "Second device"
    assert items[0]["ip_prefix"] == "127.0.0.0/24"
    assert items[0]["id"].startswith("ses_")


def test_sessions_come_page_by_page(alice: Caller) -> None:
    for _ in range(2):
        sign_in_again(alice)
    first = alice.get("/auth/sessions?limit=2").json
    assert (len(first["items"]), first["page"]["has_more"]) == (2, True)
    rest = alice.get(first["_links"]["next"]["href"].removeprefix("/api/v1")).json
    assert [item["current"] for item in rest["items"]] == [True]
    assert (rest["page"]["next_cursor"], rest["page"]["has_more"]) == (None, False)
    back = alice.get(rest["_links"]["prev"]["href"].removeprefix("/api/v1")).json
    assert back["items"] == first["items"]


def test_sessions_are_counted_trimmed_and_numbered(alice: Caller) -> None:
    sign_in_again(alice)
    answer = alice.get("/auth/sessions?fields=current,device&include_total=true&limit=1&page=2").json
    assert answer["items"] == [{"current": True, "device": answer["items"][0]["device"]}]
    assert answer["page"]["total"] == 2
    assert alice.get("/auth/sessions?fields=id,refresh_jti").json["error"]["field"] == "fields"


@pytest.mark.asvs("7.5.2", "10.4.9")
def test_ended_session_is_401_for_its_holder_and_gone_from_the_list(alice: Caller) -> None:
    second = sign_in_again(alice)
    other = second.get("/auth/sessions").json["items"][1]["id"]
    assert second.delete(f"/auth/sessions/{other}").status_code == 204
    assert alice.get("/users/me").status_code == 401
    assert len(second.get("/auth/sessions").json["items"]) == 1


@pytest.mark.asvs("7.4.3")
def test_all_others_end_and_this_one_stays(alice: Caller) -> None:
    second = sign_in_again(alice)
    assert second.delete("/auth/sessions").status_code == 204
    assert alice.get("/users/me").status_code == 401
    assert second.get("/users/me").status_code == 200


@pytest.mark.asvs("8.2.2")
def test_somebody_elses_session_is_404(alice: Caller, bob: Caller) -> None:
    session = alice.get("/auth/sessions").json["items"][0]["id"]
    assert bob.delete(f"/auth/sessions/{session}").status_code == 404
    assert alice.get("/users/me").status_code == 200


@pytest.mark.asvs("14.2.7")
def test_purge_deletes_what_ended_more_than_seven_days_ago(app: Flask, alice: Caller, bob: Caller) -> None:
    alice.post("/auth/logout")
    with app.app_context():
        for days, left in ((6, 2), (8, 1)):
            with database.writing() as connection:
                ended = Session.__table__.update().where(Session.ended_at.is_not(None))
                connection.execute(ended.values(ended_at=clock.now() - timedelta(days=days)))
            sessions.purge()
            with database.reading() as connection:
                assert connection.scalar(select(func.count()).select_from(Session)) == left
    assert bob.get("/users/me").status_code == 200
