"""Bad lines are kept for a look, within bounds."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.clicks.quarantine import Quarantine


def test_lines_are_kept_per_spool_file(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path)
    assert quarantine.keep("1-a.spool", [b"bad", b"worse\n"])
    assert quarantine.keep("1-a.spool", [b"\0worst"])
    assert quarantine.keep("2-b.spool", [b"other"])
    assert (tmp_path / "quarantine" / "1-a.spool.bad").read_bytes() == b"bad\nworse\n\0worst\n"
    assert (tmp_path / "quarantine" / "2-b.spool.bad").read_bytes() == b"other\n"


def test_a_file_of_bad_lines_has_a_bound(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path, max_file=10)
    assert quarantine.keep("a", [b"123456789"])
    assert not quarantine.keep("a", [b"x"])
    assert quarantine.keep("b", [b"123456789"])
    assert (tmp_path / "quarantine" / "a.bad").stat().st_size == 10


def test_all_bad_lines_together_have_a_bound(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path, max_total=15)
    assert quarantine.keep("a", [b"123456789"])
    assert not quarantine.keep("b", [b"123456789"])
    assert quarantine.keep("c", [b"1234"])


def test_a_quarantine_that_cannot_be_written_does_not_raise(tmp_path: Path) -> None:
    (tmp_path / "quarantine").touch()
    assert not Quarantine(tmp_path).keep("a", [b"bad"])


def test_only_files_of_long_ago_are_forgotten(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path)
    quarantine.keep("old", [b"bad"])
    quarantine.keep("new", [b"bad"])
    now = datetime(2026, 5, 1, tzinfo=UTC)
    for name, age in (("old", 31), ("new", 29)):
        then = (now - timedelta(days=age)).timestamp()
        os.utime(tmp_path / "quarantine" / f"{name}.bad", (then, then))
    quarantine.forget(now - timedelta(days=30))
    assert [path.name for path in (tmp_path / "quarantine").iterdir()] == ["new.bad"]


def test_there_is_nothing_to_forget_without_a_quarantine(tmp_path: Path) -> None:
    Quarantine(tmp_path).forget(datetime(2026, 5, 1, tzinfo=UTC))
    assert list(tmp_path.iterdir()) == []
