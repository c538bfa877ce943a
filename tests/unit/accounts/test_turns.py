"""app/accounts/turns.py"""

import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import pytest

from app.accounts import turns
from app.accounts.turns import TooManyHashes, made
from tests.e2e.processes import PATIENCE


@pytest.mark.asvs("15.2.2")
def test_no_more_than_allowed_are_at_it_at_once() -> None:
    allowed = made(at_once=2, in_line=16)
    lock, present, most = threading.Lock(), 0, 0
    both = threading.Barrier(2)

    def work(_: int) -> None:
        nonlocal present, most
        with allowed.take():
            with lock:
                present += 1
                most = max(most, present)
            both.wait(PATIENCE)  # so that two are there, as often as there may be
            with lock:
                present -= 1

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    assert most == 2


def test_who_finds_the_line_full_is_refused_and_the_next_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_PATIENCE", 0.01)
    allowed = made(at_once=1, in_line=1)
    with allowed.take(), pytest.raises(TooManyHashes) as refused, allowed.take():
        pass
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "1")
    with allowed.take():
        pass


def test_one_waits_for_a_place_in_the_line_and_a_second_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Were the second to wait too, it would get the first one's place.
    monkeypatch.setattr(turns, "_PATIENCE", 2 * PATIENCE)
    allowed = made(at_once=1, in_line=1)
    outcomes = []

    def work() -> None:
        try:
            with allowed.take():
                outcomes.append("in")
        except TooManyHashes:
            outcomes.append("refused")

    with ThreadPoolExecutor(2) as pool, allowed.take():
        wait([pool.submit(work), pool.submit(work)], timeout=PATIENCE, return_when=FIRST_COMPLETED)
        assert outcomes == ["refused"]
    assert outcomes == ["refused", "in"]


def test_turn_is_given_back_by_one_that_fails() -> None:
    allowed = made(at_once=1, in_line=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), allowed.take():
            _ = 1 / 0


@pytest.mark.parametrize(
    ("cores", "processes", "expected"), [(1, 1, 1), (2, 1, 1), (8, 1, 7), (8, 4, 1), (16, 4, 3), (2, 8, 1)]
)
def test_processes_together_leave_a_core_to_others_while_they_are_fewer_than_cores(
    monkeypatch: pytest.MonkeyPatch, cores: int, processes: int, expected: int
) -> None:
    monkeypatch.setattr(turns.os, "cpu_count", lambda: cores)
    fair = turns.fair(processes, threads=8)
    assert fair._working._value == expected
    assert fair._line._value == 6
