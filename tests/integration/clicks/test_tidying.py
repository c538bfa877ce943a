"""What is deleted, and what must not be."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from app import database
from app.clicks.backlog import backlog, note_positions
from app.clicks.ingest import Ingester
from app.clicks.models import SpoolPosition
from app.clicks.quarantine import Quarantine
from app.clicks.spool import Spool
from app.clicks.tidying import tidy_spool
from tests.integration.clicks.conftest import Finished, click, drain, queries

NOW = datetime(2026, 5, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def now() -> time_machine.Traveller:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def store_position(file: str, finished_at: datetime | None) -> None:
    with database.writing() as connection:
        connection.execute(insert(SpoolPosition), {"file": file, "position": 5, "finished_at": finished_at})


def positions() -> dict[str, datetime | None]:
    with database.reading() as connection:
        return {row.file: row.finished_at for row in connection.execute(select(SpoolPosition.__table__))}


def touch(path: Path, age: timedelta) -> Path:
    path.touch()
    then = (NOW - age).timestamp()
    os.utime(path, (then, then))
    return path


def test_positions_are_forgotten_30_days_after_their_file_was_finished(spool_dir: Path) -> None:
    store_position("old.spool", NOW - 31 * DAY)
    store_position("recent.spool", NOW - 29 * DAY)
    store_position("open.spool", None)
    tidy_spool()
    assert sorted(positions()) == ["open.spool", "recent.spool"]


def test_a_finished_file_that_could_not_be_deleted_is_never_read_again(
    spool_dir: Path, finished: Finished, ingester: Ingester
) -> None:
    path = finished([click("a")])
    store_position(path.name, NOW - 31 * DAY)
    tidy_spool()
    assert positions() == {path.name: NOW}
    drain(ingester)
    assert queries() == []


def test_temporary_files_of_killed_writers_are_deleted_after_an_hour(spool_dir: Path) -> None:
    old = touch(spool_dir / "1-a.tmp", timedelta(minutes=61))
    new = touch(spool_dir / "2-b.tmp", timedelta(minutes=59))
    spool_file = touch(spool_dir / "3-c.spool", 40 * DAY)
    tidy_spool()
    assert [path.exists() for path in (old, new, spool_file)] == [False, True, True]


def test_quarantine_is_kept_for_30_days(spool_dir: Path) -> None:
    Quarantine(spool_dir).keep("a", [b"bad"])
    old = touch(spool_dir / "quarantine" / "a.bad", 31 * DAY)
    new = touch(spool_dir / "quarantine" / "b.bad", 29 * DAY)
    tidy_spool()
    assert (old.exists(), new.exists()) == (False, True)


def test_worker_notes_how_far_it_came_and_what_is_left_is_the_backlog(
    spool_dir: Path, finished: Finished, ingester: Ingester
) -> None:
    spool = Spool(spool_dir)
    assert spool.append(click("read", at=NOW))
    drain(ingester)
    note_positions()
    assert backlog(spool_dir).unread == 0
    late = click("unread", at=NOW)
    assert spool.append(late)
    finished([click("older", at=NOW - DAY)])
    found = backlog(spool_dir)
    assert (found.unread, found.age) == (len(late) + len(click("older")), DAY.total_seconds())
    drain(ingester)
    note_positions()
    assert (backlog(spool_dir).unread, backlog(spool_dir).age) == (0, 0)
    assert not list(spool_dir.glob("*.tmp"))


def test_note_stays_true_while_the_database_is_away(spool_dir: Path, ingester: Ingester) -> None:
    spool = Spool(spool_dir)
    assert spool.append(click("read", at=NOW))
    drain(ingester)
    note_positions()
    with database.writing() as connection:
        connection.execute(text("ALTER TABLE spool_positions RENAME TO gone"))
    try:
        with pytest.raises(SQLAlchemyError):
            note_positions()
        assert backlog(spool_dir).unread == 0
    finally:
        with database.writing() as connection:
            connection.execute(text("ALTER TABLE gone RENAME TO spool_positions"))
