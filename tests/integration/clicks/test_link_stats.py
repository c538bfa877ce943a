"""What the roll-ups tell of a link."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import time_machine
from sqlalchemy import event, insert

from app import database
from app.clicks.ingest import Ingester
from app.clicks.models import ClickCount, ClickFacet
from app.clicks.stats import MAX_BUCKETS, Counts, Entry, Interval, Totals, link_totals, stats
from app.extensions import db
from tests.integration.clicks.conftest import CURL, Finished, click, drain

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2026, 4, 30, 22, tzinfo=UTC)  # a Thursday


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def store_hours(*hours: tuple[datetime, int, int], link_id: int = 1) -> None:
    with database.writing() as connection:
        connection.execute(
            insert(ClickCount),
            [
                {
                    "link_id": link_id,
                    "hour": hour,
                    "humans": humans,
                    "bots": bots,
                    "prefetches": 7,
                    "last_at": hour,
                }
                for hour, humans, bots in hours
            ],
        )


def store_facets(*rows: tuple[datetime, str, str, int], link_id: int = 1) -> None:
    with database.writing() as connection:
        connection.execute(
            insert(ClickFacet),
            [
                {
                    "link_id": link_id,
                    "day": day.date(),
                    "dimension": dimension,
                    "value": value,
                    "clicks": clicks,
                }
                for day, dimension, value, clicks in rows
            ],
        )


def series(start: datetime, end: datetime, interval: Interval) -> list[tuple[datetime, int, int]]:
    return [(bucket.start, bucket.humans, bucket.bots) for bucket in stats(1, start, end, interval).series]


def entries(top: Iterable[Entry]) -> list[tuple[str, int]]:
    return [(entry.value, entry.clicks) for entry in top]


def test_a_link_that_nobody_visited_has_zeros() -> None:
    found = stats(1, START, START + 3 * HOUR, "hour")
    assert found.totals == Counts(0, 0)
    assert found.totals.clicks == 0
    assert [(bucket.humans, bucket.bots) for bucket in found.series] == [(0, 0)] * 3
    assert found.top.referrers == found.top.devices == []


def test_hours_are_filled_with_zeros() -> None:
    store_hours((START, 1, 2), (START + 2 * HOUR, 3, 4))
    assert series(START, START + 4 * HOUR, "hour") == [
        (START, 1, 2),
        (START + HOUR, 0, 0),
        (START + 2 * HOUR, 3, 4),
        (START + 3 * HOUR, 0, 0),
    ]


def test_the_end_is_not_part_of_the_range() -> None:
    store_hours((START - HOUR, 9, 9), (START, 1, 0), (START + HOUR, 9, 9))
    assert series(START, START + HOUR, "hour") == [(START, 1, 0)]


def test_a_range_covers_every_hour_it_touches() -> None:
    store_hours((START, 1, 0), (START + HOUR, 2, 0))
    minute = timedelta(minutes=1)
    assert series(START + minute, START + HOUR + minute, "hour") == [(START, 1, 0), (START + HOUR, 2, 0)]
    assert stats(1, START + minute, START + HOUR + minute, "hour").start == START
    assert stats(1, START + minute, START + HOUR + minute, "hour").end == START + 2 * HOUR


def test_days_go_by_utc_and_a_partial_one_counts_its_hours_only() -> None:
    store_hours((START - HOUR, 9, 0), (START, 1, 0), (START + HOUR, 2, 0), (START + 2 * HOUR, 4, 1))
    found = series(START, at("2026-05-02T00:00"), "day")
    assert found == [(at("2026-04-30T00:00"), 3, 0), (at("2026-05-01T00:00"), 4, 1)]


def test_weeks_begin_on_monday() -> None:
    store_hours(
        (at("2026-04-26T23:00"), 1, 0), (at("2026-04-27T00:00"), 2, 0), (at("2026-05-03T23:00"), 4, 0)
    )
    assert series(at("2026-04-26T00:00"), at("2026-05-05T00:00"), "week") == [
        (at("2026-04-20T00:00"), 1, 0),
        (at("2026-04-27T00:00"), 6, 0),
        (at("2026-05-04T00:00"), 0, 0),
    ]


def test_months_have_their_own_lengths() -> None:
    store_hours(
        (at("2024-02-29T23:00"), 1, 0), (at("2024-03-01T00:00"), 2, 0), (at("2024-12-31T23:00"), 4, 0)
    )
    found = series(at("2024-01-31T12:00"), at("2025-01-01T00:00"), "month")
    assert [start.month for start, _, _ in found] == list(range(1, 13))
    assert {start.day for start, _, _ in found} == {1}
    assert [(start.month, humans) for start, humans, _ in found if humans] == [(2, 1), (3, 2), (12, 4)]


def test_times_of_other_zones_mean_the_same_moment() -> None:
    store_hours((START, 1, 0))
    offset = START.astimezone(datetime.fromisoformat("2026-01-01T00:00+05:30").tzinfo)
    assert series(offset, offset + HOUR, "hour") == [(START, 1, 0)]


def test_totals_are_the_sum_of_the_series() -> None:
    store_hours((START, 1, 2), (START + DAY, 3, 4))
    found = stats(1, START, START + 2 * DAY, "day")
    assert found.totals == Counts(humans=4, bots=6)
    assert found.totals.clicks == 10


def test_other_links_are_not_counted() -> None:
    store_hours((START, 5, 5), link_id=2)
    store_facets((START, "country", "DE", 5), link_id=2)
    found = stats(1, START, START + HOUR, "hour")
    assert found.totals == Counts(0, 0)
    assert found.top.countries == []


def test_without_a_range_it_is_the_last_thirty_days() -> None:
    now = at("2026-05-31T12:34:56")
    store_hours(
        (at("2026-05-01T11:00"), 9, 9), (at("2026-05-01T12:00"), 1, 0), (at("2026-05-31T12:00"), 2, 0)
    )
    with time_machine.travel(now, tick=False):
        found = stats(1)
    assert (found.start, found.end) == (at("2026-05-01T12:00"), at("2026-05-31T13:00"))
    assert found.interval == "day"
    assert len(found.series) == 31
    assert found.totals == Counts(3, 0)


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
    top = stats(1, START, at("2026-05-02T00:00"), "hour").top
    assert entries(top.referrers) == [("a.example", 6), ("", 5), ("b.example", 1), ("c.example", 1)]
    assert [entries(top.countries), entries(top.browsers), entries(top.os), entries(top.devices)] == [
        [("DE", 1)],
        [("Firefox", 1)],
        [("Linux", 1)],
        [("desktop", 1)],
    ]


def test_top_lists_have_ten_entries() -> None:
    store_facets(*((START, "country", f"{number:02}", number) for number in range(1, 30)))
    assert entries(stats(1, START, START + HOUR).top.countries) == [
        (f"{number:02}", number) for number in range(29, 19, -1)
    ]


def test_two_statements_are_enough() -> None:
    store_hours((START, 1, 0))
    asked: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    stats(1, START, START + DAY)
    assert len([statement for statement in asked if statement.startswith("SELECT")]) == 2


def test_as_many_buckets_as_allowed_are_told() -> None:
    assert len(stats(1, START, START + MAX_BUCKETS * HOUR, "hour").series) == MAX_BUCKETS


def test_the_default_range_begins_no_earlier_than_any_range_may() -> None:
    assert stats(1, None, at("2000-01-02T00:00")).start == at("2000-01-01T00:00")


def test_totals_of_many_links_take_one_statement() -> None:
    store_hours((START, 1, 2), (START + DAY, 3, 4), link_id=1)
    store_hours((START, 0, 5), link_id=2)
    store_hours((START, 9, 9), link_id=4)
    asked: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    totals = link_totals([1, 2, 3])
    assert totals == {
        1: Totals(humans=4, bots=6, last_at=START + DAY),
        2: Totals(humans=0, bots=5, last_at=START),
        3: Totals(humans=0, bots=0, last_at=None),
    }
    assert totals[1].total == 10
    assert len([statement for statement in asked if statement.startswith("SELECT")]) == 1


def test_totals_of_no_link_are_none() -> None:
    assert link_totals([]) == {}


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
    found = stats(1, at("2026-05-01T00:00"), at("2026-05-02T00:00"))
    assert found.totals == Counts(humans=1, bots=1)
    assert [entries(found.top.referrers), entries(found.top.countries)] == [[("a.example", 1)], [("DE", 1)]]
    assert link_totals([1])[1] == Totals(1, 1, at("2026-05-01T12:30"))
