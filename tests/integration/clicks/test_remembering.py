"""What was remembered of statistics is told as long as it is true, and not for one answer longer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from app import caching, create_app, database
from app.clicks import counts, periods, subjects, versions
from app.clicks.ingest import Ingester
from app.clicks.stats import link_totals, series, stats
from app.clicks.versions import Moment
from app.extensions import db
from config import load
from tests.integration.clicks.conftest import AT, Finished, drain
from tests.integration.clicks.rolled import OWNERS, line, own_links

PERIOD = periods.Period(AT - timedelta(days=1), AT + timedelta(days=1))
LINK, ACCOUNT = subjects.of_link(1, OWNERS[1]), subjects.of_account(OWNERS[1])
Click = Callable[..., None]


@pytest.fixture(autouse=True)
def owned() -> None:
    own_links()


@pytest.fixture
def click(ingester: Ingester, finished: Finished) -> Click:
    """Ingest a click on a connection of the ingester's own."""
    visitors = iter(range(1, 100))

    def ingest(link_id: int = 1) -> None:
        finished([line(next(visitors), link_id=link_id)])
        assert drain(ingester) == 1

    return ingest


@pytest.fixture
def another(app: Flask, settings: dict[str, str]) -> Iterator[Flask]:
    """The application as another process has it: with a cache and connections of its own."""
    process = create_app(load(settings))
    yield process
    with process.app_context():
        db.engine.dispose()


def told(link_id: int = 1) -> list[int]:
    """The clicks of a link, and of its owner's account, by each way there is to read them."""
    link, account = subjects.of_link(link_id, OWNERS[link_id]), subjects.of_account(OWNERS[link_id])
    try:
        return [
            stats(link, PERIOD).totals.clicks,
            sum(entry.clicks for entry in stats(link, PERIOD).top["browsers"]),
            sum(bucket.counts.clicks for bucket in series(link, PERIOD)),
            link_totals({link_id: OWNERS[link_id]})[link_id].total,
            stats(account, PERIOD).totals.clicks,
            sum(entry.clicks for entry in stats(account, PERIOD).top["browsers"]),
        ]
    finally:
        db.session.remove()  # a request of its own


@contextmanager
def roll_ups_read() -> Iterator[list[str]]:
    """The statements on roll-ups."""
    seen: list[str] = []

    def note(*args: Any) -> None:
        if "click_" in args[2] or "account_" in args[2]:
            seen.append(args[2])

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def test_what_was_read_is_not_read_again(click: Click) -> None:
    click()
    with roll_ups_read() as first:
        once = told()
    with roll_ups_read() as second:
        assert told() == once == [1] * 6
    assert (len(first), second) == (5, [])  # the series is the statistics' own


def test_next_answer_tells_of_a_click_in_every_process(click: Click, another: Flask) -> None:
    for number in range(5):
        assert told() == [number] * 6
        with another.app_context():
            assert told() == [number] * 6
        click()


def test_without_the_version_it_would_be_told_wrongly(click: Click, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    monkeypatch.setattr(versions, "moment", lambda owners: Moment(sorted(owners), "the same"))
    assert told() == [0] * 6
    click()
    assert told() == [0] * 6


def test_clicks_of_others_cost_nothing(click: Click) -> None:
    click()
    told()
    click(link_id=3)
    with roll_ups_read() as seen:
        assert told() == [1] * 6
    assert seen == []


def test_a_click_on_one_link_renews_its_whole_account(click: Click) -> None:
    assert told()[-2:] == [0, 0]
    click(link_id=2)
    assert told() == [0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_click_that_comes_while_somebody_reads_shows_in_the_next_answer(
    click: Click, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Between the version and the roll-ups, or between the roll-ups and the end of the request."""
    read = counts.between

    def between(*args: Any) -> Any:
        monkeypatch.setattr(counts, "between", read)
        if when == "before":
            click()
        found = read(*args)
        if when == "after":
            click()
        return found

    monkeypatch.setattr(counts, "between", between)
    database.make_read_only(db.session())  # as GET does
    assert stats(LINK, PERIOD).totals.clicks in (0, 1)
    db.session.remove()
    assert told() == [1] * 6


def test_had_the_version_been_asked_for_last_it_would_be_told_wrongly(click: Click) -> None:
    """The control: a value of before a click, remembered under the version of after it."""
    found = counts.between(LINK, [PERIOD.start, PERIOD.end])
    db.session.remove()
    click()
    late = versions.moment([OWNERS[1]])
    late.read("counts", ["link_id", 1, [PERIOD.start, PERIOD.end]], lambda: [found[0][0]])
    assert late.read("counts", ["link_id", 1, [PERIOD.start, PERIOD.end]], lambda: [1]) == [0]


def test_versions_never_come_back(click: Click) -> None:
    """Not even where the rows do, as those of a backup."""
    seen = set()
    for _ in range(4):
        with db.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM stats_versions")
        click()
        seen.add(versions.moment([OWNERS[1]]).version)
        db.session.remove()
    assert len(seen) == 4


def test_the_whole_account_is_not_the_link_of_the_same_number(click: Click) -> None:
    click()
    link, account = subjects.of_link(OWNERS[1], OWNERS[1]), ACCOUNT
    assert [stats(one, PERIOD).totals.clicks for one in (link, account)] == [0, 1]


def test_there_is_one_cache_for_each_application(app: Flask, another: Flask) -> None:
    with another.app_context():
        theirs = caching.cache()
    assert caching.cache() is not theirs
