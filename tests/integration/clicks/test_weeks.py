"""Facets of weeks that are over: what is told is what the days add up to, whatever was summed, and whoever was at it
meanwhile. On both engines."""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import event, insert, text

from app import database
from app.clicks import facets, handover, subjects, summing
from app.clicks.accounting import Accounting
from app.clicks.batch import batch_of
from app.clicks.countries import countries
from app.clicks.facets import DIMENSIONS
from app.clicks.ingest import Ingester
from app.clicks.models import AccountFacet, AccountFacetWeek, ClickFacet, ClickFacetWeek, SummedWeeks
from app.clicks.periods import Period
from app.clicks.store import store
from app.clicks.subjects import ACCOUNT_FACETS, LINK_FACETS, Subject
from app.clicks.summing import sum_weeks
from app.clicks.verifying import verify
from app.extensions import db
from tests.integration.clicks.conftest import Finished, drain
from tests.integration.clicks.rolled import OWNERS, line, own_links, table

NOW = datetime(2026, 5, 26, 12, tzinfo=UTC)  # a Tuesday
MONDAY = date(2026, 5, 25)
"""Up to which all is over."""
DAYS = 60
DAY = timedelta(days=1)
HELD_UP = 0.3  # seconds


@pytest.fixture(autouse=True)
def now(context: None) -> Iterator[None]:
    own_links()
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summing, "_ROWS", 40)
    monkeypatch.setattr(summing, "_TRANSACTIONS", 1)
    monkeypatch.setattr(summing, "_TURN", 0)


def at(days_ago: int) -> datetime:
    return NOW - days_ago * DAY


def store_days(chance: random.Random) -> None:
    """Facets of links 1 to 3 on some of the last days, of their accounts, and of a link that nobody owns."""
    of_links: Counter[tuple[int, date, str, str]] = Counter()
    for _ in range(900):
        link_id = chance.choices([1, 2, 3, 99], [10, 1, 1, 1])[0]
        day = at(chance.randrange(DAYS)).date()
        of_links[link_id, day, chance.choice(["referrer", "os"]), chance.choice("abcdefgh")] += 1
    of_accounts: Counter[tuple[int, date, str, str]] = Counter()
    for (link_id, *rest), clicks in of_links.items():
        if link_id in OWNERS:
            of_accounts[OWNERS[link_id], *rest] += clicks
    with database.writing() as connection:
        for model, rows in ((ClickFacet, of_links), (AccountFacet, of_accounts)):
            names = [column.name for column in model.__table__.columns]
            values = [dict(zip(names, (*key, clicks), strict=True)) for key, clicks in rows.items()]
            connection.execute(insert(model), values)


def added_up(subject: Subject, first: date, last: date, dimension: str) -> list[tuple[str, int]]:
    """The same from the days, without SQL."""
    found: Counter[str] = Counter()
    for (whose, day, of, value), (clicks,) in table(
        ClickFacet if subject.facets is LINK_FACETS else AccountFacet
    ).items():
        if (whose, of) == (subject.id, dimension) and first <= day <= last:
            found[value] += clicks
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))


def told(subject: Subject, first: date, last: date, name: str) -> list[tuple[str, int]]:
    """By both readers, which must agree."""
    period = Period(datetime.combine(first, time(), UTC), datetime.combine(last + DAY, time(), UTC))
    every = [(entry.value, entry.clicks) for entry in facets.every(subject, period, name)]
    top = [(entry.value, entry.clicks) for entry in facets.top(subject, period, 100)[name]]
    db.session.remove()
    assert every == top
    return every


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_is_summed_each_range_tells_the_sum_of_its_days(seed: int) -> None:
    chance = random.Random(seed)
    store_days(chance)
    of_all = [subjects.of_link(link_id, 10) for link_id in (1, 2, 3)]
    of_all += [subjects.of_account(owner_id) for owner_id in (10, 11)]
    steps, done = 0, False
    while not done:
        done = sum_weeks()
        steps += 1
        for subject in chance.sample(of_all, 3):
            first = at(chance.randrange(DAYS + 5)).date()
            last = first + chance.randrange(DAYS) * DAY
            name = chance.choice(["referrers", "os"])
            assert told(subject, first, last, name) == added_up(subject, first, last, DIMENSIONS[name])
    assert steps > 20
    assert verify((NOW + DAY).date()).differences == []
    assert {row[1:] for row in table(SummedWeeks).values()} == {(MONDAY,) * 3}
    assert {week for _, week, *_ in table(ClickFacetWeek)} == {MONDAY - n * 7 * DAY for n in range(1, 10)}


def test_a_long_range_reads_weeks_and_days_around_them() -> None:
    with database.writing() as connection:
        for model, name in ((ClickFacet, "day"), (ClickFacetWeek, "week")):
            monday = MONDAY - 7 * DAY
            row = {"link_id": 1, name: monday, "dimension": "os", "value": name, "clicks": 7}
            connection.execute(insert(model), row)
        state = {"subject_id": 0, "passed": MONDAY, "here": MONDAY, "ahead": MONDAY}
        connection.execute(insert(SummedWeeks), {"facets": "click_facets", **state})
    link = subjects.of_link(1, 10)
    assert told(link, MONDAY - 7 * DAY, MONDAY - DAY, "os") == [("week", 7)]
    assert told(link, MONDAY - 20 * DAY, MONDAY + 6 * DAY, "os") == [("week", 7)]
    assert told(link, MONDAY - 8 * DAY, MONDAY - 2 * DAY, "os") == [("day", 7)]
    assert told(link, MONDAY - 7 * DAY, MONDAY - 2 * DAY, "os") == [("day", 7)]


def test_a_week_is_summed_once_a_day_has_passed_since_it_ended_and_not_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store_days(random.Random(4))
    with time_machine.travel(datetime(2026, 5, 25, 23, 59, tzinfo=UTC), tick=False):
        while not sum_weeks():
            pass
        assert max(week for _, week, *_ in table(ClickFacetWeek)) == MONDAY - 14 * DAY
    while not sum_weeks():
        pass
    before = table(ClickFacetWeek)
    assert max(week for _, week, *_ in before) == MONDAY - 7 * DAY
    monkeypatch.setattr(database, "writing", None)  # nobody waits for it for nothing
    assert sum_weeks()
    assert table(ClickFacetWeek) == before


def test_a_worker_whose_clock_is_behind_takes_no_week_back_that_another_summed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other comes between its first look and its turn to write."""
    store_days(random.Random(11))
    writing = database.writing

    def late() -> Any:
        monkeypatch.setattr(database, "writing", writing)
        with time_machine.travel(NOW, tick=False):
            while not sum_weeks():
                pass
        return writing()

    monkeypatch.setattr(database, "writing", late)
    with time_machine.travel(NOW - 7 * DAY, tick=False):
        sum_weeks()
    assert {row[1:] for row in table(SummedWeeks).values()} == {(MONDAY,) * 3}
    assert _wrong_weeks() == []


def test_a_step_that_is_cut_off_leaves_nothing_and_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store_days(random.Random(5))
    sum_weeks()
    before = table(ClickFacetWeek), table(SummedWeeks)
    with monkeypatch.context() as cut:
        cut.setattr(summing, "_keep", None)
        with pytest.raises(TypeError):
            sum_weeks()
    assert (table(ClickFacetWeek), table(SummedWeeks)) == before
    while not sum_weeks():
        pass
    assert verify((NOW + DAY).date()).differences == []


def test_a_subject_without_end_is_summed_a_few_weeks_at_a_time() -> None:
    store_days(random.Random(6))
    there = []
    while not sum_weeks():
        there += [row for row in table(SummedWeeks).values() if row[0] == 1]
    _, passed, _, ahead = there[0]
    assert {row[2] for row in there} >= {MONDAY - 7 * n * DAY for n in range(3, 6)}
    assert (passed, ahead) == (MONDAY, date.min)


def late_lines(chance: random.Random, number: int) -> list[bytes]:
    return [
        line(
            chance.randrange(1, 2**60),
            link_id=chance.randrange(1, 5),
            at=at(chance.randrange(40)),
            referrer=f"https://{chance.randrange(6)}.example/",
        )
        for _ in range(number)
    ]


def test_late_lines_are_added_to_the_weeks_of_whom_the_pass_has_come_to(
    ingester: Ingester, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summing, "_ROWS", 150)
    chance = random.Random(7)
    done = False
    while not done:
        finished(late_lines(chance, 30))
        drain(ingester)
        done = sum_weeks()
        assert verify().differences == []
    before = table(ClickFacetWeek)
    finished(late_lines(chance, 30))
    drain(ingester)
    assert verify().differences == []
    assert table(ClickFacetWeek) != before


def test_a_step_waits_for_a_batch_that_is_being_stored(app: Flask) -> None:
    """Else it would miss the lines of a week that the batch takes for not summed."""
    entry = Accounting().enter(batch_of(late_lines(random.Random(8), 20), countries()))

    def elsewhere() -> None:
        with app.app_context():
            while not sum_weeks():
                pass

    worker = threading.Thread(target=elsewhere)
    with database.writing() as connection:
        store(connection, entry, lambda: None)
        worker.start()
        worker.join(HELD_UP)
        assert worker.is_alive()
    worker.join(10)
    assert not worker.is_alive()
    assert table(ClickFacetWeek)
    assert [one for one in verify().differences if one.when.startswith("the week")] == []


def test_two_workers_sum_beside_two_ingesters(app: Flask, finished: Finished) -> None:
    """Each with its own late lines, in any order that there is."""
    failures: list[BaseException] = []
    rounds = 15

    def elsewhere(work: Any) -> None:
        try:
            with app.app_context():
                for _ in range(rounds):
                    work()
        except BaseException as error:
            failures.append(error)

    def stored(seed: int) -> Any:
        accounting, chance = Accounting(), random.Random(seed)

        def batch() -> None:
            entry = accounting.enter(batch_of(late_lines(chance, 20), countries()))
            with database.writing() as connection:
                store(connection, entry, lambda: None)

        return batch

    works = [stored(1), stored(2), sum_weeks, sum_weeks]
    threads = [threading.Thread(target=elsewhere, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert table(ClickFacetWeek)
    assert _wrong_weeks() == []


def _wrong_weeks() -> list[Any]:
    return [one for one in verify((NOW + DAY).date()).differences if one.when.startswith("the week")]


@pytest.mark.parametrize("steps", [0, 2, 3, 4, 5, 40])
def test_links_handed_over_before_amid_and_after_a_pass_take_their_weeks_along(
    monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    monkeypatch.setattr(summing, "_ROWS", 150)
    chance = random.Random(steps)
    store_days(chance)
    old, heir = chance.sample([10, 11], 2)
    with monkeypatch.context() as cut:
        cut.setattr(summing, "LINK_FACETS", ACCOUNT_FACETS)
        for _ in range(steps):
            sum_weeks()
    handover.close_account(old, links_to=f"usr_{heir}")
    db.session.commit()
    assert verify((NOW + DAY).date()).differences == []
    while not sum_weeks():
        pass
    assert verify((NOW + DAY).date()).differences == []
    assert {owner for owner, *_ in table(AccountFacetWeek)} == {heir}


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE click_facet_weeks SET clicks = clicks + 1",
        "UPDATE account_facet_weeks SET value = 'z' WHERE value = 'a'",
        "DELETE FROM click_facet_weeks WHERE value = 'a'",
        "UPDATE summed_weeks SET passed = '2026-05-11', here = '2026-05-11', ahead = '2026-05-11'",
    ],
)
def test_verify_names_a_week_that_is_not_the_sum_of_its_days(app: Flask, damage: str) -> None:
    store_days(random.Random(9))
    while not sum_weeks():
        pass
    with database.writing() as connection:
        connection.execute(text(damage))
    found = _wrong_weeks()
    assert found
    kind = "account usr_1" if "account" in damage else "link "
    assert {one.whose[: len(kind)] for one in found if "summed" not in damage} <= {kind}
    assert found[0].what.split()[0] in {"referrer", "os"}
    result = app.test_cli_runner().invoke(args=["clicks", "verify"])
    assert f"{found[0].whose}, the week of 2026-0" in result.output


def test_steps_seek_by_key_and_read_no_history() -> None:
    """A row for each link and day that there ever was."""
    sent: list[tuple[str, Any]] = []
    store_days(random.Random(10))
    event.listen(db.engine, "before_cursor_execute", lambda *args: sent.append((args[2], args[3])))
    while not sum_weeks():
        pass
    asked = {
        statement: values for statement, values in sent if "_facets" in statement and "FROM" in statement
    }
    assert len(asked) > 5
    with database.writing() as connection:
        for statement, values in asked.items():
            plan = _plan(connection, statement, values)
            assert "_facets" in plan or "SEARCH" in plan, plan
            assert "SCAN click_facets" not in plan and "SCAN account_facets" not in plan, plan
            assert "Seq Scan on click_facets" not in plan and "Seq Scan on account_facets" not in plan, plan
            assert "Index Cond: ((day" not in plan, plan  # all of the index


def _plan(connection: Any, statement: str, values: Any) -> str:
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        return "\n".join(str(row[3]) for row in rows)
    connection.execute(text("SET LOCAL enable_seqscan = off"))  # in so small a table it would be the fastest
    return "\n".join(str(row[0]) for row in connection.exec_driver_sql(f"EXPLAIN {statement}", values))
