"""Keys for one day each: made ahead, shared by all processes, gone after the day."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import delete, event, select, text
from structlog.testing import capture_logs

from app import database
from app.clicks.daykeys import DayKeys, keep_day_keys
from app.clicks.models import DayKey
from app.extensions import db

NOW = datetime(2026, 5, 1, 23, 59, tzinfo=UTC)
TODAY = NOW.date()
DAY = timedelta(days=1)


def stored() -> dict[date, bytes]:
    with database.reading() as connection:
        return {row.day: row.key for row in connection.execute(select(DayKey.__table__))}


@pytest.fixture(autouse=True)
def now() -> time_machine.Traveller:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def test_keys_are_made_for_today_and_two_days_ahead() -> None:
    keep_day_keys()
    keys = stored()
    assert sorted(keys) == [TODAY, TODAY + DAY, TODAY + 2 * DAY]
    assert {len(key) for key in keys.values()} == {32}
    assert len(set(keys.values())) == 3


def test_a_key_once_made_stays_for_its_day() -> None:
    keep_day_keys()
    before = stored()
    keep_day_keys()
    assert stored() == before


def test_past_keys_are_deleted_the_next_day(now: time_machine.Traveller) -> None:
    keep_day_keys()
    tomorrow = stored()[TODAY + DAY]
    now.move_to(NOW + timedelta(minutes=1))
    keep_day_keys()
    assert sorted(stored()) == [TODAY + DAY, TODAY + 2 * DAY, TODAY + 3 * DAY]
    assert stored()[TODAY + DAY] == tomorrow


def test_all_processes_have_the_same_key() -> None:
    keep_day_keys()
    assert DayKeys().key(TODAY) == DayKeys().key(TODAY) == stored()[TODAY]


def test_the_next_days_key_is_there_at_midnight_without_asking() -> None:
    keep_day_keys()
    keys = DayKeys()
    keys.key(TODAY)
    tomorrow = stored()[TODAY + DAY]
    with database.writing() as connection:
        connection.execute(delete(DayKey))
    assert keys.key(TODAY + DAY) == tomorrow


def test_without_a_row_a_stand_in_serves_until_there_is_one() -> None:
    keys = DayKeys(retry=0.0)
    with capture_logs() as logs:
        stand_in = keys.key(TODAY)
        assert keys.key(TODAY) == stand_in
    assert len(logs) == 1
    assert len(stand_in) == 32
    assert DayKeys().key(TODAY) != stand_in
    keep_day_keys()
    assert keys.key(TODAY) == stored()[TODAY]


def test_a_database_that_fails_is_asked_at_most_once_a_second_and_the_click_goes_on() -> None:
    with database.writing() as connection:
        connection.execute(text("ALTER TABLE day_keys RENAME TO gone"))
    keys = DayKeys()
    asked: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    with capture_logs() as logs:
        assert len({keys.key(TODAY) for _ in range(100)}) == 1
    assert len([statement for statement in asked if "day_keys" in statement]) == 1
    assert [entry["log_level"] for entry in logs] == ["warning"]


def test_each_day_has_a_stand_in_of_its_own() -> None:
    keys = DayKeys()
    assert keys.key(TODAY) != keys.key(TODAY + DAY)
