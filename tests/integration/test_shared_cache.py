"""A cache in Redis: one for all processes, and what happens when it fails."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from prometheus_client import REGISTRY

from app import cache_in_redis
from app.cache_in_redis import Shared
from app.caching import Cache
from tests import servers
from tests.integration.web.test_shared_limits import process_of
from tests.stopwatch import stopwatch
from tests.unit.test_caching import SECRET, Source

SOON = 1.5  # seconds a reading may take while Redis does not answer


@pytest.fixture
def url(valkey_url: str) -> str:
    """Of an empty store."""
    with redis.Redis.from_url(valkey_url) as connection:
        connection.flushall()
    return valkey_url


@pytest.fixture
def doomed() -> Iterator[str]:
    """The URL of a store that a test may kill or stop."""
    with servers.valkey() as url:
        yield url


def counted_errors() -> float:
    """As /metrics tells it."""
    return REGISTRY.get_sample_value("slugline_cache_errors_total") or 0.0


def process(url: str) -> Cache:
    """The cache of one of several processes."""
    return Cache(Shared(url, SECRET), SECRET)


def timed(call: Callable[[], object]) -> tuple[object, bool]:
    """What it returned, and whether soon."""
    with stopwatch() as taken:
        return call(), taken() < SOON


def test_what_one_process_read_no_other_reads(url: str) -> None:
    source, one, other = Source(), process(url), process(url)
    told = [cache.read("x", ["a"], version, source.read) for version in "12" for cache in (one, other)]
    assert told == [1, 1, 2, 2]


def test_many_threads_of_many_processes_read_it_once(url: str) -> None:
    source, processes, barrier = Source(seconds=0.1), [process(url) for _ in range(4)], threading.Barrier(12)

    def read(number: int) -> object:
        barrier.wait()
        return processes[number % 4].read("x", [], "1", source.read)

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(read, range(12))) == [1] * 12


def test_a_process_killed_while_it_reads_holds_up_nobody_for_long(url: str) -> None:
    source, killed, other = Source(), process(url), process(url)
    assert killed._store.claim(killed._key("x", []), "1")
    assert timed(lambda: other.read("x", [], "1", source.read)) == (1, True)
    assert killed.read("x", [], "1", source.read) == 1


def test_a_reader_that_fails_gives_its_turn_to_the_next(url: str) -> None:
    source, one, other = Source(failures=1), process(url), process(url)
    with pytest.raises(RuntimeError):
        one.read("x", [], "1", source.read)
    assert other._store.claim(other._key("x", []), "1")


@pytest.mark.asvs("14.2.2")
def test_redis_tells_nobody_what_was_asked_for_and_forgets_it(url: str) -> None:
    process(url).read("facets", [[7], "https://private.example/"], "7:5", lambda: [1])
    with redis.Redis.from_url(url) as connection:
        [key] = connection.scan_iter()
        assert key.startswith(b"slugline:cache:")
        assert b"private" not in key
        assert b"facets" not in key
        assert connection.get(key)[cache_in_redis._SIGNATURE :] == b"[1]"
        assert 0 < connection.ttl(key) <= cache_in_redis._KEPT


@pytest.mark.asvs("1.5.2")
@pytest.mark.parametrize(
    "spoil", [lambda kept: b"{", lambda kept: kept[:-3] + b"[9]", lambda kept: kept + b" "]
)
def test_what_was_written_by_another_hand_is_read_anew(url: str, spoil: Callable[[bytes], bytes]) -> None:
    process(url).read("x", [], "7", lambda: [1])
    with redis.Redis.from_url(url) as connection:
        [key] = connection.scan_iter()
        connection.set(key, spoil(connection.get(key)))
    assert process(url).read("x", [], "7", lambda: [2]) == [2]


def test_a_store_killed_while_somebody_reads_is_no_error(doomed: str) -> None:
    source, cache, errors = Source(), process(doomed), counted_errors()

    def read() -> int:
        os.kill(process_of(doomed), signal.SIGKILL)
        return source.read()

    assert timed(lambda: cache.read("x", [], "1", read)) == (1, True)
    assert [cache.read("x", [], "1", source.read) for _ in range(50)] == list(range(2, 52))
    assert 1 <= counted_errors() - errors <= 3


def test_a_hung_store_holds_nobody_up_and_is_used_again_when_it_wakes(
    doomed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, cache, pid = Source(), process(doomed), process_of(doomed)
    assert [cache.read("x", [], "1", source.read) for _ in range(2)] == [1, 1]
    os.kill(pid, signal.SIGSTOP)
    try:
        assert timed(lambda: [cache.read("x", [], "1", source.read) for _ in range(50)])[1]
    finally:
        os.kill(pid, signal.SIGCONT)
    monkeypatch.setattr(cache._store, "_down_until", 0.0)
    assert cache.read("x", [], "1", source.read) == 1


def test_a_store_that_was_never_there_is_no_error() -> None:
    source, cache = Source(), process(f"redis://127.0.0.1:{servers.free_port()}/0")
    assert [cache.read("x", [], "1", source.read) for _ in range(3)] == [1, 2, 3]
