"""What the roll-ups tell of a link, and of an account."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest
from sqlalchemy import event, insert, text

from app import database
from app.clicks import facets, periods, subjects
from app.clicks.counts import Counts
from app.clicks.facets import Entry
from app.clicks.ingest import Ingester
from app.clicks.models import AccountCount, AccountFacet, ClickCount, ClickFacet
from app.clicks.periods import Interval, Period
from app.clicks.stats import Stats, Totals, link_totals, series, stats
from app.extensions import db
from tests.integration.clicks.conftest import CURL, Finished, click, drain

HOUR, DAY, QUARTER = timedelta(hours=1), timedelta(days=1), timedelta(minutes=15)
START = datetime(2026, 4, 30, 22, tzinfo=UTC)  # a Thursday
BERLIN, KOLKATA = periods.zone("Europe/Berlin"), periods.zone("Asia/Kolkata")
CHATHAM, NEW_YORK = periods.zone("Pacific/Chatham"), periods.zone("America/New_York")


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def store_counts(*rows: tuple[datetime, int, int], link_id: int = 1, uniques: int = 0) -> None:
    """Quarters of an hour, with humans and bots."""
    with database.writing() as connection:
        connection.execute(
            insert(ClickCount),
            [
                {"link_id": link_id, **_count(quarter, humans, bots, uniques)}
                for quarter, humans, bots in rows
            ],
        )


def store_account_counts(*rows: tuple[datetime, int, int], owner_id: int = 1) -> None:
    with database.writing() as connection:
        connection.execute(
            insert(AccountCount), [{"owner_id": owner_id, **_count(*row, uniques=0)} for row in rows]
        )


def _count(quarter: datetime, humans: int, bots: int, uniques: int) -> dict[str, Any]:
    return {
        "quarter": quarter,
        "humans": humans,
        "bots": bots,
        "prefetches": 7,
        "uniques": uniques,
        "last_at": quarter,
    }


def store_facets(*rows: tuple[datetime, str, str, int], link_id: int = 1) -> None:
    with database.writing() as connection:
        connection.execute(insert(ClickFacet), [{"link_id": link_id, **_facet(*row)} for row in rows])


def _facet(day: datetime, dimension: str, value: str, clicks: int) -> dict[str, Any]:
    return {"day": day.date(), "dimension": dimension, "value": value, "clicks": clicks}


def told(start: datetime, end: datetime, *args: Any, **options: Any) -> Stats:
    return stats(subjects.of_link(1, 1), periods.period(start, end), *args, **options)


def steps(
    start: datetime, end: datetime, interval: Interval, zone: tzinfo = UTC
) -> list[tuple[datetime, int, int]]:
    found = told(start, end, interval, zone)
    assert list(found.series) == list(series(subjects.of_link(1, 1), found.period, interval, zone))
    return [(bucket.start, bucket.counts.humans, bucket.counts.bots) for bucket in found.series]


def entries(top: Iterable[Entry]) -> list[tuple[str, int]]:
    return [(entry.value, entry.clicks) for entry in top]


def test_a_link_that_nobody_visited_has_zeros() -> None:
    found = told(START, START + 3 * HOUR, "hour")
    assert found.totals == Counts(0, 0)
    assert found.totals.clicks == 0
    assert [bucket.counts for bucket in found.series] == [Counts()] * 3
    assert found.top["referrers"] == found.top["devices"] == []


def test_hours_are_filled_with_zeros() -> None:
    store_counts((START, 1, 2), (START + 2 * HOUR, 3, 4))
    assert steps(START, START + 4 * HOUR, "hour") == [
        (START, 1, 2),
        (START + HOUR, 0, 0),
        (START + 2 * HOUR, 3, 4),
        (START + 3 * HOUR, 0, 0),
    ]


def test_the_end_is_not_part_of_the_range() -> None:
    store_counts((START - HOUR, 9, 9), (START, 1, 0), (START + HOUR, 9, 9))
    assert steps(START, START + HOUR, "hour") == [(START, 1, 0)]


def test_days_go_by_utc_and_a_partial_one_counts_its_hours_only() -> None:
    store_counts((START - HOUR, 9, 0), (START, 1, 0), (START + HOUR, 2, 0), (START + 2 * HOUR, 4, 1))
    found = steps(START, at("2026-05-02T00:00"), "day")
    assert found == [(at("2026-04-30T00:00"), 3, 0), (at("2026-05-01T00:00"), 4, 1)]


def test_range_covers_every_quarter_it_touches() -> None:
    store_counts((START - QUARTER, 9, 9), (START, 1, 0), (START + QUARTER, 2, 0), (START + 2 * QUARTER, 9, 9))
    minute = timedelta(minutes=1)
    found = told(START + minute, START + QUARTER + minute, "hour")
    assert found.period == Period(START, START + 2 * QUARTER)
    assert found.totals == Counts(3, 0)


@pytest.mark.parametrize(
    ("zone", "first", "days"),
    [
        # Of each day the first and the last quarter of an hour count 1 and 10, the ones around them 100.
        (BERLIN, "2026-03-28T23:00", [23, 24]),
        (BERLIN, "2026-10-24T22:00", [25, 24]),
        (NEW_YORK, "2026-03-08T05:00", [23, 24]),
        (NEW_YORK, "2026-11-01T04:00", [25, 24]),
        (KOLKATA, "2026-03-28T18:30", [24, 24]),
        (CHATHAM, "2026-04-04T10:15", [25, 24]),
        (CHATHAM, "2026-09-26T11:15", [23, 24]),
    ],
)
def test_days_are_those_of_the_zone(zone: tzinfo, first: str, days: list[int]) -> None:
    second = at(first) + days[0] * HOUR
    third = second + days[1] * HOUR
    store_counts(
        (at(first) - QUARTER, 100, 0),
        (at(first), 1, 0),
        (second - QUARTER, 10, 0),
        (second, 1, 1),
        (third - QUARTER, 10, 1),
        (third, 100, 0),
    )
    assert steps(at(first), third, "day", zone) == [(at(first), 11, 0), (second, 11, 2)]
    assert len(steps(at(first), third, "hour", zone)) == sum(days)
    assert [humans for _, humans, _ in steps(at(first), second, "hour", zone) if humans] == [1, 10]


def test_months_are_those_of_the_zone() -> None:
    store_counts(
        (at("2026-02-28T18:15"), 1, 0), (at("2026-02-28T18:30"), 2, 0), (at("2026-03-31T18:30"), 4, 0)
    )
    found = steps(at("2026-02-01T00:00"), at("2026-04-01T00:00"), "month", KOLKATA)
    assert [humans for _, humans, _ in found] == [1, 2, 4]


def test_weeks_begin_on_monday() -> None:
    store_counts(
        (at("2026-04-26T23:00"), 1, 0), (at("2026-04-27T00:00"), 2, 0), (at("2026-05-03T23:00"), 4, 0)
    )
    assert steps(at("2026-04-26T00:00"), at("2026-05-05T00:00"), "week") == [
        (at("2026-04-20T00:00"), 1, 0),
        (at("2026-04-27T00:00"), 6, 0),
        (at("2026-05-04T00:00"), 0, 0),
    ]


def test_totals_are_the_sum_of_the_series() -> None:
    store_counts((START, 1, 2), (START + DAY, 3, 4))
    found = told(START, START + 2 * DAY, "day")
    assert found.totals == Counts(humans=4, bots=6)
    assert found.totals.clicks == 10


def test_uniques_are_summed_beside_the_clicks() -> None:
    store_counts((START, 4, 2), (START + QUARTER, 3, 0), (START + DAY, 1, 0), uniques=2)
    found = told(START, START + 2 * DAY)
    assert [bucket.counts.uniques for bucket in found.series] == [4, 2, 0]
    assert found.totals == Counts(8, 2, 6)


def test_period_before_is_counted_too() -> None:
    store_counts((START - DAY - QUARTER, 99, 99), (START - DAY, 2, 0), (START - QUARTER, 2, 4), (START, 6, 1))
    found = told(START, START + DAY, "hour", compare=True)
    assert found.previous is not None
    assert found.previous.period == Period(START - DAY, START)
    assert found.previous.totals == Counts(4, 4, 0)
    assert found.previous.change == {"clicks": -0.125, "humans": 0.5, "bots": -0.75, "uniques": None}
    assert found.totals == Counts(6, 1)
    assert len(found.series) == 24


def test_period_before_is_the_month_before_in_the_zone() -> None:
    store_counts(
        (at("2026-03-31T18:15"), 9, 0), (at("2026-03-31T18:30"), 1, 0), (at("2026-04-30T18:15"), 1, 0)
    )
    found = told(at("2026-04-30T18:30"), at("2026-05-31T18:30"), "month", KOLKATA, compare=True)
    assert found.previous is not None
    assert found.previous.totals == Counts(2, 0)
    assert found.previous.change["humans"] == -1.0


def test_without_asking_nothing_is_compared() -> None:
    assert told(START, START + DAY).previous is None


def test_period_before_the_first_of_all_times_is_empty() -> None:
    found = told(at("2000-01-01T00:00"), at("2000-01-02T00:00"), compare=True)
    assert found.previous is not None
    assert found.previous.totals == Counts()


def test_account_has_roll_ups_of_its_own() -> None:
    store_counts((START, 9, 9))
    store_account_counts((START, 1, 2), (START + DAY, 3, 4))
    store_account_counts((START, 9, 9), owner_id=2)
    with database.writing() as connection:
        connection.execute(insert(AccountFacet), [{"owner_id": 1, **_facet(START, "country", "DE", 4)}])
        connection.execute(insert(AccountFacet), [{"owner_id": 2, **_facet(START, "country", "FR", 4)}])
    found = stats(subjects.of_account(1), Period(START, START + 2 * DAY))
    assert [bucket.counts for bucket in found.series] == [Counts(1, 2), Counts(3, 4), Counts()]
    assert entries(found.top["countries"]) == [("DE", 4)]


def test_other_links_are_not_counted() -> None:
    store_counts((START, 5, 5), link_id=2)
    store_facets((START, "country", "DE", 5), link_id=2)
    found = told(START, START + HOUR, "hour")
    assert found.totals == Counts(0, 0)
    assert found.top["countries"] == []


def test_top_values_come_most_frequent_first_over_all_days_of_the_range() -> None:
    store_facets(
        (START, "referrer", "a.example", 2),
        (START, "referrer", "", 5),
        (START + DAY, "referrer", "a.example", 4),
        (START + DAY, "referrer", "c.example", 1),
        (START + DAY, "referrer", "b.example", 1),
        (START + 2 * DAY, "referrer", "late.example", 100),
        (START - DAY, "referrer", "early.example", 100),
        (START, "country", "DE", 1),
        (START, "browser", "Firefox", 1),
        (START, "os", "Linux", 1),
        (START, "device", "desktop", 1),
    )
    top = told(START, at("2026-05-02T00:00"), "hour").top
    assert entries(top["referrers"]) == [("a.example", 6), ("", 5), ("b.example", 1), ("c.example", 1)]
    assert [
        entries(top["countries"]),
        entries(top["browsers"]),
        entries(top["os"]),
        entries(top["devices"]),
    ] == [
        [("DE", 1)],
        [("Firefox", 1)],
        [("Linux", 1)],
        [("desktop", 1)],
    ]


def test_top_lists_have_ten_entries() -> None:
    store_facets(*((START, "country", f"{number:02}", number) for number in range(1, 30)))
    assert entries(told(START, START + HOUR).top["countries"]) == [
        (f"{number:02}", number) for number in range(29, 19, -1)
    ]


def test_top_lists_are_as_long_as_asked_for() -> None:
    store_facets(*((START, "os", f"{number:03}", number) for number in range(1, 120)))
    assert len(told(START, START + HOUR, top=100).top["os"]) == 100
    assert entries(told(START, START + HOUR, top=1).top["os"]) == [("119", 119)]


def test_all_values_come_in_the_same_order() -> None:
    store_facets(
        *((START + DAY * (n // 1500), "referrer", f"s{n % 1500:04}.example", 1) for n in range(3000))
    )
    store_facets((START, "country", "DE", 1), (START + 3 * DAY, "referrer", "late.example", 9))
    period = Period(START, at("2026-05-03T00:00"))
    found = entries(facets.every(subjects.of_link(1, 1), period, "referrers"))
    assert found == sorted(((f"s{n:04}.example", 2) for n in range(1500)), key=lambda entry: entry[0])
    assert found[:10] == entries(told(period.start, period.end).top["referrers"])


def test_two_statements_are_enough_and_read_by_key_alone() -> None:
    """Thousands of rows are what is asked for, millions what there is."""
    sent: list[tuple[str, Any]] = []
    event.listen(db.engine, "before_cursor_execute", lambda *args: sent.append((args[2], args[3])))
    told(START, START + 30 * DAY, "day", BERLIN, compare=True)
    version, *asked = [(statement, values) for statement, values in sent if statement.startswith("SELECT")]
    assert "stats_versions" in version[0]
    assert len(asked) == 2
    db.session.remove()
    for statement, values in asked:
        plan = _plan(statement, values)
        assert "click_" in plan
        assert "SCAN click_" not in plan, plan
        assert "Seq Scan on click_" not in plan, plan


def _plan(statement: str, values: Any) -> str:
    if db.engine.dialect.name == "sqlite":
        return "\n".join(str(row[3]) for row in _run(f"EXPLAIN QUERY PLAN {statement}", values))
    db.session.execute(text("SET enable_seqscan = off"))  # in a table of no rows it would be the fastest
    return "\n".join(str(row[0]) for row in _run(f"EXPLAIN {statement}", values))


def _run(statement: str, values: Any) -> list[Any]:
    return list(db.session.connection().exec_driver_sql(statement, values))


def test_totals_of_many_links_take_one_statement() -> None:
    store_counts((START, 1, 2), (START + DAY, 3, 4), link_id=1)
    store_counts((START, 0, 5), link_id=2)
    store_counts((START, 9, 9), link_id=4)
    asked: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    totals = link_totals({1: 1, 2: 1, 3: 2})
    assert totals == {
        1: Totals(humans=4, bots=6, last_at=START + DAY),
        2: Totals(humans=0, bots=5, last_at=START),
        3: Totals(humans=0, bots=0, last_at=None),
    }
    assert totals[1].total == 10
    version, *others = [statement for statement in asked if statement.startswith("SELECT")]
    assert "stats_versions" in version
    assert len(others) == 1


def test_totals_of_no_link_are_none() -> None:
    assert link_totals({}) == {}


def test_stats_tell_what_was_ingested(ingester: Ingester, finished: Finished) -> None:
    finished(
        [
            click(referrer="https://a.example/"),
            click(user_agent=CURL),
            click(kind="prefetch"),
            click(link_id=2),
        ]
    )
    drain(ingester)
    found = told(at("2026-05-01T00:00"), at("2026-05-02T00:00"))
    assert found.totals == Counts(humans=1, bots=1, uniques=1)
    assert [entries(found.top["referrers"]), entries(found.top["countries"])] == [
        [("a.example", 1)],
        [("DE", 1)],
    ]
    assert link_totals({1: 1})[1] == Totals(1, 1, at("2026-05-01T12:30"))
