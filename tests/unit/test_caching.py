"""What is remembered in a process: as long as its version holds, within its bounds, read once by all who miss it."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from app import caching
from app.caching import Cache, Memory
from tests.e2e.processes import PATIENCE

SECRET = "0123456789abcdef" * 2
THREADS = 12


class Source:
    """What is expensive to read."""

    def __init__(self, seconds: float = 0.0, failures: int = 0) -> None:
        self.readings = 0
        self._seconds = seconds
        self._failures = failures

    def read(self) -> int:
        self.readings += 1
        mine = self.readings
        time.sleep(self._seconds)
        if mine <= self._failures:
            raise RuntimeError("no")
        return mine


@pytest.fixture
def cache() -> Cache:
    return Cache(Memory(100_000), SECRET)


def at_once(call: Callable[[], object]) -> list[object]:
    """What `call` returned, or raised, to each of many threads."""
    barrier = threading.Barrier(THREADS)

    def one(_: int) -> object:
        barrier.wait()
        try:
            return call()
        except RuntimeError as error:
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


def outcomes(name: str) -> dict[str, float]:
    return {outcome: caching.READS.labels(name, outcome)._value.get() for outcome in ("hit", "wait", "miss")}


def test_a_value_is_read_once_for_each_version(cache: Cache) -> None:
    source = Source()
    versions = ["1", "1", "2", "2", "1"]
    assert [cache.read("x", ["a"], version, source.read) for version in versions] == [1, 1, 2, 2, 3]


def test_other_arguments_and_other_names_are_other_values(cache: Cache) -> None:
    source = Source()
    asked = [("x", ["a"]), ("x", ["b"]), ("y", ["a"]), ("x", ["a", "b"]), ("x", ["ab"]), ("x", ["a"])]
    assert [cache.read(name, arguments, "1", source.read) for name, arguments in asked] == [1, 2, 3, 4, 5, 1]


def test_a_value_looks_the_same_whether_it_was_kept_or_not(cache: Cache) -> None:
    told = [cache.read("x", [], "1", lambda: {"a": (1, None, "ü")}) for _ in range(2)]
    assert told == [{"a": [1, None, "ü"]}] * 2


def test_who_changes_what_was_told_changes_nothing(cache: Cache) -> None:
    cache.read("x", [], "1", lambda: [1]).append(2)
    assert cache.read("x", [], "1", lambda: [3]) == [1]


def test_many_who_miss_it_at_once_read_it_once(cache: Cache) -> None:
    source = Source(seconds=0.1)
    assert at_once(lambda: cache.read("once", [], "1", source.read)) == [1] * THREADS
    told = outcomes("once")
    assert told["miss"] == 1
    assert told["wait"] > 0
    assert sum(told.values()) == THREADS


def test_without_taking_turns_all_of_them_would_read_it(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""
    monkeypatch.setattr(cache, "_read_once", lambda key, version, read: (read(), "miss"))
    source = Source(seconds=0.1)
    at_once(lambda: cache.read("x", [], "1", source.read))
    assert source.readings > THREADS / 2


def test_switched_off_nothing_is_kept_and_nothing_read_twice_at_once() -> None:
    source, cache = Source(seconds=0.1), Cache(Memory(0), SECRET)
    assert len(set(at_once(lambda: cache.read("x", [], "1", source.read)))) < THREADS / 2
    assert cache.read("x", [], "1", source.read) == source.readings


def test_a_failure_is_told_to_its_reader_alone_and_not_kept(cache: Cache) -> None:
    source = Source(seconds=0.1, failures=1)
    told = at_once(lambda: cache.read("x", [], "1", source.read))
    assert len([one for one in told if isinstance(one, RuntimeError)]) == 1
    assert isinstance(cache.read("x", [], "1", source.read), int)


def test_nobody_waits_for_ever(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "_PATIENCE", 0.05)
    stuck, begun = threading.Event(), threading.Event()

    def read_slowly() -> str:
        begun.set()
        stuck.wait(PATIENCE)
        return "late"

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(cache.read, "x", [], "1", read_slowly)
        assert begun.wait(PATIENCE)
        assert cache.read("x", [], "1", lambda: "soon") == "soon"
        assert not first.done()
        stuck.set()
        assert first.result() == "late"


def test_memory_is_bounded_and_keeps_what_is_asked_for() -> None:
    memory, value = Memory(10_000), b"x" * (1_000 - caching._OVERHEAD)
    for number in range(100):
        memory.put(str(number), "1", value)
        assert memory.get("0", "1") == value
        assert memory._size <= 10_000
    kept = [number for number in range(100) if memory.get(str(number), "1")]
    assert kept == [0, *range(91, 100)]


def test_a_value_larger_than_the_memory_pushes_nothing_out() -> None:
    memory = Memory(10_000)
    memory.put("small", "1", b"x")
    memory.put("large", "1", b"x" * 10_000)
    assert (memory.get("small", "1"), memory.get("large", "1")) == (b"x", None)


def test_a_new_version_takes_the_place_of_the_old() -> None:
    memory = Memory(10_000)
    entries, size = caching.ENTRIES._value.get(), caching.BYTES._value.get()
    for version in range(1_000):
        memory.put("a", str(version), b"x" * 100)
    assert caching.ENTRIES._value.get() - entries == 1
    assert caching.BYTES._value.get() - size == memory._size == 100 + caching._OVERHEAD
