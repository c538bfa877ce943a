"""Weeks that are over, in coarse grain: what is told is what the fine rows add up to, whatever was summed, and
whoever was at it meanwhile. On both engines."""

import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import event, insert, text

from app import database
from app.clicks import counts, facets, handover, periods, subjects, summing, weeks
from app.clicks.accounting import Accounting
from app.clicks.batch import batch_of
from app.clicks.countries import countries
from app.clicks.facets import DIMENSIONS
from app.clicks.ingest import Ingester
from app.clicks.models import (
    AccountCount,
    AccountFacet,
    AccountFacetWeek,
    AccountHour,
    ClickCount,
    ClickFacet,
    ClickFacetWeek,
    ClickHour,
    SummedWeeks,
)
from app.clicks.periods import QUARTER, Period
from app.clicks.stats import fresh_totals
from app.clicks.store import store
from app.clicks.subjects import ACCOUNT_COUNTS, ACCOUNT_FACETS, LINK_COUNTS, LINK_FACETS, Subject
from app.clicks.summing import sum_weeks
from app.clicks.verifying import verify
from app.clicks.versions import of_everybody
from app.extensions import db
from tests.integration.clicks.conftest import CURL, FIREFOX, Finished, drain
from tests.integration.clicks.rolled import Table, line, own_links, table

NOW = datetime(2026, 5, 26, 12, tzinfo=UTC)  # a Tuesday
MONDAY = date(2026, 5, 25)
"""Up to which all is over."""
DAYS = 60  # in which clocks change in Berlin and on Lord Howe
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
HELD_UP = 0.3  # seconds
ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe")


@pytest.fixture(autouse=True)
def now(context: None) -> Iterator[None]:
    own_links()
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summing, "_ROWS", 150)
    monkeypatch.setattr(summing, "_TRANSACTIONS", 1)
    monkeypatch.setattr(summing, "_TURN", 0)


def lines(chance: random.Random, number: int, days: int = DAYS) -> list[bytes]:
    """Of links 1 to 3, the first the busiest, and of one that nobody owns, on some of the last days."""
    return [
        line(
            chance.randrange(1, 60),
            link_id=chance.choices([1, 2, 3, 99], [10, 2, 2, 1])[0],
            at=NOW - chance.randrange(days) * DAY - chance.randrange(96) * QUARTER,
            referrer=f"https://{chance.randrange(6)}.example/",
            user_agent=chance.choice([FIREFOX, FIREFOX, CURL]),
        )
        for _ in range(number)
    ]


def store_lines(chance: random.Random, number: int, days: int = DAYS) -> None:
    accounting = Accounting()
    with database.writing() as connection:
        accounting.forget_owners(of_everybody(connection))
    entry = accounting.enter(batch_of(lines(chance, number, days), countries()))
    with database.writing() as connection:
        store(connection, entry, lambda: None)


def sum_all() -> None:
    while not sum_weeks():
        pass


def wrong(since: datetime = NOW + DAY) -> list[Any]:
    """What the two grains differ in; with `since`, what anything differs in."""
    return list(verify(since.date()).differences)


def kinds(subject: Subject) -> tuple[Any, Any]:
    return (AccountCount, AccountFacet) if subject.counts is ACCOUNT_COUNTS else (ClickCount, ClickFacet)


class Told:
    """What is told of a period, by the fine rows, without SQL, and by the readers."""

    def __init__(self) -> None:
        models = (ClickCount, ClickFacet, AccountCount, AccountFacet)
        self._tables: dict[Any, Table] = {model: table(model) for model in models}

    def check_facets(self, subject: Subject, first: date, last: date, name: str) -> None:
        found: Counter[str] = Counter()
        for (whose, day, of, value), (clicks,) in self._tables[kinds(subject)[1]].items():
            if (whose, of) == (subject.id, DIMENSIONS[name]) and first <= day <= last:
                found[value] += clicks
        expected = sorted(found.items(), key=lambda item: (-item[1], item[0]))
        assert by_value(subject, first, last, name) == expected

    def check_counts(self, subject: Subject, bounds: Sequence[datetime]) -> None:
        found = [[0, 0, 0] for _ in bounds[1:]]
        for (whose, quarter), (humans, bots, _, uniques, _) in self._tables[kinds(subject)[0]].items():
            if whose == subject.id and bounds[0] <= quarter < bounds[-1]:
                place = sum(bound <= quarter for bound in bounds) - 1
                found[place] = [a + b for a, b in zip(found[place], (humans, bots, uniques), strict=True)]
        assert sums(subject, bounds) == found


def by_value(subject: Subject, first: date, last: date, name: str) -> list[tuple[str, int]]:
    """By both readers, which must agree."""
    period = Period(datetime.combine(first, time(), UTC), datetime.combine(last + DAY, time(), UTC))
    every = [(entry.value, entry.clicks) for entry in facets.every(subject, period, name)]
    top = [(entry.value, entry.clicks) for entry in facets.top(subject, period, 100)[name]]
    db.session.remove()
    assert every == top
    return every


def sums(subject: Subject, bounds: Sequence[datetime]) -> list[list[int]]:
    found = counts.between(subject, bounds)
    db.session.remove()
    return found


def total(link_id: int) -> int:
    found = fresh_totals([link_id])[link_id].total
    db.session.remove()
    return found


def some_bounds(chance: random.Random) -> list[datetime]:
    """Those of a series of steps of some zone, sometimes with the period before."""
    interval, zone = chance.choice(periods.INTERVALS), periods.zone(chance.choice(ZONES))
    start = NOW - chance.randrange(20, DAYS * 96) * QUARTER
    length = chance.choice([20 * DAY, DAYS * DAY]) if interval != "hour" else 9 * DAY
    period = Period(start, start + max(QUARTER, chance.randrange(length // QUARTER) * QUARTER))
    earlier = [periods.before(period, zone).start] if chance.random() < 0.5 else []
    return [*earlier, period.start, *periods.starts(period, interval, zone)[1:], period.end]


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_is_summed_each_range_tells_the_sum_of_its_fine_rows(seed: int) -> None:
    chance = random.Random(seed)
    store_lines(chance, 300)
    told = Told()
    of_all = [subjects.of_link(link_id, 10) for link_id in (1, 2, 3)]
    of_all += [subjects.of_account(owner_id) for owner_id in (10, 11)]
    steps, done = 0, False
    while not done:
        done = sum_weeks()
        steps += 1
        for subject in chance.sample(of_all, 2):
            first = (NOW - chance.randrange(DAYS + 5) * DAY).date()
            told.check_facets(
                subject, first, first + chance.randrange(DAYS) * DAY, chance.choice(["referrers", "os"])
            )
            told.check_counts(subject, some_bounds(chance))
    assert steps > 10
    assert wrong() == []
    assert {row[1:] for row in table(SummedWeeks).values()} == {(MONDAY,) * 3}
    assert max(week for _, week, *_ in table(ClickFacetWeek)) == MONDAY - 7 * DAY
    assert len(table(ClickHour)) < len(table(ClickCount)) and table(AccountHour)
    of_link = [row for (link_id, _), row in table(ClickCount).items() if link_id == 1]
    assert total(1) == sum(humans + bots for humans, bots, *_ in of_link)


def summed_until(monday: date, roll_up: str) -> None:
    state = {"subject_id": 0, "passed": monday, "here": monday, "ahead": monday}
    with database.writing() as connection:
        connection.execute(insert(SummedWeeks), {"facets": roll_up, **state})


def test_a_long_range_reads_weeks_and_days_around_them() -> None:
    with database.writing() as connection:
        for model, name in ((ClickFacet, "day"), (ClickFacetWeek, "week")):
            monday = MONDAY - 7 * DAY
            row = {"link_id": 1, name: monday, "dimension": "os", "value": name, "clicks": 7}
            connection.execute(insert(model), row)
    summed_until(MONDAY, "click_facets")
    link = subjects.of_link(1, 10)
    assert by_value(link, MONDAY - 7 * DAY, MONDAY - DAY, "os") == [("week", 7)]
    assert by_value(link, MONDAY - 20 * DAY, MONDAY + 6 * DAY, "os") == [("week", 7)]
    assert by_value(link, MONDAY - 8 * DAY, MONDAY - 2 * DAY, "os") == [("day", 7)]
    assert by_value(link, MONDAY - 7 * DAY, MONDAY - 2 * DAY, "os") == [("day", 7)]


def test_a_range_reads_hours_that_are_summed_and_that_no_bound_cuts() -> None:
    """Four clicks in each of two hours by their quarters, a hundred by the hours; in the first a week begins in India
    and Nepal. And one click just after what is summed."""
    first, second = datetime(2026, 5, 17, 18, tzinfo=UTC), datetime(2026, 5, 20, 12, tzinfo=UTC)
    after = datetime.combine(MONDAY, time(), UTC)
    quarters = [hour + number * QUARTER for hour in (first, second) for number in range(4)]
    with database.writing() as connection:
        for quarter in (*quarters, after):
            connection.execute(insert(ClickCount), {"link_id": 1, "quarter": quarter, "humans": 1})
        for hour in (first, second):
            connection.execute(insert(ClickHour), {"link_id": 1, "hour": hour, "humans": 100})
    summed_until(MONDAY, "click_counts")

    link = subjects.of_link(1, 10)

    def told(interval: periods.Interval, zone: str) -> int:
        period = Period(second - 20 * DAY, second + 2 * DAY)
        starts = periods.starts(period, interval, periods.zone(zone))
        found = sums(link, [period.start, *starts[1:], period.end])
        return sum(humans for humans, _, _ in found)

    assert [told("week", zone) for zone in ("UTC", "Asia/Kolkata", "Asia/Kathmandu")] == [200, 104, 104]
    assert [told("hour", zone) for zone in ("UTC", "Asia/Kolkata")] == [200, 8]
    assert sums(link, [first + QUARTER, first + HOUR, first + 2 * HOUR]) == [[3, 0, 0], [0, 0, 0]]
    assert sums(link, [second - HOUR, second, second + 2 * QUARTER]) == [[0, 0, 0], [2, 0, 0]]
    assert total(1) == 201
    with database.writing() as connection:
        connection.execute(
            text("UPDATE summed_weeks SET ahead = '2026-05-18', here = '2026-05-18', subject_id = 1")
        )
    assert [told(interval, "UTC") for interval in ("week", "hour")] == [104, 104]
    assert sums(link, [second + QUARTER, second + HOUR, second + 2 * HOUR]) == [[3, 0, 0], [0, 0, 0]]
    assert total(1) == 105


def test_a_week_is_summed_once_a_day_has_passed_since_it_ended_and_not_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store_lines(random.Random(4), 150)
    with time_machine.travel(datetime(2026, 5, 25, 23, 59, tzinfo=UTC), tick=False):
        sum_all()
        assert max(week for _, week, *_ in table(ClickFacetWeek)) == MONDAY - 14 * DAY
    sum_all()
    before = table(ClickFacetWeek)
    assert max(week for _, week, *_ in before) == MONDAY - 7 * DAY
    monkeypatch.setattr(database, "writing", None)  # nobody waits for it for nothing
    assert sum_weeks()
    assert table(ClickFacetWeek) == before


def test_a_worker_whose_clock_is_behind_takes_no_week_back_that_another_summed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other comes between its first look and its turn to write."""
    store_lines(random.Random(11), 150)
    writing = database.writing

    def late() -> Any:
        monkeypatch.setattr(database, "writing", writing)
        with time_machine.travel(NOW, tick=False):
            sum_all()
        return writing()

    monkeypatch.setattr(database, "writing", late)
    with time_machine.travel(NOW - 7 * DAY, tick=False):
        sum_weeks()
    assert {row[1:] for row in table(SummedWeeks).values()} == {(MONDAY,) * 3}
    assert wrong() == []


def test_a_step_that_is_cut_off_leaves_nothing_and_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store_lines(random.Random(5), 100)
    monkeypatch.setattr(summing, "ALL", (LINK_COUNTS,))
    sum_weeks()
    before = table(ClickHour), table(SummedWeeks)
    with monkeypatch.context() as cut:
        cut.setattr(summing, "_keep", None)
        with pytest.raises(TypeError):
            sum_weeks()
    assert (table(ClickHour), table(SummedWeeks)) == before
    sum_all()
    assert wrong() == []


def test_a_subject_without_end_is_summed_a_few_weeks_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summing, "_ROWS", 40)
    store_lines(random.Random(6), 150)
    there: dict[str, list[Any]] = {"click_facets": [], "click_counts": []}
    while not sum_weeks():
        for (name,), row in table(SummedWeeks).items():
            if name in there and row[0] == 1:
                there[name].append(row)
    for rows in there.values():
        _, passed, _, ahead = rows[0]
        assert len({row[2] for row in rows} - {MONDAY, date.min}) > 1
        assert (passed, ahead) == (MONDAY, date.min)


def test_late_lines_are_added_to_the_weeks_of_whom_the_pass_has_come_to(
    ingester: Ingester, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Visitors come again: whether a late click is unique is known in the transaction only."""
    monkeypatch.setattr(summing, "_ROWS", 400)
    chance = random.Random(7)
    done = False
    while not done:
        finished(lines(chance, 40, 40))
        drain(ingester)
        done = sum_weeks()
        assert wrong(NOW - DAYS * DAY) == []
    before = table(ClickFacetWeek), table(ClickHour), table(AccountHour)
    finished(lines(chance, 30, 40))
    drain(ingester)
    assert wrong(NOW - DAYS * DAY) == []
    after = table(ClickFacetWeek), table(ClickHour), table(AccountHour)
    assert all(old != new for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize("late", [{"user_agent": CURL}, {"visitor": None}])
def test_a_late_line_that_adds_to_no_facet_is_added_to_its_hour(
    ingester: Ingester, finished: Finished, late: dict[str, Any]
) -> None:
    store_lines(random.Random(12), 100)
    sum_all()
    finished([line(**late, at=NOW - 20 * DAY)])
    drain(ingester)
    assert wrong() == []


def test_late_rows_go_in_the_order_of_their_keys() -> None:
    """What keeps ingesters of several hosts from deadlocks."""
    store_lines(random.Random(13), 100)
    sum_all()
    entry = Accounting().enter(batch_of(lines(random.Random(14), 300), countries()))
    with database.reading() as connection:
        late = weeks.late(connection, entry)
    for gain, grains in (
        (entry.links, (LINK_COUNTS, LINK_FACETS)),
        (entry.accounts, (ACCOUNT_COUNTS, ACCOUNT_FACETS)),
    ):
        for own, rows in zip(grains, (gain.count_rows(), gain.facets), strict=True):
            found = late.of(own, rows)
            assert len(found) > 20
            assert found == sorted(found)


def test_a_step_waits_for_a_batch_that_is_being_stored(app: Flask) -> None:
    """Else it would miss the lines of a week that the batch takes for not summed."""
    entry = Accounting().enter(batch_of(lines(random.Random(8), 20), countries()))

    def elsewhere() -> None:
        with app.app_context():
            sum_all()

    worker = threading.Thread(target=elsewhere)
    with database.writing() as connection:
        store(connection, entry, lambda: None)
        worker.start()
        worker.join(HELD_UP)
        assert worker.is_alive()
    worker.join(10)
    assert not worker.is_alive()
    assert table(ClickFacetWeek) and table(ClickHour)
    assert wrong() == []


def test_two_workers_sum_beside_two_ingesters(app: Flask, finished: Finished) -> None:
    """Each with its own late lines, in any order that there is."""
    failures: list[BaseException] = []
    rounds = 10

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
            entry = accounting.enter(batch_of(lines(chance, 20, 40), countries()))
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
    assert table(ClickFacetWeek) and table(ClickHour)
    assert wrong() == []


@pytest.mark.parametrize("steps", [0, 3, 40])
def test_links_handed_over_before_amid_and_after_a_pass_take_their_weeks_along(
    monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    monkeypatch.setattr(summing, "ALL", (ACCOUNT_COUNTS, ACCOUNT_FACETS))
    chance = random.Random(steps)
    store_lines(chance, 200)
    old, heir = chance.sample([10, 11], 2)
    for _ in range(steps):
        sum_weeks()
    handover.close_account(old, links_to=f"usr_{heir}")
    db.session.commit()
    assert wrong() == []
    sum_all()
    assert wrong() == []
    assert {owner for owner, *_ in [*table(AccountFacetWeek), *table(AccountHour)]} == {heir}


def test_verify_names_a_week_or_an_hour_that_is_not_the_sum_of_its_fine_rows(app: Flask) -> None:
    store_lines(random.Random(9), 150)
    sum_all()
    with database.writing() as connection:
        connection.execute(text("UPDATE summed_weeks SET ahead = '2026-05-11'"))
    assert {one.when[:8] for one in wrong()} == {"the week", "the hour"}
    with database.writing() as connection:
        connection.execute(text("UPDATE summed_weeks SET ahead = passed"))
        for damage in (
            "UPDATE click_facet_weeks SET clicks = clicks + 1",
            "UPDATE account_facet_weeks SET value = 'z' WHERE value = 'Firefox'",
            "UPDATE click_hours SET uniques = uniques + 1",
            "DELETE FROM account_hours WHERE humans > 0",
        ):
            connection.execute(text(damage))
    found = {(one.whose.split()[0], one.when[:8], one.what.split()[-1]) for one in wrong()}
    assert found >= {
        ("link", "the week", "'Firefox'"),
        ("account", "the week", "'Firefox'"),
        ("account", "the week", "'z'"),
        ("link", "the hour", "uniques"),
        ("account", "the hour", "humans"),
    }
    output = app.test_cli_runner().invoke(args=["clicks", "verify"]).output
    assert ", the week of 2026-0" in output and ", the hour from 2026-0" in output


def test_steps_seek_by_key_and_read_no_history() -> None:
    """A row for each link and time that there ever was."""
    sent: list[tuple[str, Any]] = []
    store_lines(random.Random(10), 150)
    event.listen(db.engine, "before_cursor_execute", lambda *args: sent.append((args[2], args[3])))
    sum_all()
    asked = {
        statement: values
        for statement, values in sent
        if "FROM" in statement and ("_facets" in statement or "_counts" in statement)
    }
    assert len(asked) > 10
    with database.writing() as connection:
        for statement, values in asked.items():
            plan = _plan(connection, statement, values)
            assert "_facets" in plan or "_counts" in plan or "SEARCH" in plan, plan
            for name in ("click_facets", "account_facets", "click_counts", "account_counts"):
                assert f"SCAN {name}" not in plan and f"Seq Scan on {name}" not in plan, plan
            assert "Index Cond: ((day" not in plan and "Index Cond: ((quarter" not in plan, (
                plan
            )  # all of the index


def _plan(connection: Any, statement: str, values: Any) -> str:
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        return "\n".join(str(row[3]) for row in rows)
    connection.execute(text("SET LOCAL enable_seqscan = off"))  # in so small a table it would be the fastest
    return "\n".join(str(row[0]) for row in connection.exec_driver_sql(f"EXPLAIN {statement}", values))
