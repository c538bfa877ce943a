"""POST /auth/refresh."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from app import clock, database
from app.accounts.models import Session
from tests.conftest import Caller


def refresh(caller: Caller, token: str | None) -> tuple[int, dict[str, str]]:
    answer = caller.post("/auth/refresh", headers={"Authorization": f"Bearer {token}"})
    return answer.status_code, answer.json


@pytest.mark.asvs("7.2.2")
def test_refresh_gives_a_new_pair(alice: Caller) -> None:
    status, pair = refresh(alice, alice.refresh_token)
    assert status == 200
    assert pair["refresh_token"] != alice.refresh_token
    alice.token = pair["access_token"]
    assert alice.get("/users/me").status_code == 200


@pytest.mark.asvs("10.4.5")
def test_reused_token_ends_the_whole_family(app: Flask, alice: Caller) -> None:
    _, pair = refresh(alice, alice.refresh_token)
    status, body = refresh(alice, alice.refresh_token)
    assert (status, body["error"]["code"]) == (401, "TOKEN_REUSED")
    assert refresh(alice, pair["refresh_token"])[1]["error"]["code"] == "INVALID_TOKEN"
    assert alice.get("/users/me").status_code == 401
    with app.app_context(), database.reading() as connection:
        assert connection.scalars(select(Session.ended_at)).one() is not None


@pytest.mark.asvs("10.4.5")
def test_sixteen_threads_with_one_token_get_one_pair_and_end_the_family(app: Flask, alice: Caller) -> None:
    together = Barrier(16)

    def attempt(_: int) -> int:
        together.wait()
        return refresh(Caller(app.test_client()), alice.refresh_token)[0]

    with ThreadPoolExecutor(16) as pool:
        statuses = sorted(pool.map(attempt, range(16)))
    assert statuses == [200] + [401] * 15
    with app.app_context(), database.reading() as connection:
        assert connection.scalars(select(Session.ended_at)).one() is not None


@pytest.mark.asvs("9.2.2")
def test_access_token_does_not_refresh(alice: Caller) -> None:
    status, body = refresh(alice, alice.token)
    assert (status, body["error"]["code"]) == (401, "INVALID_TOKEN")


@pytest.mark.asvs("9.2.2")
def test_refresh_token_does_not_open_the_api(alice: Caller) -> None:
    alice.token = alice.refresh_token
    answer = alice.get("/users/me")
    assert (answer.status_code, answer.json["error"]["code"]) == (401, "INVALID_TOKEN")


def test_no_token_is_auth_required(anonymous: Caller) -> None:
    answer = anonymous.post("/auth/refresh")
    assert (answer.status_code, answer.json["error"]["code"]) == (401, "AUTH_REQUIRED")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.asvs("7.3.1")
def test_refresh_token_lives_for_seven_days(alice: Caller) -> None:
    with time_machine.travel(clock.now().timestamp() + 7 * 86_400 - 60):
        status, pair = refresh(alice, alice.refresh_token)
        assert status == 200
    with time_machine.travel(clock.now().timestamp() + 14 * 86_400):
        status, body = refresh(alice, pair["refresh_token"])
    assert (status, body["error"]["code"], body["error"]["reason"]) == (401, "AUTH_REQUIRED", "expired")


@pytest.mark.asvs("7.3.2")
def test_session_ends_however_often_it_is_refreshed(app: Flask, alice: Caller) -> None:
    app.config["SESSION_DAYS"] = 10
    began = clock.now().timestamp()
    with time_machine.travel(began + 6 * 86_400):
        status, pair = refresh(alice, alice.refresh_token)
        assert status == 200
        alice.token = pair["access_token"]
        [session] = alice.get("/auth/sessions").json["items"]
        assert datetime.fromisoformat(session["expires_at"]).timestamp() == pytest.approx(
            began + 10 * 86_400, abs=60
        )
    with time_machine.travel(began + 10 * 86_400 + 60):
        status, body = refresh(alice, pair["refresh_token"])
        assert (status, body["error"]["code"]) == (401, "INVALID_TOKEN")
        app.config["SESSION_DAYS"] = 90
        assert refresh(alice, pair["refresh_token"])[0] == 200
