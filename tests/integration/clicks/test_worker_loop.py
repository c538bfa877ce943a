"""The worker's loop: it ingests, does its chores, survives what fails, and stops when told."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from flask import Flask, current_app
from prometheus_client import REGISTRY
from sqlalchemy import select, text
from structlog.testing import capture_logs

from app import clock, database
from app.audit import circumstances
from app.audit.circumstances import Circumstances
from app.clicks import pace
from app.clicks.countries import countries
from app.clicks.ingest import Ingester
from app.clicks.models import DayKey
from app.clicks.recorder import Visit, recorder
from app.clicks.stats import link_totals
from app.clicks.worker import Chore, run_worker
from app.extensions import db
from tests.e2e.processes import PATIENCE, eventually
from tests.integration.clicks.conftest import FIREFOX, Finished, click, queries
from tests.integration.clicks.rolled import OWNERS, own_links
from tests.stopwatch import stopwatch

BATCH = 300
"""Lines in a batch, where a test needs several."""
StartWorker = Callable[..., Callable[[], None]]


@pytest.fixture
def start_worker(app: Flask) -> Iterator[StartWorker]:
    """Run a worker in a thread; what is returned stops it and waits for its end."""
    stops: list[Callable[[], None]] = []

    def start(chores: Sequence[Chore] = ()) -> Callable[[], None]:
        told = threading.Event()

        def work() -> None:
            with app.app_context():
                run_worker(told, chores)

        def stop() -> None:
            told.set()
            thread.join(PATIENCE)
            assert not thread.is_alive()

        thread = threading.Thread(target=work)
        thread.start()
        stops.append(stop)
        return stop

    yield start
    for stop in stops:
        stop()


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    for bound in ("LEAST", "MOST"):
        monkeypatch.setattr(pace, bound, BATCH)


def test_a_click_shows_in_the_totals_within_two_seconds(start_worker: StartWorker) -> None:
    own_links()
    start_worker()
    for number in range(1, 4):
        with stopwatch() as taken:
            recorder().record(1, "click", Visit("193.99.144.7", user_agent=FIREFOX), clock.now())
            eventually(lambda expected=number: fresh_humans() == expected)
            assert taken() < 2


def fresh_humans() -> int:
    with current_app.app_context():
        return link_totals({1: OWNERS[1]})[1].humans


@pytest.mark.usefixtures("small_batches")
def test_a_backlog_of_several_batches_is_drained(start_worker: StartWorker, finished: Finished) -> None:
    path = finished(click(str(number)) for number in range(3500))
    start_worker()
    eventually(lambda: not path.exists())
    assert len(queries()) == 3500


@pytest.mark.usefixtures("small_batches")
def test_other_writers_get_their_turn_beside_a_backlog(start_worker: StartWorker, finished: Finished) -> None:
    batches = 15
    path = finished(click(str(number)) for number in range(batches * BATCH))
    start_worker()
    eventually(queries)
    turns = 0
    while path.exists():
        with database.writing() as connection:
            connection.execute(text("DELETE FROM day_keys"))
        turns += 1
    assert turns > batches


def test_chores_are_done_at_once_and_then_in_their_own_time(start_worker: StartWorker) -> None:
    often: list[float] = []
    once: list[float] = []
    start_worker(
        [
            Chore("often", 0.2, lambda: often.append(time.monotonic())),
            Chore("once", 3600, lambda: once.append(time.monotonic())),
        ]
    )
    eventually(lambda: len(often) >= 4)
    assert len(once) == 1
    assert min(later - earlier for earlier, later in pairwise(often)) >= 0.2


def test_a_chore_that_fails_stops_nothing_else(start_worker: StartWorker, finished: Finished) -> None:
    done: list[int] = []

    def fail() -> None:
        done.append(0)
        raise RuntimeError("no")

    with capture_logs() as logs:
        start_worker([Chore("failing", 0.1, fail), Chore("good", 0.1, lambda: done.append(1))])
        finished([click("a")])
        eventually(lambda: queries() == ["a"] and done.count(0) > 2 and done.count(1) > 2)
    failures = [entry for entry in logs if entry["event"] == "chore failed"]
    assert {entry["chore"] for entry in failures} == {"failing"}
    assert (REGISTRY.get_sample_value("slugline_chore_failures_total", {"chore": "failing"}) or 0) > 2


def test_each_chore_has_a_session_of_its_own(start_worker: StartWorker) -> None:
    seen: list[object] = []

    def chore() -> None:
        db.session.execute(select(DayKey))
        assert not any(db.session() is other for other in seen)
        seen.append(db.session())

    start_worker([Chore("one", 0.05, chore)])
    eventually(lambda: len(seen) >= 3)


def test_each_chore_acts_for_itself(start_worker: StartWorker) -> None:
    """Who acts in one is not taken for who acts in the next."""
    told: list[str | None] = []
    start_worker(
        [
            Chore("another's", 3600, lambda: circumstances.begin(Circumstances("usr_somebody"))),
            Chore("own", 3600, lambda: told.append(circumstances.current().actor)),
        ]
    )
    eventually(lambda: told)
    assert told == [circumstances.SYSTEM]


def test_ingest_goes_on_when_the_database_is_back(start_worker: StartWorker, finished: Finished) -> None:
    with database.writing() as connection:
        connection.execute(text("ALTER TABLE click_counts RENAME TO gone"))
    with capture_logs() as logs:
        start_worker()
        finished([click("a")])
        eventually(lambda: [entry["event"] for entry in logs].count("ingest failed; trying again") >= 2)
    with database.writing() as connection:
        connection.execute(text("ALTER TABLE gone RENAME TO click_counts"))
    eventually(queries)
    assert queries() == ["a"]


def test_a_second_worker_stands_by_and_takes_over(
    start_worker: StartWorker, finished: Finished, spool_dir: Path
) -> None:
    done: list[int] = []
    with Ingester(spool_dir, countries()):
        start_worker([Chore("chore", 0.1, lambda: done.append(1))])
        finished([click("a")])
        eventually(lambda: len(done) >= 2)
        assert queries() == []
    eventually(queries)
    assert queries() == ["a"]


@pytest.mark.usefixtures("small_batches")
def test_a_worker_told_to_stop_leaves_amid_a_backlog(start_worker: StartWorker, finished: Finished) -> None:
    path = finished(click(str(number)) for number in range(20_000))
    stop = start_worker()
    eventually(queries)
    with stopwatch() as taken:
        stop()
        assert taken() < 2
    assert path.exists()
    assert len(queries()) % BATCH == 0
