"""app/accounts/guesses.py on both engines: several counts move together, in one statement."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text

from app import clock, database
from app.accounts import guesses
from app.accounts.guesses import Guessed
from app.accounts.models import Guess
from app.errors import RateLimited
from app.extensions import db

RATES = {"GUESSES_LOGIN_IP": "3/minute", "GUESSES_ACCOUNT": "5/5minutes", "GUESSES_ACCOUNT_DAY": "100/day"}
ALL = tuple(Guessed(rates, ("ada",)) for rates in RATES)
BY_ADDRESS, BURST, DAY = ALL
WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


@pytest.fixture(autouse=True)
def _rates(app: Flask) -> None:
    app.config.update(RATES)


def counts(app: Flask) -> list[int]:
    """The stored count of each of ALL, through a new connection."""
    with app.app_context(), database.reading() as connection:
        stored = {row.key: row[1] for row in connection.execute(select(Guess.key, Guess.count))}
        return [stored.get(guess.key, 0) for guess in ALL]


def test_guess_is_counted_on_all_or_none(app: Flask) -> None:
    with app.app_context():
        for _ in range(3):
            guesses.count([BY_ADDRESS])
        with pytest.raises(RateLimited):
            guesses.count(ALL)
        guesses.count([DAY])
    assert counts(app) == [3, 0, 1]


def test_refusal_says_when_all_are_open_again(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    with app.app_context():
        for guess, times in ((BY_ADDRESS, 3), (BURST, 5)):
            for _ in range(times):
                guesses.count([guess])
        with pytest.raises(RateLimited) as refused:
            guesses.count(ALL)
    assert refused.value.headers["Retry-After"] == "300"


def test_window_that_ended_begins_anew_beside_one_that_goes_on(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = clock.now() + timedelta(minutes=2)
    with app.app_context():
        guesses.count(ALL)
        guesses.count(ALL)
        monkeypatch.setattr(clock, "now", lambda: later)
        counted = guesses.count(ALL)
    assert counts(app) == [1, 3, 3]
    assert later + timedelta(minutes=1) in counted.values()


def test_parallel_guesses_stop_at_the_tightest_bound(app: Flask) -> None:
    def guess(order: tuple[Guessed, ...]) -> bool:
        with app.app_context():
            try:
                guesses.count(order)
            except RateLimited:
                return False
        return True

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(guess, [*itertools.permutations(ALL)] * 4)) == 3
    assert counts(app) == [3, 3, 3]


def test_counting_and_giving_back_at_once_lose_nothing_and_wait_in_no_circle(app: Flask) -> None:
    app.config.update(dict.fromkeys(RATES, "1000/day"))

    def right_guess(order: tuple[Guessed, ...]) -> None:
        with app.app_context():
            guesses.give_back(guesses.count(order))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(right_guess, [*itertools.permutations(ALL)] * 10))
    assert counts(app) == [0, 0, 0]


def test_count_that_was_begun_anew_is_not_counted_below_nothing(app: Flask) -> None:
    with app.app_context():
        counted = guesses.count(ALL)
        with database.writing() as connection:
            connection.execute(Guess.__table__.delete())
        guesses.give_back(counted)
        guesses.give_back(counted)
    assert counts(app) == [0, 0, 0]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_forgetting_waits_for_one_count_with_no_other_in_its_hands(app: Flask) -> None:
    """Else a guess, which takes them in the order of their keys, could wait for it in a circle."""

    def forget() -> None:
        with app.app_context():
            guesses.forget(ALL)
            db.session.commit()

    with app.app_context():
        first, *others = sorted(ALL, key=lambda guess: guess.key)
        for guess in (*reversed(others), first):  # so that the last one lies first in the table
            guesses.count([guess])
    with ThreadPoolExecutor(1) as elsewhere, app.app_context(), database.writing() as connection:
        connection.execute(select(Guess.key).where(Guess.key == first.key).with_for_update())
        forgetting = elsewhere.submit(forget)
        while not connection.scalar(WAITING):
            assert not forgetting.done()
        free = select(Guess.key).where(Guess.key.in_([guess.key for guess in others]))
        assert len(connection.execute(free.with_for_update(skip_locked=True)).all()) == len(others)
    forgetting.result()
    assert counts(app) == [0, 0, 0]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_worker_leaves_a_window_alone_that_somebody_begins_anew(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would wait for it, with others in its hands that he wants next."""
    later = clock.now() + timedelta(days=2)

    def forget() -> None:
        with app.app_context():
            guesses.forget_expired()

    with app.app_context():
        guesses.count(ALL)
        monkeypatch.setattr(clock, "now", lambda: later)
        with ThreadPoolExecutor(1) as elsewhere, database.writing() as connection:
            assert guesses.has_room(BURST, connection)
            forgetting = elsewhere.submit(forget)
            while not forgetting.done():
                assert not connection.scalar(WAITING)
    assert counts(app) == [0, 1, 0]
