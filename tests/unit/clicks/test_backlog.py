"""What waits in the spool, told from the files and the worker's note; real files."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from app.clicks.backlog import NOTE, Backlog, BacklogCollector, backlog
from tests.integration.clicks.conftest import click

NOW = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def now() -> time_machine.Traveller:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def note(directory: Path, **positions: int) -> None:
    (directory / NOTE).write_text(json.dumps({f"{name}.spool": at for name, at in positions.items()}))


def size_of_note(directory: Path) -> int:
    return (directory / NOTE).stat().st_size


def test_without_a_directory_there_is_none(tmp_path: Path) -> None:
    assert backlog(tmp_path / "none") == Backlog(0, 0, 0)


def test_before_a_worker_came_everything_is_unread(tmp_path: Path) -> None:
    lines = click(at=NOW - 7 * MINUTE) + click(at=NOW)
    (tmp_path / "1.spool").write_bytes(lines)
    assert backlog(tmp_path) == Backlog(len(lines), len(lines), 7 * 60)


def test_what_was_stored_is_neither_unread_nor_old(tmp_path: Path) -> None:
    first, second = click(at=NOW - 60 * MINUTE), click(at=NOW - 2 * MINUTE)
    (tmp_path / "1.spool").write_bytes(first + second)
    note(tmp_path, **{"1": len(first)})
    found = backlog(tmp_path)
    assert (found.unread, found.age) == (len(second), 120)
    note(tmp_path, **{"1": len(first) + len(second)})
    assert backlog(tmp_path) == Backlog(len(first) + len(second) + size_of_note(tmp_path), 0, 0)


def test_the_oldest_line_of_all_files_tells_the_age(tmp_path: Path) -> None:
    for name, minutes in (("1", 3), ("2", 9), ("3", 5)):
        (tmp_path / f"{name}.spool").write_bytes(click(at=NOW - minutes * MINUTE))
    assert backlog(tmp_path).age == 9 * 60


def test_bad_line_is_as_old_as_its_file(tmp_path: Path) -> None:
    path = tmp_path / "1.spool"
    path.write_bytes(b"nonsense\n")
    os.utime(path, ((NOW - MINUTE).timestamp(),) * 2)
    assert backlog(tmp_path) == Backlog(9, 9, 60)


def test_click_of_the_future_is_not_waiting(tmp_path: Path) -> None:
    (tmp_path / "1.spool").write_bytes(click(at=NOW + MINUTE))
    assert backlog(tmp_path).age == 0


def test_note_that_a_power_cut_emptied_is_none(tmp_path: Path) -> None:
    (tmp_path / NOTE).touch()
    (tmp_path / "1.spool").write_bytes(click(at=NOW))
    assert backlog(tmp_path).unread == len(click(at=NOW))


def test_prometheus_is_told_it_all_at_the_moment_it_asks(tmp_path: Path) -> None:
    collector = BacklogCollector(tmp_path)
    assert told(collector) == {"bytes": 0, "unread_bytes": 0, "oldest_unread_seconds": 0}
    (tmp_path / "1.spool").write_bytes(click(at=NOW - MINUTE))
    size = len(click(at=NOW))
    assert told(collector) == {"bytes": size, "unread_bytes": size, "oldest_unread_seconds": 60}


def test_directory_that_cannot_be_read_breaks_no_metrics(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert told(BacklogCollector(tmp_path / "file")) == {}


def told(collector: BacklogCollector) -> dict[str, float]:
    return {
        sample.name.removeprefix("slugline_spool_"): sample.value
        for metric in collector.collect()
        for sample in metric.samples
    }
