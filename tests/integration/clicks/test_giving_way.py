"""A long batch gives way to a writer who begins to wait for it, and is stored afterwards, once."""

import os
import threading
from collections import Counter
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import func, make_url, select

from app import database
from app.clicks import ingest, pace
from app.clicks.bulk import insert_new
from app.clicks.ingest import Ingester
from app.clicks.models import Click, DailyVisitor
from tests.e2e.processes import eventually
from tests.integration.clicks.conftest import Finished, click, drain, queries
from tests.integration.clicks.rolled import table

LINES = 2_000
Amid = Callable[[int], list[threading.Thread]]


def queue_of(app: Flask) -> str:
    return f"{make_url(app.config['SQLALCHEMY_DATABASE_URI']).database}-queue"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url  # on PostgreSQL nobody waits for a batch


@pytest.fixture
def found() -> list[int]:
    """How many clicks each of the other writers found, in the order of their turns."""
    return []


@pytest.fixture
def amid(app: Flask, found: list[int], monkeypatch: pytest.MonkeyPatch) -> Amid:
    """Have another writer wait for each of the next so many batches as soon as it has begun."""
    monkeypatch.setattr(pace, "FIRST", LINES)
    with database.writing():
        queue = queue_of(app)
    os.utime(queue, (0, 0))
    store = ingest.store

    def write() -> None:
        with app.app_context(), database.writing() as connection:
            found.append(connection.scalar(select(func.count()).select_from(Click)) or 0)

    def begin(times: int) -> list[threading.Thread]:
        writers: list[threading.Thread] = []

        def stored(*arguments: object) -> None:
            if len(writers) < times:
                os.utime(queue, (0, 0))
                writers.append(threading.Thread(target=write))
                writers[-1].start()
                eventually(database.last_wait)
            store(*arguments)  # type: ignore[arg-type]  # as they came

        monkeypatch.setattr(ingest, "store", stored)
        return writers

    return begin


# `amid` stands before `ingester` in each, which begins with batches of the size that it sets.


def test_who_begins_to_wait_writes_before_a_long_batch_is_stored(
    amid: Amid, ingester: Ingester, finished: Finished, found: list[int]
) -> None:
    path = finished([*(click(str(number)) for number in range(LINES - 1)), b"nonsense\n"])
    writers = amid(1)
    next(ingester.step())
    writers[0].join()
    assert found == [0]
    drain(ingester)
    assert Counter(queries()) == Counter(map(str, range(LINES - 1)))
    assert (path.parent / "quarantine" / f"{path.name}.bad").read_bytes() == b"nonsense\n"


def test_a_batch_given_up_is_stored_next_whoever_waits(
    amid: Amid, ingester: Ingester, finished: Finished, found: list[int]
) -> None:
    finished(click(str(number)) for number in range(LINES))
    writers = amid(2)
    drain(ingester)
    for writer in writers:
        writer.join()
    assert found == [0, LINES]
    assert Counter(queries()) == Counter(map(str, range(LINES)))


def test_looking_who_is_new_gives_way_too(app: Flask) -> None:
    visitors = [("2026-05-01", 1, number) for number in range(LINES)]

    def look() -> None:
        with database.writing() as connection, database.giving_way(connection):
            os.utime(queue_of(app), (0, 0))  # as who waits does
            with insert_new(connection, DailyVisitor.metadata.tables["daily_visitors"], visitors) as new:
                new()

    with pytest.raises(database.GaveWay):
        look()
    assert table(DailyVisitor) == {}
