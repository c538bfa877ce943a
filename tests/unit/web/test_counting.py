"""app/web/limits.py: counting, on a store of its own in this process."""

from collections.abc import Iterator

import pytest
import time_machine
from flask import Flask
from limits import RateLimitItem
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from app.errors import RateLimited
from app.extensions import limiter
from app.web import limits
from app.web.limits import Bucket

START = 1_800_000_000


@pytest.fixture
def counting(bare: Flask) -> Iterator[Flask]:
    """An application that counts, at a standing clock."""
    bare.config.update(
        RATELIMIT_ENABLED=True,
        RATELIMIT_STORAGE_URI="process://",
        WEB_WORKERS=1,
        REDIS_URL="",
        RATES="2/10seconds;3/minute",
    )
    limiter.init_app(bare)
    limits.init_app(bare)
    with time_machine.travel(START, tick=False):
        yield bare


def spent(app: Flask, key: str = "k") -> int:
    """0 where it passes, else the seconds to wait."""
    with app.test_request_context():
        try:
            limits.spend(Bucket("test", "RATES", key))
        except RateLimited as refused:
            return int(refused.headers["Retry-After"])
    return 0


def test_who_waits_as_told_is_let_through(counting: Flask) -> None:
    with time_machine.travel(START, tick=False) as clock:
        assert [spent(counting) for _ in range(4)] == [0, 0, 10, 10]
        clock.shift(10)
        assert [spent(counting) for _ in range(2)] == [0, 50]
        clock.shift(50)
        assert spent(counting) == 0


def test_refused_calls_do_not_spend_the_longer_window(counting: Flask) -> None:
    with time_machine.travel(START, tick=False) as clock:
        assert [spent(counting) for _ in range(50)] == [0, 0] + [10] * 48
        clock.shift(10)
        assert spent(counting) == 0


def test_everybody_has_a_bucket_of_his_own(counting: Flask) -> None:
    assert [spent(counting, "a"), spent(counting, "a"), spent(counting, "b")] == [0, 0, 0]
    assert spent(counting, "a") > 0


@pytest.mark.parametrize("change", [{"RATES": ""}, {"RATELIMIT_ENABLED": False}])
def test_nothing_is_counted_when_switched_off(counting: Flask, change: dict[str, object]) -> None:
    counting.config.update(change)
    assert [spent(counting) for _ in range(9)] == [0] * 9


def test_each_application_keeps_its_own_counters(counting: Flask) -> None:
    other = Flask("other")
    other.config.update(counting.config)
    limiter.init_app(other)
    limits.init_app(other)
    assert [spent(counting), spent(counting)] == [0, 0]
    assert spent(other) == 0
    assert spent(counting) > 0


class EndsAtOnce(FixedWindowRateLimiter):
    """Refuses, and when asked for the window, that has just ended."""

    def hit(self, item: RateLimitItem, *_identifiers: str, cost: int = 1) -> bool:
        return False


def test_window_that_ends_between_two_questions_is_a_wait_of_a_second(counting: Flask) -> None:
    counting.extensions["limits"].store = EndsAtOnce(MemoryStorage())
    assert spent(counting) == 1


class Broken(FixedWindowRateLimiter):
    asked = 0

    def hit(self, item: RateLimitItem, *_identifiers: str, cost: int = 1) -> bool:
        self.asked += 1
        raise ConnectionError("no store")


def test_broken_store_is_replaced_and_asked_again_after_a_second(
    counting: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = counting.extensions["limits"].store = Broken(MemoryStorage())
    now = 1000.0
    monkeypatch.setattr(limits.time, "monotonic", lambda: now)
    assert [spent(counting) for _ in range(3)] == [0, 0, 10]
    assert store.asked == 1
    now += 1.01
    assert spent(counting) == 10
    assert store.asked == 2


def test_answer_tells_every_window_and_the_nearest_one(counting: Flask) -> None:
    counting.add_url_rule("/", view_func=lambda: limits.spend(Bucket("test", "RATES", "k")) or "x")
    sent = counting.test_client().get("/").headers
    assert sent["RateLimit-Policy"] == '"test-10";q=2;w=10, "test-60";q=3;w=60'
    assert sent["RateLimit"] == '"test-10";r=1;t=10, "test-60";r=2;t=60'
    assert (sent["X-RateLimit-Limit"], sent["X-RateLimit-Remaining"]) == ("2", "1")
    assert sent["X-RateLimit-Reset"] == str(START + 10)


def test_answer_that_spent_nothing_tells_nothing(counting: Flask) -> None:
    counting.add_url_rule("/", view_func=lambda: "x")
    assert not [name for name in counting.test_client().get("/").headers if "RateLimit" in name]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("2001:db8::1", "2001:db8::2", True), ("192.0.2.1", "192.0.2.2", False), ("", "nonsense", True)],
)
def test_key_of_an_address_is_its_network_hidden(counting: Flask, one: str, other: str, same: bool) -> None:
    keys = []
    for address in (one, other):
        with counting.test_request_context(environ_base={"REMOTE_ADDR": address}):
            keys.append(limits.address_bucket().key)
    assert (keys[0] == keys[1]) is same
    assert all(len(key) == 32 for key in keys)


def test_key_depends_on_the_secret(counting: Flask) -> None:
    with counting.test_request_context(environ_base={"REMOTE_ADDR": "192.0.2.1"}):
        before = limits.address_bucket().key
        counting.config["SECRET_KEY"] = "another"
        assert limits.address_bucket().key != before


@pytest.mark.parametrize(
    ("workers", "redis", "apart"), [(1, "", False), (2, "", True), (2, "redis://h", False)]
)
def test_several_processes_without_redis_count_apart(
    bare: Flask, workers: int, redis: str, apart: bool
) -> None:
    bare.config.update(WEB_WORKERS=workers, REDIS_URL=redis)
    assert limits.shares_nothing(bare) is apart
