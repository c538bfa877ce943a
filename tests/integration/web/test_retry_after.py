"""Retry-After of every door that answers 429: a second before it is over the door is still shut, then it opens."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import redis
import time_machine
from flask import Flask
from werkzeug.test import TestResponse

from tests.conftest import PASSWORD, AppFactory, Caller, sign_up
from tests.making import URL, make_link

Knock = Callable[[], TestResponse]


def _anonymous(app: Flask) -> Knock:
    caller = Caller(app.test_client())
    return lambda: caller.get("/users/me")


def _unknown(app: Flask) -> Knock:
    caller = Caller(app.test_client())
    return lambda: caller.get("/nothing")


def _user(app: Flask) -> Knock:
    alice = sign_up(app, "alice")
    return lambda: alice.get("/users/me")


def _create(app: Flask) -> Knock:
    alice = sign_up(app, "alice")
    return lambda: alice.post("/links", json={"url": URL})


def _login(app: Flask) -> Knock:
    alice = sign_up(app, "alice")
    wrong = {"email": alice.email, "password": PASSWORD + "!"}
    return lambda: Caller(alice.client).post("/auth/login", json=wrong)


def _misses(app: Flask) -> Knock:
    return lambda: app.test_client().get("/s/nothing", headers={"Accept": "application/json"})


def _password(app: Flask) -> Knock:
    make_link(sign_up(app, "alice"), code="locked", password="open sesame")
    client = app.test_client()
    asked: dict[str, Any] = {"json": {"password": "wrong"}, "headers": {"Accept": "application/json"}}
    return lambda: client.post("/s/locked", **asked)


# The door, the setting that bounds it, what it says to who is let in.
BUCKETS = {
    "anonymous": (_anonymous, "LIMIT_ANONYMOUS", 401),
    "unknown path": (_unknown, "LIMIT_ANONYMOUS", 404),
    "user": (_user, "LIMIT_USER", 200),
    "create": (_create, "LIMIT_CREATE", 201),
    "misses": (_misses, "LIMIT_MISSES", 404),
    "unlock": (_password, "LIMIT_MISSES", 403),
}
GUESSES = {
    "login by address": (_login, "GUESSES_LOGIN_IP", 401),
    "login by account": (_login, "GUESSES_ACCOUNT", 401),
    "login by account in a day": (_login, "GUESSES_ACCOUNT_DAY", 401),
    "link's password": (_password, "GUESSES_LINK", 403),
}
OPEN = dict.fromkeys(
    [
        "LIMIT_ANONYMOUS",
        "LIMIT_USER",
        "LIMIT_CREATE",
        "LIMIT_MISSES",
        "GUESSES_LOGIN_IP",
        "GUESSES_ACCOUNT",
        "GUESSES_ACCOUNT_DAY",
        "GUESSES_LINK",
    ],
    "none",
)


@pytest.fixture
def store(valkey_url: str) -> str:
    with redis.Redis.from_url(valkey_url) as connection:
        connection.flushall()
    return valkey_url


@pytest.mark.parametrize("door", [*BUCKETS, *GUESSES])
def test_who_waits_as_told_is_let_through(make_app: AppFactory, door: str) -> None:
    begin, setting, status = {**BUCKETS, **GUESSES}[door]
    # Not on a full second, so that rounding has something to do wrong.
    with time_machine.travel(1_800_000_000.6, tick=False) as travel:
        knock = begin(make_app(**{**OPEN, "RATELIMIT_ENABLED": "true", setting: "2/90second"}))
        assert [knock().status_code for _ in range(2)] == [status] * 2
        travel.shift(20.7)
        refused = knock()
        assert refused.status_code == 429
        wait = int(refused.headers["Retry-After"])
        assert 69 <= wait <= 71
        travel.shift(wait - 2)
        assert knock().status_code == 429
        travel.shift(2)
        assert knock().status_code == status


def test_who_waits_as_told_is_let_through_by_a_shared_store(make_app: AppFactory, store: str) -> None:
    """Valkey has a clock of its own, and calls the rest of a window shorter than it is: all doors wait together."""
    doors = []
    apart = {
        name: door for name, door in BUCKETS.items() if name != "unknown path"
    }  # spends as anonymous does
    for begin, setting, status in apart.values():
        app = make_app(**{**OPEN, "RATELIMIT_ENABLED": "true", "REDIS_URL": store, setting: "1/2second"})
        doors.append((begin(app), status))
    time.sleep(0.4)  # not on a full second of any window
    waits, ends = [], []
    for knock, status in doors:
        while (answer := knock()).status_code == status:
            pass
        assert answer.status_code == 429
        waits.append(int(answer.headers["Retry-After"]))
        ends.append(time.monotonic() + waits[-1])
    assert set(waits) <= {1, 2, 3}
    for (knock, status), end in zip(doors, ends, strict=True):
        time.sleep(max(0.0, end - time.monotonic()))
        assert knock().status_code == status
