"""app/web/counts.py: where a process without Redis counts."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import time_machine

from app.web import counts
from app.web.counts import ProcessStorage


def test_threads_lose_no_count() -> None:
    store = ProcessStorage()
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda _: store.incr("a", 60), range(1000)))
    assert sorted(found) == list(range(1, 1001))


def test_window_ends_and_begins_anew_with_the_next_count() -> None:
    with time_machine.travel(1_800_000_000, tick=False) as now:
        store = ProcessStorage()
        assert [store.incr("a", 60), store.incr("a", 60)] == [1, 2]
        now.shift(59)
        assert (store.get("a"), store.get_expiry("a"), store.get("b")) == (2, 1_800_000_060, 0)
        now.shift(1)
        assert (store.get("a"), store.incr("a", 60), store.get_expiry("a")) == (0, 1, 1_800_000_120)


def test_what_has_ended_is_forgotten_and_what_goes_on_is_not() -> None:
    with time_machine.travel(1_800_000_000, tick=False) as now:
        store = ProcessStorage()
        store.incr("short", 60)
        store.incr("long", 3600)
        now.shift(60)
        store.incr("new", 60)
        assert store.reset() == 2
        assert store.get("long") == 0


def test_many_strangers_are_forgotten_before_who_asked_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else who has a network of IPv6 addresses would fill the memory with a window for each."""
    monkeypatch.setattr(counts, "_MOST", 10)
    store = ProcessStorage()
    for _ in range(3):
        store.incr("busy", 60)
    for number in range(1000):
        store.incr(f"stranger {number}", 86_400)
    assert store.get("busy") == 3
    assert store.reset() <= 20


def test_one_count_is_cleared_alone() -> None:
    store = ProcessStorage()
    store.incr("a", 60)
    store.incr("b", 60)
    store.clear("a")
    assert (store.get("a"), store.get("b")) == (0, 1)
