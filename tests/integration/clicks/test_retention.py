"""Old clicks and visitors are deleted a little at a time; roll-ups stay. On both engines."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import event, func, insert, select
from sqlalchemy.engine import Engine

from app import database
from app.clicks import retention
from app.clicks.models import Click, ClickCount, ClickFacet, DailyVisitor
from app.clicks.retention import OldClicks, forget_visitors
from app.extensions import db

NOW = datetime(2026, 5, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)
Forget = Callable[[], None]
FACTS = dict.fromkeys(("address", "country", "browser", "os", "device", "referrer", "query"), "")


@pytest.fixture(autouse=True)
def now() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture(autouse=True)
def kept_for_30_days(app: Flask) -> None:
    app.config["CLICKS_KEPT_DAYS"] = 30


@pytest.fixture
def forget_clicks() -> Forget:
    """The chore of a worker that has just been started."""
    return OldClicks().forget


def store_clicks(*ages: timedelta) -> None:
    """Rows in this order, numbered from 1."""
    rows = [
        {**FACTS, "id": number, "link_id": 1, "at": NOW - age, "visitor": b"12345678", "bot": False}
        for number, age in enumerate(ages, 1)
    ]
    with database.writing() as connection:
        connection.execute(insert(Click), rows)


def ids() -> list[int]:
    with database.reading() as connection:
        return list(connection.scalars(select(Click.id).order_by(Click.id)))


def store_visitors(*rows: tuple[date, int, int]) -> None:
    values = [{"day": day, "link_id": link_id, "visitor": visitor} for day, link_id, visitor in rows]
    with database.writing() as connection:
        connection.execute(insert(DailyVisitor), values)


def visitors() -> list[tuple[date, int, int]]:
    with database.reading() as connection:
        return sorted(tuple(row) for row in connection.execute(select(DailyVisitor.__table__)))


@pytest.fixture
def deletions() -> Iterator[list[int]]:
    """The rows that each DELETE took."""
    taken: list[int] = []

    def seen(_connection: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("DELETE"):
            taken.append(cursor.rowcount)  # type: ignore[attr-defined]  # DBAPI cursors have no common type

    engine: Engine = db.engine
    event.listen(engine, "after_cursor_execute", seen)
    yield taken
    event.remove(engine, "after_cursor_execute", seen)


@pytest.mark.asvs("14.2.7")
def test_clicks_older_than_the_days_kept_are_deleted(forget_clicks: Forget) -> None:
    second = timedelta(seconds=1)
    store_clicks(40 * DAY, 30 * DAY + second, 30 * DAY, 30 * DAY - second, DAY)
    forget_clicks()
    assert ids() == [3, 4, 5]


def test_roll_ups_stay(forget_clicks: Forget) -> None:
    at = NOW - 400 * DAY
    with database.writing() as connection:
        connection.execute(
            insert(ClickCount),
            {
                "link_id": 1,
                "quarter": at,
                "humans": 1,
                "bots": 0,
                "prefetches": 0,
                "uniques": 1,
                "last_at": at,
            },
        )
        facet = {"link_id": 1, "day": at.date(), "dimension": "os", "value": "Linux", "clicks": 1}
        connection.execute(insert(ClickFacet), facet)
    store_clicks(400 * DAY)
    forget_clicks()
    with database.reading() as connection:
        counts = [
            connection.scalar(select(func.count()).select_from(model)) for model in (ClickCount, ClickFacet)
        ]
    assert (ids(), counts) == ([], [1, 1])


def test_nought_days_keep_all(app: Flask, forget_clicks: Forget) -> None:
    app.config["CLICKS_KEPT_DAYS"] = 0
    store_clicks(4000 * DAY)
    forget_clicks()
    assert ids() == [1]


def test_an_old_click_among_younger_ones_goes_too_and_they_stay(forget_clicks: Forget) -> None:
    store_clicks(40 * DAY, DAY, 35 * DAY, -DAY, 31 * DAY)
    forget_clicks()
    assert ids() == [2, 4]


def test_those_behind_thousands_of_younger_ones_go_too(
    monkeypatch: pytest.MonkeyPatch, forget_clicks: Forget
) -> None:
    """Stored late, or behind what a host wrote whose clock was wrong for a moment."""
    monkeypatch.setattr(retention, "_ROWS", 2)
    monkeypatch.setattr(retention, "_TRANSACTIONS", 3)
    store_clicks(*[-4000 * DAY] * 9, 31 * DAY, DAY, 40 * DAY)
    forget_clicks()
    assert len(ids()) == 12
    forget_clicks()
    assert ids() == [*range(1, 10), 11, 12]
    forget_clicks()
    assert ids() == [*range(1, 10), 11]


def test_first_ones_do_not_wait_until_the_rest_was_looked_through(
    monkeypatch: pytest.MonkeyPatch, forget_clicks: Forget
) -> None:
    monkeypatch.setattr(retention, "_ROWS", 2)
    monkeypatch.setattr(retention, "_TRANSACTIONS", 3)
    store_clicks(20 * DAY, 20 * DAY, *[DAY] * 20)
    forget_clicks()
    with time_machine.travel(NOW + 15 * DAY, tick=False):
        forget_clicks()
    assert ids() == list(range(3, 23))


def test_what_was_looked_through_is_looked_through_again(
    monkeypatch: pytest.MonkeyPatch, forget_clicks: Forget
) -> None:
    monkeypatch.setattr(retention, "_ROWS", 2)
    monkeypatch.setattr(retention, "_TRANSACTIONS", 3)
    store_clicks(DAY, DAY, DAY, 20 * DAY, *[DAY] * 20)
    for _ in range(3):
        forget_clicks()
    with time_machine.travel(NOW + 15 * DAY, tick=False):
        for _ in range(10):
            forget_clicks()
    assert ids() == [1, 2, 3, *range(5, 25)]


def test_a_transaction_and_a_call_take_so_many_and_the_next_call_goes_on(
    deletions: list[int], forget_clicks: Forget
) -> None:
    store_clicks(*[40 * DAY] * 2_500)
    forget_clicks()
    assert ids() == []
    assert deletions == [1000, 1000, 500]


def test_a_call_ends_though_there_is_more(monkeypatch: pytest.MonkeyPatch, forget_clicks: Forget) -> None:
    monkeypatch.setattr(retention, "_ROWS", 2)
    store_clicks(*[40 * DAY] * 50, DAY)
    left = []
    for _ in range(3):
        forget_clicks()
        left.append(len(ids()))
    assert left == [11, 1, 1]


def test_others_write_between_two_transactions(
    monkeypatch: pytest.MonkeyPatch, app: Flask, forget_clicks: Forget
) -> None:
    monkeypatch.setattr(retention, "_ROWS", 2)
    store_clicks(*[40 * DAY] * 30)
    seen: list[int] = []
    done = threading.Event()

    def write() -> None:
        with app.app_context():
            while not done.is_set():
                with database.writing() as connection:
                    seen.append(connection.scalar(select(func.count()).select_from(Click)) or 0)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        forget_clicks()
    finally:
        done.set()
        thread.join()
    assert len(set(seen) - {0, 30}) > 3
    assert ids() == []


@pytest.mark.asvs("14.2.7")
def test_visitors_are_forgotten_after_a_week() -> None:
    today = NOW.date()
    rows = [(today - days * DAY, link_id, -5) for days in (0, 6, 7, 8, 30) for link_id in (1, 2)]
    store_visitors(*rows)
    forget_visitors()
    assert visitors() == sorted(row for row in rows if row[0] >= today - 7 * DAY)


def test_visitors_go_a_thousand_at_a_time(deletions: list[int]) -> None:
    old, young = NOW.date() - 8 * DAY, NOW.date()
    store_visitors(
        *[(old, link_id, number) for link_id in (1, 2) for number in range(-550, 550)], (young, 1, 1)
    )
    forget_visitors()
    assert visitors() == [(young, 1, 1)]
    assert deletions == [1000, 1000, 200]


def test_a_call_ends_though_there_are_more_visitors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_ROWS", 2)
    store_visitors(*[(NOW.date() - 8 * DAY, 1, number) for number in range(50)])
    forget_visitors()
    assert [row[2] for row in visitors()] == list(range(40, 50))
