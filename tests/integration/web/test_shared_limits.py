"""Limits in Redis: counted in one place for all processes, and what happens when that place fails."""

import os
import signal
import time
from collections.abc import Iterator

import pytest
import redis
from flask import Flask

from app.web import limits
from tests import servers
from tests.conftest import AppFactory, Caller, sign_up
from tests.integration.web.conftest import Shape
from tests.stopwatch import stopwatch

STORE_ERRORS_WITHIN = 1.5  # seconds a request may take while Redis does not answer


@pytest.fixture
def store(valkey_url: str) -> Iterator[redis.Redis]:
    """The shared store, empty."""
    with redis.Redis.from_url(valkey_url) as connection:
        connection.flushall()
        yield connection


@pytest.fixture
def doomed() -> Iterator[str]:
    """The URL of a store that a test may kill or stop."""
    with servers.valkey() as url:
        yield url


def process_of(url: str) -> int:
    with redis.Redis.from_url(url) as connection:
        return int(connection.info("server")["process_id"])


def counting(make_app: AppFactory, url: str, **changes: str) -> Flask:
    return make_app(RATELIMIT_ENABLED="true", REDIS_URL=url, **{"LIMIT_ANONYMOUS": "6/minute", **changes})


COUNTED = ("slugline_limiter_store_failures_total", 'slugline_limited_requests_total{bucket="anonymous"}')


def counted(app: Flask) -> dict[str, float]:
    """What /metrics tells of COUNTED; 0.0 where there is none yet."""
    lines = app.test_client().get("/metrics").text.splitlines()
    told = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(told.get(name, 0)) for name in COUNTED}


def statuses(app: Flask, number: int) -> list[int]:
    anonymous = Caller(app.test_client())
    return [anonymous.get("/users/me").status_code for _ in range(number)]


def test_fresh_window_is_no_longer_than_it_is(
    make_app: AppFactory, store: redis.Redis, valkey_url: str
) -> None:
    answer = Caller(counting(make_app, valkey_url).test_client()).get("/users/me")
    name, remaining, reset = answer.headers["RateLimit"].split(";")
    assert (name, remaining) == ('"anonymous-60"', "r=5")
    assert int(reset.removeprefix("t=")) <= 60


def test_two_applications_count_together(make_app: AppFactory, store: redis.Redis, valkey_url: str) -> None:
    one, other = counting(make_app, valkey_url), counting(make_app, valkey_url)
    assert statuses(one, 3) + statuses(other, 3) == [401] * 6
    assert statuses(one, 1) + statuses(other, 1) == [429, 429]


def test_without_redis_two_applications_count_apart(make_app: AppFactory) -> None:
    apps = [make_app(RATELIMIT_ENABLED="true", LIMIT_ANONYMOUS="2/minute") for _ in range(2)]
    assert [statuses(app, 3) for app in apps] == [[401, 401, 429]] * 2


def test_who_waits_as_told_is_let_through(make_app: AppFactory, store: redis.Redis, valkey_url: str) -> None:
    app = counting(make_app, valkey_url, LIMIT_ANONYMOUS="1/2second")
    anonymous = Caller(app.test_client())
    anonymous.get("/users/me")
    time.sleep(0.6)  # 1.4 s of the window are left, which Redis calls 1
    while (refused := anonymous.get("/users/me")).status_code == 401:
        pass  # two seconds were over already
    assert refused.status_code == 429
    time.sleep(int(refused.headers["Retry-After"]))
    assert anonymous.get("/users/me").status_code == 401


@pytest.mark.asvs("14.2.2")
def test_no_address_and_no_user_data_lies_in_redis(
    make_app: AppFactory, store: redis.Redis, valkey_url: str
) -> None:
    app = counting(make_app, valkey_url)
    alice = sign_up(app, "alice")
    alice.get("/users/me")
    for address in ("203.0.113.77", "2001:db8:77::1"):
        Caller(app.test_client()).get("/users/me", environ_base={"REMOTE_ADDR": address})
    keys = [key.decode() for key in store.scan_iter()]
    assert len(keys) >= 4
    text = "\n".join(keys + [str(store.get(key)) for key in keys])
    for secret in ("203.0.113", "2001:db8", "127.0.0", alice.email, alice.token or "x"):
        assert secret not in text
    assert all(0 < store.ttl(key) <= 86_400 for key in keys)


@pytest.mark.asvs("16.5.2")
def test_killed_store_is_neither_an_error_nor_the_end_of_limits(make_app: AppFactory, doomed: str) -> None:
    app = counting(make_app, doomed)
    assert statuses(app, 2) == [401] * 2
    os.kill(process_of(doomed), signal.SIGKILL)
    # Counted in this process from here on.
    assert statuses(app, 8) == [401] * 6 + [429] * 2


@pytest.mark.asvs("16.3.3")
def test_metrics_tell_of_the_store_and_of_who_was_refused(make_app: AppFactory, doomed: str) -> None:
    app = counting(make_app, doomed, LIMIT_ANONYMOUS="1/minute")
    before = counted(app)
    os.kill(process_of(doomed), signal.SIGKILL)
    assert statuses(app, 3) == [401, 429, 429]
    after = counted(app)
    assert [after[name] - before[name] for name in COUNTED] == [1, 2]


@pytest.mark.asvs("6.3.1", "16.5.3")
def test_guesses_at_secrets_are_counted_exactly_without_the_store(make_app: AppFactory, doomed: str) -> None:
    app = counting(make_app, doomed, LIMIT_ANONYMOUS="none")
    alice = sign_up(app, "alice")
    os.kill(process_of(doomed), signal.SIGKILL)
    wrong = {"email": alice.email, "password": "not the right one"}
    anonymous = Caller(app.test_client())
    found = [anonymous.post("/auth/login", json=wrong).status_code for _ in range(6)]
    assert found == [401] * 5 + [429]


def test_signed_in_users_are_served_without_the_store(make_app: AppFactory, doomed: str) -> None:
    app = counting(make_app, doomed, LIMIT_USER="3/minute")
    alice = sign_up(app, "alice")
    os.kill(process_of(doomed), signal.SIGKILL)
    assert [alice.get("/users/me").status_code for _ in range(4)] == [200, 200, 200, 429]


def test_hung_store_holds_nobody_up_and_is_used_again_when_it_wakes(
    make_app: AppFactory, doomed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = counting(make_app, doomed)
    pid = process_of(doomed)
    assert statuses(app, 4) == [401] * 4
    os.kill(pid, signal.SIGSTOP)
    try:
        with stopwatch() as taken:
            assert statuses(app, 1) == [401]
            assert taken() < STORE_ERRORS_WITHIN
        assert statuses(app, 20)[-1] == 429
    finally:
        os.kill(pid, signal.SIGCONT)
    monkeypatch.setattr(app.extensions["limits"], "down_until", 0.0)
    # The four of before still count; a call that hung may have been counted when the store woke.
    assert statuses(app, 3)[-1] == 429
    assert not app.extensions["limits"].store_is_down


def test_readiness_names_the_store(make_app: AppFactory, doomed: str, one_shape: Shape) -> None:
    client = counting(make_app, doomed).test_client()
    assert client.get("/readyz").status_code == 200
    os.kill(process_of(doomed), signal.SIGKILL)
    error = one_shape(client.get("/readyz"), 503, "UNAVAILABLE")
    assert [detail["field"] for detail in error["details"]] == ["limiter"]


def test_store_that_was_never_there_does_not_stop_the_start(make_app: AppFactory) -> None:
    app = counting(make_app, f"redis://127.0.0.1:{servers.free_port()}/0")
    assert statuses(app, 7) == [401] * 6 + [429]


def test_store_that_failed_is_asked_again_only_after_a_second(make_app: AppFactory, doomed: str) -> None:
    app = counting(make_app, doomed)
    os.kill(process_of(doomed), signal.SIGKILL)
    statuses(app, 1)
    counters = app.extensions["limits"]
    assert counters.store_is_down
    assert counters.down_until - time.monotonic() <= limits._RETRY_STORE
